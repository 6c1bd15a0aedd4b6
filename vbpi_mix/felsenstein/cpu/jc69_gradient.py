"""Compiled pruning for JC69: the log-likelihood of a tree and its derivative in every branch length.

Under JC69 a vector v of state likelihoods passes an edge of length t as e v + a sum(v), with e = exp(-4t/3) and
a = (1 - e) / 4. Write m for the message that a clade sends up its edge, O for what the rest of the tree sends down to
the upper end of that edge, L = sum(O m) for the likelihood of the pattern (the same at every edge). Then

    d log L / dt = -4/3 (sum(O m) - sum(O) sum(v) / 4) / L = -4/3 (1 - sum(O) sum(v) / (4 L)),

so that the gradient needs one number per edge and pattern. The outside messages are carried multiplied by w / (4 L)
(w: weight of the pattern), which also cancels the factors of the scaled variant (see `scaling`).

Layout. Patterns come in blocks of `BLOCK`. A node owns `SIZE` numbers of the workspace: one row per state with the
message on the edge above it (in the downward pass: the outside message below that edge), and one row with the sum of
its partial likelihoods (in the downward pass: times the sum of the outside message). The nodes reach the loops as
separate one-dimensional arrays with rows at constant offsets. In this form LLVM proves with few checks that the rows
do not overlap and vectorises; with slices of one array, or with strides, it does not.

The type of the workspace, float64 or float32, is that of all arithmetic up to the sums over the patterns of a block;
constants are made of that type, since a Python number is a float64 and would turn the loops into float64.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.scaling import LOG_STEP, UNSCALED_LIMIT, UNSCALED_LIMIT_FLOAT32, rescaling, scaled_next

BLOCK = 64
SIZE = 5 * BLOCK
_R1, _R2, _R3, _R4 = BLOCK, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK


@kernel(inner=True, early=True, fastmath=True)
def _tip_messages(states: np.ndarray, work: np.ndarray, tip: int, e: float, a: float) -> None:
    sets, out = states[tip], work[tip]
    one, zero = out.dtype.type(1.0), out.dtype.type(0.0)
    for p in range(BLOCK):
        s = sets[p]
        size = ((one if s & 1 else zero) + (one if s & 2 else zero)) + (
            (one if s & 4 else zero) + (one if s & 8 else zero)
        )
        rest = a * size
        out[p] = rest + (e if s & 1 else zero)
        out[_R1 + p] = rest + (e if s & 2 else zero)
        out[_R2 + p] = rest + (e if s & 4 else zero)
        out[_R3 + p] = rest + (e if s & 8 else zero)
        out[_R4 + p] = size


@kernel(inner=True, early=True, fastmath=True)
def _combine(
    work_l: np.ndarray, work_r: np.ndarray, work_o: np.ndarray, node_l: int, node_r: int, node_o: int,
    e: float, a: float,
) -> None:  # fmt: skip
    left, right, out = work_l[node_l], work_r[node_r], work_o[node_o]
    for p in range(BLOCK):
        v0 = left[p] * right[p]
        v1 = left[_R1 + p] * right[_R1 + p]
        v2 = left[_R2 + p] * right[_R2 + p]
        v3 = left[_R3 + p] * right[_R3 + p]
        total = (v0 + v1) + (v2 + v3)
        rest = a * total
        out[p] = rest + e * v0
        out[_R1 + p] = rest + e * v1
        out[_R2 + p] = rest + e * v2
        out[_R3 + p] = rest + e * v3
        out[_R4 + p] = total


@kernel(inner=True, early=True, fastmath=True)
def _combine_scaled(
    work_l: np.ndarray, work_r: np.ndarray, work_o: np.ndarray, node_l: int, node_r: int, node_o: int,
    e: float, a: float, steps: np.ndarray,
) -> None:  # fmt: skip
    left, right, out = work_l[node_l], work_r[node_r], work_o[node_o]
    for p in range(BLOCK):
        v0 = left[p] * right[p]
        v1 = left[_R1 + p] * right[_R1 + p]
        v2 = left[_R2 + p] * right[_R2 + p]
        v3 = left[_R3 + p] * right[_R3 + p]
        factor, n_steps = rescaling(max(max(v0, v1), max(v2, v3)))
        steps[p] += n_steps
        total = ((v0 + v1) + (v2 + v3)) * factor
        rest = a * total
        scaled_e = e * factor
        out[p] = rest + scaled_e * v0
        out[_R1 + p] = rest + scaled_e * v1
        out[_R2 + p] = rest + scaled_e * v2
        out[_R3 + p] = rest + scaled_e * v3
        out[_R4 + p] = total


@kernel(inner=True, early=True, fastmath=True)
def _split(
    work_u: np.ndarray, work_l: np.ndarray, work_r: np.ndarray, node_u: int, node_l: int, node_r: int,
    e_left: float, a_left: float, e_right: float, a_right: float,
) -> tuple[float, float]:  # fmt: skip
    up, left, right = work_u[node_u], work_l[node_l], work_r[node_r]
    l_sum = r_sum = up.dtype.type(0.0)
    for p in range(BLOCK):
        u0, u1, u2, u3 = up[p], up[_R1 + p], up[_R2 + p], up[_R3 + p]
        l0, l1, l2, l3 = u0 * right[p], u1 * right[_R1 + p], u2 * right[_R2 + p], u3 * right[_R3 + p]
        r0, r1, r2, r3 = u0 * left[p], u1 * left[_R1 + p], u2 * left[_R2 + p], u3 * left[_R3 + p]
        l_total = (l0 + l1) + (l2 + l3)
        r_total = (r0 + r1) + (r2 + r3)
        l_sum += l_total * left[_R4 + p]
        r_sum += r_total * right[_R4 + p]
        l_rest = a_left * l_total
        r_rest = a_right * r_total
        left[p] = l_rest + e_left * l0
        left[_R1 + p] = l_rest + e_left * l1
        left[_R2 + p] = l_rest + e_left * l2
        left[_R3 + p] = l_rest + e_left * l3
        right[p] = r_rest + e_right * r0
        right[_R1 + p] = r_rest + e_right * r1
        right[_R2 + p] = r_rest + e_right * r2
        right[_R3 + p] = r_rest + e_right * r3
    return l_sum, r_sum


@kernel(inner=True, early=True, fastmath=True)
def rescale_up(
    work_u: np.ndarray, work_l: np.ndarray, work_r: np.ndarray, node_u: int, node_l: int, node_r: int
) -> None:
    """Multiply a node's outside message by the factor that the upward pass gave its partial likelihoods."""
    up, left, right = work_u[node_u], work_l[node_l], work_r[node_r]
    for p in range(BLOCK):
        v0 = left[p] * right[p]
        v1 = left[_R1 + p] * right[_R1 + p]
        v2 = left[_R2 + p] * right[_R2 + p]
        v3 = left[_R3 + p] * right[_R3 + p]
        factor, _ = rescaling(max(max(v0, v1), max(v2, v3)))
        up[p] *= factor
        up[_R1 + p] *= factor
        up[_R2 + p] *= factor
        up[_R3 + p] *= factor


