"""Pruning on a GPU: one launch up and one launch down for all trees and blocks of patterns.

A program takes one tree and `BLOCK` patterns, one thread per pattern where BLOCK is 32 times the number of warps, and
walks the list of internal nodes on its own: up the tree, later down again. Between its steps it keeps four numbers per
internal node and pattern (and category) in its own part of a workspace in global memory: the message on the edge above
the node, later the outside message below that edge (JC69) or above it (general). Messages of tips are made from the
state sets when needed. No program reads what another has written, sums over patterns are written per block and added
by the caller, and there are no atomic operations: equal input gives equal bits.

The formulas are those of `cpu.jc69_gradient` and `cpu.general_gradient`. Every node's partial likelihoods are
multiplied by the power of two that brings the largest into [1, 2); the sum of the exponents per pattern is kept apart
from the likelihood, and by the outside messages, normalised by the likelihood, the factors cancel in gradients.

Constants in the kernels are exact in single precision, since that is how Triton may read them.
"""

# Triton types arguments when it compiles, and its constants are written in capitals.
# ruff: noqa: ANN001, ANN201, ANN202, N803
# pyright: reportMissingImports=false, reportGeneralTypeIssues=false

import triton
import triton.language as tl


@triton.jit
def power_of_two(largest, FLOAT64: tl.constexpr):
    """(2^-k, k) where 2^k <= largest < 2^(k+1); (1, 0) where that is zero, subnormal or out of range."""
    if FLOAT64:
        exponent = (largest.to(tl.int64, bitcast=True) >> 52) & 2047
        exponent = tl.where((exponent > 0) & (exponent < 2046), exponent, 1023)
        factor = ((2046 - exponent) << 52).to(tl.float64, bitcast=True)
        k = exponent - 1023
    else:
        exponent = (largest.to(tl.int32, bitcast=True) >> 23) & 255
        exponent = tl.where((exponent > 0) & (exponent < 254), exponent, 127)
        factor = ((254 - exponent) << 23).to(tl.float32, bitcast=True)
        k = (exponent - 127).to(tl.int64)
    return factor, k


@triton.jit
def exp2(k, FLOAT64: tl.constexpr):
    """2^k for an integer k: 0 below the normal numbers, the largest power above them."""
    if FLOAT64:
        power = ((tl.minimum(tl.maximum(k, -1023), 1023) + 1023) << 52).to(tl.float64, bitcast=True)
    else:
        power = ((tl.minimum(tl.maximum(k, -127), 127).to(tl.int32) + 127) << 23).to(tl.float32, bitcast=True)
    return power


@triton.jit
def load4(pointer, BLOCK: tl.constexpr):
    return (
        tl.load(pointer),
        tl.load(pointer + BLOCK),
        tl.load(pointer + 2 * BLOCK),
        tl.load(pointer + 3 * BLOCK),
    )


@triton.jit
def store4(pointer, x0, x1, x2, x3, BLOCK: tl.constexpr):
    tl.store(pointer, x0)
    tl.store(pointer + BLOCK, x1)
    tl.store(pointer + 2 * BLOCK, x2)
    tl.store(pointer + 3 * BLOCK, x3)


@triton.jit
def tip_indicators(pointer, like):
    """Indicators of the four states in the sets of one tip, in the type of `like`."""
    s = tl.load(pointer).to(tl.int32)
    return (
        (s & 1).to(like.dtype),
        ((s >> 1) & 1).to(like.dtype),
        ((s >> 2) & 1).to(like.dtype),
        ((s >> 3) & 1).to(like.dtype),
    )


@triton.jit
def _jc69_message(node, n, states, n_columns, slots, e, a, BLOCK: tl.constexpr):
    """Message on the edge above a node; `states` and `slots` point at the program's patterns, `e`, `a` at its tree."""
    if node < n:
        e_tip = tl.load(e + node)
        b0, b1, b2, b3 = tip_indicators(states + node * n_columns, e_tip)
        rest = tl.load(a + node) * ((b0 + b1) + (b2 + b3))
        m0 = rest + e_tip * b0
        m1 = rest + e_tip * b1
        m2 = rest + e_tip * b2
        m3 = rest + e_tip * b3
    else:
        m0, m1, m2, m3 = load4(slots + (node - n) * (4 * BLOCK), BLOCK)
    return m0, m1, m2, m3


