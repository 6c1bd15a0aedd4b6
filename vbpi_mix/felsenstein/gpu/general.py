"""The kernels of `gpu.jc69` for any model of four states with C rate categories.

Programs, workspace and scaling are as described there; formulas are those of `cpu.general_gradient`. The categories of
a pattern, which end at different powers of two, are mixed at the largest of them.
"""

# Triton types arguments when it compiles, and its constants are written in capitals.
# ruff: noqa: ANN001, ANN201, ANN202, N803
# pyright: reportMissingImports=false, reportGeneralTypeIssues=false

import triton
import triton.language as tl

from vbpi_mix.felsenstein.gpu.jc69 import exp2, load4, power_of_two, store4, tip_indicators


@triton.jit
def _multiply(matrix, v0, v1, v2, v3):
    """Matrix (4, 4) at a pointer times vectors."""
    return (
        (tl.load(matrix) * v0 + tl.load(matrix + 1) * v1) + (tl.load(matrix + 2) * v2 + tl.load(matrix + 3) * v3),
        (tl.load(matrix + 4) * v0 + tl.load(matrix + 5) * v1) + (tl.load(matrix + 6) * v2 + tl.load(matrix + 7) * v3),
        (tl.load(matrix + 8) * v0 + tl.load(matrix + 9) * v1) + (tl.load(matrix + 10) * v2 + tl.load(matrix + 11) * v3),
        (tl.load(matrix + 12) * v0 + tl.load(matrix + 13) * v1)
        + (tl.load(matrix + 14) * v2 + tl.load(matrix + 15) * v3),
    )


@triton.jit
def _multiply_transposed(matrix, v0, v1, v2, v3):
    return (
        (tl.load(matrix) * v0 + tl.load(matrix + 4) * v1) + (tl.load(matrix + 8) * v2 + tl.load(matrix + 12) * v3),
        (tl.load(matrix + 1) * v0 + tl.load(matrix + 5) * v1) + (tl.load(matrix + 9) * v2 + tl.load(matrix + 13) * v3),
        (tl.load(matrix + 2) * v0 + tl.load(matrix + 6) * v1) + (tl.load(matrix + 10) * v2 + tl.load(matrix + 14) * v3),
        (tl.load(matrix + 3) * v0 + tl.load(matrix + 7) * v1) + (tl.load(matrix + 11) * v2 + tl.load(matrix + 15) * v3),
    )


@triton.jit
def _store_row(out, x, v0, v1, v2, v3):
    tl.store(out, tl.sum(x * v0, axis=0))
    tl.store(out + 1, tl.sum(x * v1, axis=0))
    tl.store(out + 2, tl.sum(x * v2, axis=0))
    tl.store(out + 3, tl.sum(x * v3, axis=0))


@triton.jit
def _store_outer(out, o0, o1, o2, o3, v0, v1, v2, v3):
    """Sums over patterns of the products of four numbers with four others."""
    _store_row(out, o0, v0, v1, v2, v3)
    _store_row(out + 4, o1, v0, v1, v2, v3)
    _store_row(out + 8, o2, v0, v1, v2, v3)
    _store_row(out + 12, o3, v0, v1, v2, v3)


@triton.jit
def _message(
    node, n, states, n_columns, slots, matrices, n_categories, BLOCK: tl.constexpr
):  # fmt: skip
    """Message on the edge above a node; `matrices` points at edge 0 of the program's tree and category."""
    if node < n:
        matrix = matrices + node * n_categories * 16
        b0, b1, b2, b3 = tip_indicators(states + node * n_columns, tl.load(matrix))
        m0, m1, m2, m3 = _multiply(matrix, b0, b1, b2, b3)
    else:
        m0, m1, m2, m3 = load4(slots + (node - n) * (4 * BLOCK), BLOCK)
    return m0, m1, m2, m3


@triton.jit
def mix_categories(
    mixing, category_weights, weight, base, log, exponent, n_categories, BLOCK: tl.constexpr, FLOAT64: tl.constexpr
):  # fmt: skip
    """Log-likelihood of a block by those of its categories, and shares of the categories, for derivatives.

    Arguments:
        mixing: the program's (C, 3, BLOCK), as `general_up` describes it, at the program's patterns; shares are output.
        category_weights: (C,).
        weight: weights of the patterns.
        base: largest exponent of a category that a pattern has.
        log: output, the block's entry of `general_up`'s `logs`.
        exponent: output, that of its `exponents`.
        n_categories: C.
        BLOCK: patterns per block.
        FLOAT64: as in `general_up`.
    """
    limit = 1000 if FLOAT64 else 100
    mixture = tl.zeros_like(weight)
    for c in range(n_categories):
        k = tl.load(mixing + 3 * BLOCK * c + BLOCK).to(tl.int64)
        part = tl.load(category_weights + c) * tl.load(mixing + 3 * BLOCK * c)
        mixture += tl.where(part == 0, 0.0, part * exp2(k - base, FLOAT64))
    for c in range(n_categories):
        k = tl.load(mixing + 3 * BLOCK * c + BLOCK).to(tl.int64)
        # A category of likelihood zero may stand at a power out of range, where its derivatives are beyond numbers.
        # They count as zero, as in the other kernels.
        known = (tl.load(mixing + 3 * BLOCK * c) > 0) | (k - base < limit)
        share = tl.where(known & (mixture > 0), weight / mixture * exp2(k - base, FLOAT64), 0.0)
        tl.store(mixing + 3 * BLOCK * c + 2 * BLOCK, share)
    terms = tl.where(weight > 0, weight * tl.log(mixture), 0.0)
    tl.store(log, tl.sum(terms.to(tl.float64), axis=0))
    tl.store(exponent, tl.sum(weight.to(tl.float64) * base.to(tl.float64), axis=0))