@kernel(inner=True, early=True, fastmath=True)
def _join(
    work_l: np.ndarray, work_r: np.ndarray, work_t: np.ndarray, work_o: np.ndarray, node_l: int, node_r: int, top: int,
    weights: np.ndarray,
) -> float:  # fmt: skip
    """Site likelihoods at edge 0 (row 4 of `top`), both outside messages there; the lowest likelihood."""
    left, right, tip, out = work_l[node_l], work_r[node_r], work_t[0], work_o[top]
    real = out.dtype.type
    lowest, quarter, sixteen = real(1.0), real(0.25), real(16.0)
    for p in range(BLOCK):
        v0 = left[p] * right[p]
        v1 = left[_R1 + p] * right[_R1 + p]
        v2 = left[_R2 + p] * right[_R2 + p]
        v3 = left[_R3 + p] * right[_R3 + p]
        likelihood = quarter * ((v0 * tip[p] + v1 * tip[_R1 + p]) + (v2 * tip[_R2 + p] + v3 * tip[_R3 + p]))
        out[_R4 + p] = likelihood
        lowest = min(lowest, likelihood)
        share = real(weights[p]) / (sixteen * likelihood)  # not finite at likelihood 0, where no gradient is kept
        out[p] = share * tip[p]
        out[_R1 + p] = share * tip[_R1 + p]
        out[_R2 + p] = share * tip[_R2 + p]
        out[_R3 + p] = share * tip[_R3 + p]
        tip[_R4 + p] *= share * ((v0 + v1) + (v2 + v3))
    return lowest


@kernel(inner=True, early=True, fastmath=True)
def sum_last_row(work: np.ndarray, i: int) -> float:
    node = work[i]
    total = 0.0
    for p in range(BLOCK):
        total += node[_R4 + p]
    return total