@triton.jit
def jc69_up(
    children, states, weights, e, a, work, logs, exponents, n, n_blocks,
    BLOCK: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """Messages of all internal nodes, the outside message of the top node, and the log-likelihood per block.

    Arguments:
        children: (T, N-2, 2) int32.
        states: (N, B BLOCK) uint8.
        weights: (B BLOCK,).
        e: (T, E) exp(-4t/3).
        a: (T, E) (1 - e) / 4.
        work: (T, B, N-2, 4, BLOCK) output.
        logs: (T, B) float64 output, sum of weight times natural logarithm of the likelihood divided by a power of two.
        exponents: (T, B) float64 output, sum of weight times the exponent of that power.
        n: N.
        n_blocks: B.
        BLOCK: patterns per block.
        FLOAT64: whether e, a, weights and work are float64; float32 otherwise.
    """
    program = tl.program_id(0).to(tl.int64)
    tree = program // n_blocks
    lanes = tl.arange(0, BLOCK)
    columns = (program % n_blocks) * BLOCK + lanes
    children += tree * (n - 2) * 2
    e += tree * (2 * n - 3)
    a += tree * (2 * n - 3)
    n_columns = n_blocks * BLOCK
    sets = states + columns
    slots = work + program * (n - 2) * (4 * BLOCK) + lanes
    k = tl.zeros((BLOCK,), dtype=tl.int64)
    for i in range(n - 3):
        l0, l1, l2, l3 = _jc69_message(tl.load(children + 2 * i), n, sets, n_columns, slots, e, a, BLOCK)
        r0, r1, r2, r3 = _jc69_message(tl.load(children + 2 * i + 1), n, sets, n_columns, slots, e, a, BLOCK)
        v0, v1, v2, v3 = l0 * r0, l1 * r1, l2 * r2, l3 * r3
        factor, step = power_of_two(tl.maximum(tl.maximum(v0, v1), tl.maximum(v2, v3)), FLOAT64)
        k += step
        rest = tl.load(a + n + i) * (((v0 + v1) + (v2 + v3)) * factor)
        scaled = tl.load(e + n + i) * factor
        pointer = slots + i * (4 * BLOCK)
        store4(pointer, rest + scaled * v0, rest + scaled * v1, rest + scaled * v2, rest + scaled * v3, BLOCK)
        tl.debug_barrier()
    l0, l1, l2, l3 = _jc69_message(tl.load(children + 2 * n - 6), n, sets, n_columns, slots, e, a, BLOCK)
    r0, r1, r2, r3 = _jc69_message(tl.load(children + 2 * n - 5), n, sets, n_columns, slots, e, a, BLOCK)
    t0, t1, t2, t3 = _jc69_message(0, n, sets, n_columns, slots, e, a, BLOCK)
    v0, v1, v2, v3 = l0 * r0, l1 * r1, l2 * r2, l3 * r3
    factor, step = power_of_two(tl.maximum(tl.maximum(v0, v1), tl.maximum(v2, v3)), FLOAT64)
    likelihood = ((v0 * t0 + v1 * t1) + (v2 * t2 + v3 * t3)) * factor * 0.25
    weight = tl.load(weights + columns)
    log = tl.where(weight > 0, weight * tl.log(likelihood), 0.0)
    tl.store(logs + program, tl.sum(log.to(tl.float64), axis=0))
    tl.store(exponents + program, tl.sum(weight.to(tl.float64) * (k + step).to(tl.float64), axis=0))
    share = weight / (likelihood * 16.0)  # not finite at likelihood 0, where no gradient is kept
    store4(slots + (n - 3) * (4 * BLOCK), share * t0, share * t1, share * t2, share * t3, BLOCK)


@triton.jit
def jc69_down(
    children, states, e, a, work, sums, n, n_blocks,
    BLOCK: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """Sums over patterns of w sum(O) sum(v) / (4 L) for every edge, per block.

    Arguments:
        children: (T, N-2, 2) int32.
        states: (N, B BLOCK) uint8.
        e: (T, E) exp(-4t/3).
        a: (T, E) (1 - e) / 4.
        work: (T, B, N-2, 4, BLOCK) as `jc69_up` left it; overwritten.
        sums: (T, B, E) output in the type of work.
        n: N.
        n_blocks: B.
        BLOCK: patterns per block.
        FLOAT64: whether e, a and work are float64; float32 otherwise.
    """
    program = tl.program_id(0).to(tl.int64)
    tree = program // n_blocks
    lanes = tl.arange(0, BLOCK)
    columns = (program % n_blocks) * BLOCK + lanes
    children += tree * (n - 2) * 2
    e += tree * (2 * n - 3)
    a += tree * (2 * n - 3)
    sums += program * (2 * n - 3)
    n_columns = n_blocks * BLOCK
    sets = states + columns
    slots = work + program * (n - 2) * (4 * BLOCK) + lanes
    for j in range(n - 2):
        i = n - 3 - j
        left = tl.load(children + 2 * i)
        right = tl.load(children + 2 * i + 1)
        l0, l1, l2, l3 = _jc69_message(left, n, sets, n_columns, slots, e, a, BLOCK)
        r0, r1, r2, r3 = _jc69_message(right, n, sets, n_columns, slots, e, a, BLOCK)
        u0, u1, u2, u3 = load4(slots + i * (4 * BLOCK), BLOCK)
        v0, v1, v2, v3 = l0 * r0, l1 * r1, l2 * r2, l3 * r3
        factor, _ = power_of_two(tl.maximum(tl.maximum(v0, v1), tl.maximum(v2, v3)), FLOAT64)
        u0 *= factor
        u1 *= factor
        u2 *= factor
        u3 *= factor
        if j == 0:
            tl.store(sums, tl.sum(((u0 + u1) + (u2 + u3)) * ((v0 + v1) + (v2 + v3)), axis=0))
        # an edge keeps the sum over states: the sum of a message is that of the partial likelihoods below it
        left_sum = (l0 + l1) + (l2 + l3)
        right_sum = (r0 + r1) + (r2 + r3)
        l0, r0 = u0 * r0, u0 * l0
        l1, r1 = u1 * r1, u1 * l1
        l2, r2 = u2 * r2, u2 * l2
        l3, r3 = u3 * r3, u3 * l3
        left_total = (l0 + l1) + (l2 + l3)
        right_total = (r0 + r1) + (r2 + r3)
        tl.store(sums + left, tl.sum(left_total * left_sum, axis=0))
        tl.store(sums + right, tl.sum(right_total * right_sum, axis=0))
        if left >= n:
            rest = tl.load(a + left) * left_total
            e_edge = tl.load(e + left)
            pointer = slots + (left - n) * (4 * BLOCK)
            store4(pointer, rest + e_edge * l0, rest + e_edge * l1, rest + e_edge * l2, rest + e_edge * l3, BLOCK)
        if right >= n:
            rest = tl.load(a + right) * right_total
            e_edge = tl.load(e + right)
            pointer = slots + (right - n) * (4 * BLOCK)
            store4(pointer, rest + e_edge * r0, rest + e_edge * r1, rest + e_edge * r2, rest + e_edge * r3, BLOCK)
        tl.debug_barrier()