@triton.jit
def general_up(
    children, states, weights, matrices, frequencies, category_weights, work, mixing, logs, exponents,
    n, n_blocks, n_categories,
    BLOCK: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """Messages of all internal nodes but the top, its partial likelihoods, and the log-likelihood per block.

    Arguments:
        children: (T, N-2, 2) int32.
        states: (N, B BLOCK) uint8.
        weights: (B BLOCK,).
        matrices: (T, E, C, 4, 4).
        frequencies: (T, 4).
        category_weights: (T, C).
        work: (T, B, C, N-2, 4, BLOCK) output.
        mixing: (T, B, C, 3, BLOCK) output: likelihood by category divided by a power of two, the exponent, and what a
            derivative of the former must be multiplied by, category weight apart, to be one of the log-likelihood.
        logs: (T, B) float64 output, sum of weight times natural logarithm of the likelihood divided by a power of two.
        exponents: (T, B) float64 output, sum of weight times the exponent of that power.
        n: N.
        n_blocks: B.
        n_categories: C.
        BLOCK: patterns per block.
        FLOAT64: whether floating-point arrays not said to be float64 are; float32 otherwise.
    """
    program = tl.program_id(0).to(tl.int64)
    tree = program // n_blocks
    lanes = tl.arange(0, BLOCK)
    columns = (program % n_blocks) * BLOCK + lanes
    children += tree * (n - 2) * 2
    n_columns = n_blocks * BLOCK
    sets = states + columns
    matrices += tree * (2 * n - 3) * n_categories * 16
    frequencies += tree * 4
    category_weights += tree * n_categories
    mixing += program * n_categories * (3 * BLOCK) + lanes
    weight = tl.load(weights + columns)
    base = tl.zeros((BLOCK,), dtype=tl.int64) - (1 << 40)
    for c in range(n_categories):
        slots = work + (program * n_categories + c) * (n - 2) * (4 * BLOCK) + lanes
        of_c = matrices + c * 16
        k = tl.zeros((BLOCK,), dtype=tl.int64)
        for i in range(n - 2):
            left = tl.load(children + 2 * i)
            right = tl.load(children + 2 * i + 1)
            l0, l1, l2, l3 = _message(left, n, sets, n_columns, slots, of_c, n_categories, BLOCK)
            r0, r1, r2, r3 = _message(right, n, sets, n_columns, slots, of_c, n_categories, BLOCK)
            v0, v1, v2, v3 = l0 * r0, l1 * r1, l2 * r2, l3 * r3
            factor, step = power_of_two(tl.maximum(tl.maximum(v0, v1), tl.maximum(v2, v3)), FLOAT64)
            k += step
            v0 *= factor
            v1 *= factor
            v2 *= factor
            v3 *= factor
            if i < n - 3:
                v0, v1, v2, v3 = _multiply(of_c + (n + i) * n_categories * 16, v0, v1, v2, v3)
            store4(slots + i * (4 * BLOCK), v0, v1, v2, v3, BLOCK)
            tl.debug_barrier()
        v0, v1, v2, v3 = load4(slots + (n - 3) * (4 * BLOCK), BLOCK)
        t0, t1, t2, t3 = _message(0, n, sets, n_columns, slots, of_c, n_categories, BLOCK)
        likelihood = (tl.load(frequencies) * v0 * t0 + tl.load(frequencies + 1) * v1 * t1) + (
            tl.load(frequencies + 2) * v2 * t2 + tl.load(frequencies + 3) * v3 * t3
        )
        tl.store(mixing + 3 * BLOCK * c, likelihood)
        tl.store(mixing + 3 * BLOCK * c + BLOCK, k.to(likelihood.dtype))
        _, step = power_of_two(likelihood, FLOAT64)
        base = tl.where(tl.load(category_weights + c) * likelihood > 0, tl.maximum(base, k + step), base)
    tl.debug_barrier()
    mix_categories(
        mixing, category_weights, weight, base, logs + program, exponents + program, n_categories, BLOCK, FLOAT64
    )


@triton.jit
def general_down(
    children, states, matrices, frequencies, category_weights, work, mixing,
    of_matrices, of_frequencies, of_weights, n, n_blocks, n_categories,
    BLOCK: tl.constexpr, FLOAT64: tl.constexpr,
):  # fmt: skip
    """Derivatives of the log-likelihood, per block.

    Arguments:
        children: (T, N-2, 2) int32.
        states: (N, B BLOCK) uint8.
        matrices: (T, E, C, 4, 4).
        frequencies: (T, 4).
        category_weights: (T, C).
        work: (T, B, C, N-2, 4, BLOCK) as `general_up` left it; overwritten.
        mixing: (T, B, C, 3, BLOCK) as `general_up` left it.
        of_matrices: (T, B, E, C, 4, 4) output.
        of_frequencies: (T, B, C, 4) output, the part of each category.
        of_weights: (T, B, C) output.
        n: N.
        n_blocks: B.
        n_categories: C.
        BLOCK: patterns per block.
        FLOAT64: whether floating-point arrays are float64; float32 otherwise.
    """
    program = tl.program_id(0).to(tl.int64)
    tree = program // n_blocks
    lanes = tl.arange(0, BLOCK)
    columns = (program % n_blocks) * BLOCK + lanes
    children += tree * (n - 2) * 2
    n_columns = n_blocks * BLOCK
    sets = states + columns
    matrices += tree * (2 * n - 3) * n_categories * 16
    frequencies += tree * 4
    category_weights += tree * n_categories
    of_matrices += program * (2 * n - 3) * n_categories * 16
    for c in range(n_categories):
        slots = work + (program * n_categories + c) * (n - 2) * (4 * BLOCK) + lanes
        of_c = matrices + c * 16
        out = of_matrices + c * 16
        mixed = mixing + (program * n_categories + c) * (3 * BLOCK) + lanes
        share = tl.load(mixed + 2 * BLOCK)
        tl.store(of_weights + program * n_categories + c, tl.sum(share * tl.load(mixed), axis=0))
        share *= tl.load(category_weights + c)
        top = slots + (n - 3) * (4 * BLOCK)
        v0, v1, v2, v3 = load4(top, BLOCK)
        t0, t1, t2, t3 = _message(0, n, sets, n_columns, slots, of_c, n_categories, BLOCK)
        sums = of_frequencies + (program * n_categories + c) * 4
        _store_row(sums, share, v0 * t0, v1 * t1, v2 * t2, v3 * t3)
        s0 = share * tl.load(frequencies)
        s1 = share * tl.load(frequencies + 1)
        s2 = share * tl.load(frequencies + 2)
        s3 = share * tl.load(frequencies + 3)
        b0, b1, b2, b3 = tip_indicators(sets, share)
        _store_outer(out, s0 * v0, s1 * v1, s2 * v2, s3 * v3, b0, b1, b2, b3)
        store4(top, s0 * t0, s1 * t1, s2 * t2, s3 * t3, BLOCK)
        tl.debug_barrier()
        for j in range(n - 2):
            i = n - 3 - j
            left = tl.load(children + 2 * i)
            right = tl.load(children + 2 * i + 1)
            l0, l1, l2, l3 = _message(left, n, sets, n_columns, slots, of_c, n_categories, BLOCK)
            r0, r1, r2, r3 = _message(right, n, sets, n_columns, slots, of_c, n_categories, BLOCK)
            u0, u1, u2, u3 = load4(slots + i * (4 * BLOCK), BLOCK)
            v0, v1, v2, v3 = l0 * r0, l1 * r1, l2 * r2, l3 * r3
            factor, _ = power_of_two(tl.maximum(tl.maximum(v0, v1), tl.maximum(v2, v3)), FLOAT64)
            if j > 0:  # the slot of the top node already holds what the others get here
                edge = (n + i) * n_categories * 16
                _store_outer(out + edge, u0, u1, u2, u3, v0 * factor, v1 * factor, v2 * factor, v3 * factor)
                u0, u1, u2, u3 = _multiply_transposed(of_c + edge, u0, u1, u2, u3)
            u0 *= factor
            u1 *= factor
            u2 *= factor
            u3 *= factor
            l0, r0 = u0 * r0, u0 * l0
            l1, r1 = u1 * r1, u1 * l1
            l2, r2 = u2 * r2, u2 * l2
            l3, r3 = u3 * r3, u3 * l3
            if left >= n:
                store4(slots + (left - n) * (4 * BLOCK), l0, l1, l2, l3, BLOCK)
            else:
                b0, b1, b2, b3 = tip_indicators(sets + left * n_columns, share)
                _store_outer(out + left * n_categories * 16, l0, l1, l2, l3, b0, b1, b2, b3)
            if right >= n:
                store4(slots + (right - n) * (4 * BLOCK), r0, r1, r2, r3, BLOCK)
            else:
                b0, b1, b2, b3 = tip_indicators(sets + right * n_columns, share)
                _store_outer(out + right * n_categories * 16, r0, r1, r2, r3, b0, b1, b2, b3)
            tl.debug_barrier()