@kernel(inner=True)
def log_likelihood(likelihoods: np.ndarray, weights: np.ndarray, steps: np.ndarray) -> float:
    total = 0.0
    for p in range(BLOCK):
        total += weights[p] * (np.log(np.float64(likelihoods[p])) - LOG_STEP * steps[p])
    return total


# Loops get the workspace several times, with the rows to use, rather than the rows: each array that is made and passed
# on costs two atomic operations on its reference count, which together took longer than the arithmetic.


@kernel(inner=True)
def upward_pass(children: np.ndarray, states: np.ndarray, weights: np.ndarray, e: np.ndarray, a: np.ndarray,
            work: np.ndarray, steps: np.ndarray, scaled: bool) -> float:  # fmt: skip
    n: int = states.shape[0]
    for i in range(n):
        _tip_messages(states, work, i, e[i], a[i])
    for p in range(BLOCK):
        steps[p] = 0.0
    if scaled:
        for i in range(n - 3):
            _combine_scaled(work, work, work, children[i, 0], children[i, 1], n + i, e[n + i], a[n + i], steps)
    else:
        for i in range(n - 3):
            _combine(work, work, work, children[i, 0], children[i, 1], n + i, e[n + i], a[n + i])
    return _join(work, work, work, work, children[n - 3, 0], children[n - 3, 1], 2 * n - 3, weights)


@kernel(inner=True)
def _downward(children: np.ndarray, e: np.ndarray, a: np.ndarray, work: np.ndarray, scaled: bool,
              sums: np.ndarray) -> None:  # fmt: skip
    n: int = children.shape[0] + 2
    sums[0] += sum_last_row(work, 0)
    for i in range(n - 3, -1, -1):
        left: int = children[i, 0]
        right: int = children[i, 1]
        if scaled and i < n - 3:
            rescale_up(work, work, work, n + i, left, right)
        l_sum, r_sum = _split(work, work, work, n + i, left, right, e[left], a[left], e[right], a[right])
        sums[left] += l_sum
        sums[right] += r_sum


@kernel()
def jc69_kernel(
    lengths: np.ndarray,
    children: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    with_gradient: bool,
    work: np.ndarray,
    values: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Log-likelihoods, and their derivatives in the branch lengths, of some trees on some blocks of patterns.

    Arguments:
        lengths: (T, E) branch lengths, finite and >= 0.
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        with_gradient: whether `gradient` is wanted.
        work: (2N-1, SIZE) float64 or float32, overwritten; its type is that of the partial likelihoods.
        values: (T,) output, written at `trees`; -inf where a site likelihood is zero. In float32 also
            -inf or NaN where it has lost its digits: such a tree needs float64.
        gradient: (T, E) output, written at `trees`; without meaning where the value is not finite.
    """
    n = states.shape[1]
    n_edges = 2 * n - 3
    e = np.empty(n_edges, work.dtype)
    a = np.empty(n_edges, work.dtype)
    sums = np.empty(n_edges)
    steps = work[2 * n - 2][:BLOCK]
    limit = UNSCALED_LIMIT_FLOAT32 if work.itemsize == 4 else UNSCALED_LIMIT
    total_weight = 0.0
    for b in range(blocks[0], blocks[1]):
        for p in range(BLOCK):
            total_weight += weights[b, p]
    for t in range(trees[0], trees[1]):
        for edge in range(n_edges):
            exponent = -4.0 / 3.0 * lengths[t, edge]
            e[edge] = np.exp(exponent)
            a[edge] = -0.25 * np.expm1(exponent)
            sums[edge] = 0.0
        value = 0.0
        scaled = False
        for b in range(blocks[0], blocks[1]):
            scaled = scaled and scaled_next(steps)
            if not scaled:
                scaled = upward_pass(children[t], states[b], weights[b], e, a, work, steps, False) < limit
            if scaled:
                lowest = upward_pass(children[t], states[b], weights[b], e, a, work, steps, True)
                if work.itemsize == 4 and lowest < UNSCALED_LIMIT_FLOAT32:
                    value = np.nan
            value += log_likelihood(work[2 * n - 3][_R4:], weights[b], steps)
            if with_gradient:
                _downward(children[t], e, a, work, scaled, sums)
        values[t] = value
        if with_gradient:
            for edge in range(n_edges):
                gradient[t, edge] = -4.0 / 3.0 * (total_weight - sums[edge])
