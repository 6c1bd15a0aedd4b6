"""Compiled pruning for any model of four states with C rate categories.

The value and the derivatives of the log-likelihood in every entry of every transition matrix, in the root frequencies
and in the category weights, by one pass up and one down the tree. With the outside message O at the upper end of an
edge and the partial likelihoods v at its lower end, both of category c,

    d log L / d P[s, t] = weight_c O[s] v[t] / L,

and O of the edges below a node is P^T O times the message of the sibling. Outside messages are carried multiplied by
w weight_c / L (w: weight of the pattern), which also cancels the factors of the scaled variant (see `scaling`).

Blocks and layout follow `jc69_gradient`: a node owns four rows of the workspace, its message upward and then its
outside message; partial likelihoods are recomputed from the messages of the children, which still stand when needed.
"""

from typing import TypeAlias

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.scaling import LOG_STEP, UNSCALED_LIMIT, UNSCALED_LIMIT_FLOAT32, rescaling, scaled_next

BLOCK = 64
SIZE = 4 * BLOCK
_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK

Index: TypeAlias = int | np.integer


@kernel(inner=True, fastmath=True)
def tip_partials(states: np.ndarray, tips: np.ndarray, tip: int) -> None:
    sets, out = states[tip], tips[tip]
    one, zero = out.dtype.type(1.0), out.dtype.type(0.0)
    for p in range(BLOCK):
        s = sets[p]
        out[p] = one if s & 1 else zero
        out[_R1 + p] = one if s & 2 else zero
        out[_R2 + p] = one if s & 4 else zero
        out[_R3 + p] = one if s & 8 else zero


@kernel(inner=True, fastmath=True)
def multiply(work_l: np.ndarray, work_r: np.ndarray, node_l: int, node_r: int, out: np.ndarray) -> None:
    left, right = work_l[node_l], work_r[node_r]
    for p in range(SIZE):
        out[p] = left[p] * right[p]


@kernel(inner=True)
def copy_row(source: np.ndarray, out: np.ndarray) -> None:
    for p in range(len(source)):
        out[p] = source[p]


@kernel(inner=True, fastmath=True)
def rescale(partials: np.ndarray, factors: np.ndarray, steps: np.ndarray) -> None:
    for p in range(BLOCK):
        v0, v1, v2, v3 = partials[p], partials[_R1 + p], partials[_R2 + p], partials[_R3 + p]
        factor, n_steps = rescaling(max(max(v0, v1), max(v2, v3)))
        partials[p] = v0 * factor
        partials[_R1 + p] = v1 * factor
        partials[_R2 + p] = v2 * factor
        partials[_R3 + p] = v3 * factor
        factors[p] = factor
        steps[p] += n_steps


@kernel(inner=True, fastmath=True)
def scale_rows(work: np.ndarray, i: int, factors: np.ndarray) -> None:
    message = work[i]
    for p in range(BLOCK):
        message[p] *= factors[p]
        message[_R1 + p] *= factors[p]
        message[_R2 + p] *= factors[p]
        message[_R3 + p] *= factors[p]


@kernel(inner=True, fastmath=True)
def propagate(rows: np.ndarray, v: Index, matrices: np.ndarray, m: Index, work: np.ndarray, o: Index) -> None:
    """work[o] = matrices[m] @ rows[v]."""
    vectors, matrix, out = rows[v], matrices[m], work[o]
    a0, a1, a2, a3 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    b0, b1, b2, b3 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    c0, c1, c2, c3 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    d0, d1, d2, d3 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    for p in range(BLOCK):
        v0, v1, v2, v3 = vectors[p], vectors[_R1 + p], vectors[_R2 + p], vectors[_R3 + p]
        out[p] = (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
        out[_R1 + p] = (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
        out[_R2 + p] = (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
        out[_R3 + p] = (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)


@kernel(inner=True, fastmath=True)
def _climb(
    work_l: np.ndarray, work_r: np.ndarray, work_o: np.ndarray, node_l: int, node_r: int, node_o: int,
    matrices: np.ndarray,
) -> None:  # fmt: skip
    """work_o[node_o] = matrices[node_o] @ (work_l[node_l] * work_r[node_r]), the product kept in registers."""
    left, right, out, matrix = work_l[node_l], work_r[node_r], work_o[node_o], matrices[node_o]
    a0, a1, a2, a3 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    b0, b1, b2, b3 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    c0, c1, c2, c3 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    d0, d1, d2, d3 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    for p in range(BLOCK):
        v0 = left[p] * right[p]
        v1 = left[_R1 + p] * right[_R1 + p]
        v2 = left[_R2 + p] * right[_R2 + p]
        v3 = left[_R3 + p] * right[_R3 + p]
        out[p] = (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
        out[_R1 + p] = (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
        out[_R2 + p] = (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
        out[_R3 + p] = (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)


@kernel(inner=True, fastmath=True)
def pull_back(work: np.ndarray, i: int, matrices: np.ndarray) -> None:
    """work[i] = transpose of matrices[i] @ work[i]."""
    message, matrix = work[i], matrices[i]
    a0, a1, a2, a3 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    b0, b1, b2, b3 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    c0, c1, c2, c3 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    d0, d1, d2, d3 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    for p in range(BLOCK):
        v0, v1, v2, v3 = message[p], message[_R1 + p], message[_R2 + p], message[_R3 + p]
        message[p] = (a0 * v0 + b0 * v1) + (c0 * v2 + d0 * v3)
        message[_R1 + p] = (a1 * v0 + b1 * v1) + (c1 * v2 + d1 * v3)
        message[_R2 + p] = (a2 * v0 + b2 * v1) + (c2 * v2 + d2 * v3)
        message[_R3 + p] = (a3 * v0 + b3 * v1) + (c3 * v2 + d3 * v3)


@kernel(inner=True, fastmath=True)
def split(work_u: np.ndarray, work_l: np.ndarray, work_r: np.ndarray, node_u: int, node_l: int, node_r: int) -> None:
    up, left, right = work_u[node_u], work_l[node_l], work_r[node_r]
    for p in range(SIZE):
        outside = up[p]
        message = left[p]
        left[p] = outside * right[p]
        right[p] = outside * message


@kernel(inner=True, fastmath=True)
def _add_outer(work: np.ndarray, i: Index, rows: np.ndarray, v: Index, gradient: np.ndarray) -> None:
    """gradient[i, s, t] += sum over patterns of the states s of work[i] times the states t of rows[v]."""
    outside, partials = work[i], rows[v]
    zero = outside.dtype.type(0.0)
    for s in range(0, 4, 2):
        a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = zero
        first = outside[s * BLOCK : (s + 1) * BLOCK]
        second = outside[(s + 1) * BLOCK : (s + 2) * BLOCK]
        for p in range(BLOCK):
            v0, v1, v2, v3 = partials[p], partials[_R1 + p], partials[_R2 + p], partials[_R3 + p]
            x, y = first[p], second[p]
            a0 += x * v0
            a1 += x * v1
            a2 += x * v2
            a3 += x * v3
            b0 += y * v0
            b1 += y * v1
            b2 += y * v2
            b3 += y * v3
        gradient[i, s, 0] += a0
        gradient[i, s, 1] += a1
        gradient[i, s, 2] += a2
        gradient[i, s, 3] += a3
        gradient[i, s + 1, 0] += b0
        gradient[i, s + 1, 1] += b1
        gradient[i, s + 1, 2] += b2
        gradient[i, s + 1, 3] += b3


# As in `jc69_gradient`, loops get whole arrays and the rows to use: making and passing on rows costs more than it
# seems. A literal 0 would be a type of its own, for which they would be compiled again; np.int64(0) is not.


@kernel(inner=True)
def upward_pass(children: np.ndarray, matrices: np.ndarray, tips: np.ndarray, work: np.ndarray, buffer: np.ndarray,
            factors: np.ndarray, steps: np.ndarray, scaled: bool) -> None:  # fmt: skip
    """Messages of all edges in one category; of the top node, which has none, the partial likelihoods."""
    n = tips.shape[0]
    partials = buffer[0]
    propagate(tips, np.int64(0), matrices, np.int64(0), work, np.int64(0))
    for p in range(BLOCK):
        steps[p] = 0.0
    for i in range(n - 2):
        for side in range(2):
            child: int = children[i, side]
            if child < n:
                # only now: what was written last is still in the first-level cache when the parent reads it
                propagate(tips, child, matrices, child, work, child)
        if i == n - 3:
            break
        if scaled:
            multiply(work, work, children[i, 0], children[i, 1], partials)
            rescale(partials, factors, steps)
            propagate(buffer, np.int64(0), matrices, n + i, work, n + i)
        else:
            _climb(work, work, work, children[i, 0], children[i, 1], n + i, matrices)
    multiply(work, work, children[n - 3, 0], children[n - 3, 1], partials)
    for p in range(SIZE):
        work[2 * n - 3, p] = partials[p]


@kernel(inner=True)
def _downward(children: np.ndarray, matrices: np.ndarray, tips: np.ndarray, work: np.ndarray, buffer: np.ndarray,
              factors: np.ndarray, steps: np.ndarray, scaled: bool, gradient: np.ndarray) -> None:  # fmt: skip
    """Add the gradient in the matrices of all edges but edge 0, given the outside message of the top node."""
    n = tips.shape[0]
    partials = buffer[0]
    for i in range(n - 3, -1, -1):
        split(work, work, work, n + i, children[i, 0], children[i, 1])
        for side in range(2):
            child = children[i, side]
            if child < n:
                _add_outer(work, child, tips, child, gradient)
                continue
            multiply(work, work, children[child - n, 0], children[child - n, 1], partials)
            if scaled:
                rescale(partials, factors, steps)
            _add_outer(work, child, buffer, np.int64(0), gradient)
            pull_back(work, child, matrices)
            if scaled:
                scale_rows(work, child, factors)


@kernel(inner=True, fastmath=True)
def root_likelihoods(work: np.ndarray, top_node: int, frequencies: np.ndarray, out: np.ndarray) -> None:
    top, tip = work[top_node], work[0]
    f0, f1, f2, f3 = frequencies[0], frequencies[1], frequencies[2], frequencies[3]
    for p in range(BLOCK):
        out[p] = (f0 * top[p] * tip[p] + f1 * top[_R1 + p] * tip[_R1 + p]) + (
            f2 * top[_R2 + p] * tip[_R2 + p] + f3 * top[_R3 + p] * tip[_R3 + p]
        )


@kernel(inner=True)
def mix_categories(
    likelihoods: np.ndarray, steps: np.ndarray, category_weights: np.ndarray, pattern_weights: np.ndarray,
    shares: np.ndarray,
) -> tuple[float, float]:  # fmt: skip
    """Mix the categories' site likelihoods, which may stand at different scales.

    Returns the lowest site likelihood (in the scale of its pattern) and the log-likelihood of the block; `shares`
    (C, BLOCK) gets w s_c / L with s_c the scale of the category relative to that of the mixture.
    """
    lowest = np.inf
    total = 0.0
    n_categories = len(category_weights)
    for p in range(BLOCK):
        base = np.inf
        for c in range(n_categories):
            if likelihoods[c, p] > 0.0 and category_weights[c] > 0.0:
                base = min(base, steps[c, p])
        mixture = 0.0
        for c in range(n_categories):
            difference = np.float64(base - steps[c, p])
            # Positive only where the category's likelihood is zero: it adds nothing to the mixture, and nothing
            # finite could be said about gradients in its matrices. Categories 2^-1074 times as likely as another
            # one vanish beside it.
            shares[c, p] = 1.0 if difference == 0.0 else np.exp2(128.0 * difference) if difference < 0.0 else 0.0
            mixture += category_weights[c] * (np.float64(likelihoods[c, p]) * shares[c, p])
        for c in range(n_categories):
            shares[c, p] *= pattern_weights[p] / mixture if mixture > 0.0 else 0.0
        lowest = min(lowest, mixture) if mixture < np.inf else -np.inf
        if pattern_weights[p] > 0.0:
            total += pattern_weights[p] * (np.log(mixture) - LOG_STEP * base) if mixture > 0.0 else -np.inf
    return lowest, total


@kernel(inner=True)
def upward_in_range(
    children: np.ndarray, matrices: np.ndarray, frequencies: np.ndarray, category_weights: np.ndarray,
    pattern_weights: np.ndarray, tips: np.ndarray, nodes: np.ndarray, buffer: np.ndarray, rows: np.ndarray,
    scaled: bool,
) -> tuple[float, bool, bool]:  # fmt: skip
    """Messages and shares of all categories of one tree and block, scaled where they would leave the range.

    With room for the messages of one category only, those of the last one are left.
    Returns the log-likelihood, whether messages are scaled, and whether those of the next block should be at once.
    """
    n, n_categories = len(tips), len(category_weights)
    likelihoods, steps = rows[:n_categories], rows[n_categories : 2 * n_categories]
    shares, factors = rows[2 * n_categories : 3 * n_categories], rows[3 * n_categories]
    limit = UNSCALED_LIMIT_FLOAT32 if rows.itemsize == 4 else UNSCALED_LIMIT
    while True:
        for c in range(n_categories):
            work = nodes[c % len(nodes)]
            upward_pass(children, matrices[c], tips, work, buffer, factors, steps[c], scaled)
            root_likelihoods(work, 2 * n - 3, frequencies, likelihoods[c])
        lowest, value = mix_categories(likelihoods, steps, category_weights, pattern_weights, shares)
        if scaled or lowest >= limit:
            break
        scaled = True
    scaled_after = scaled
    for c in range(n_categories):
        scaled_after = scaled_after and scaled_next(steps[c])
    if scaled and rows.itemsize == 4 and lowest < limit:
        value = np.nan
    return value, scaled, scaled_after


@kernel(inner=True, fastmath=True)
def _root(work: np.ndarray, tips: np.ndarray, frequencies: np.ndarray, weight: float, likelihoods: np.ndarray,
          shares: np.ndarray, matrix_gradient: np.ndarray, frequency_gradient: np.ndarray) -> float:  # fmt: skip
    """Gradients at edge 0 and in the frequencies; turns the partials of the top node into its outside message.

    Returns the derivative in the category's weight.
    """
    top, tip_message = work[2 * len(tips) - 3], work[0]
    real = top.dtype.type
    for s in range(4):
        total = real(0.0)
        frequency = real(frequencies[s])
        partials = top[s * BLOCK : (s + 1) * BLOCK]
        message = tip_message[s * BLOCK : (s + 1) * BLOCK]
        for p in range(BLOCK):
            share = real(weight) * shares[p]
            product = share * partials[p]
            total += product * message[p]
            partials[p] = share * frequency * message[p]
            # the message of tip 0 is not needed below: its place takes the outside message of edge 0
            message[p] = product * frequency
        frequency_gradient[s] += total
    _add_outer(work, np.int64(0), tips, np.int64(0), matrix_gradient)
    by_weight = 0.0
    for p in range(BLOCK):
        by_weight += shares[p] * likelihoods[p]
    return by_weight


@kernel()
def general_kernel(
    matrices: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    children: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    with_gradient: bool,
    tips: np.ndarray,
    nodes: np.ndarray,
    buffer: np.ndarray,
    rows: np.ndarray,
    values: np.ndarray,
    matrix_gradient: np.ndarray,
    frequency_gradient: np.ndarray,
    weight_gradient: np.ndarray,
) -> None:
    """Log-likelihoods and all their derivatives, of some trees on some blocks of patterns.

    Arguments:
        matrices: (T, C, E, 4, 4) float64 or float32 transition matrices, P[s, t] from the upper to the lower state.
        frequencies: (T, 4) of the root, which is the top node.
        category_weights: (T, C).
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        with_gradient: whether the gradients are wanted.
        tips: (N, SIZE) workspace of the type of the matrices, as the following three overwritten.
        nodes: (C, 2N-2, SIZE), or (1, 2N-2, SIZE): then messages of the categories are computed again for gradients.
        buffer: (1, SIZE).
        rows: (3 C + 1, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive. In float32 also
            -inf or NaN where it has lost its digits: such a tree needs float64.
        matrix_gradient: (T, C, E, 4, 4) output, zero before the call; without meaning where the value is not finite.
        frequency_gradient: (T, 4) output, likewise.
        weight_gradient: (T, C) output, likewise.
    """
    n, n_categories = states.shape[1], category_weights.shape[1]
    likelihoods, steps = rows[:n_categories], rows[n_categories : 2 * n_categories]
    shares, factors = rows[2 * n_categories : 3 * n_categories], rows[3 * n_categories]
    scaled_trees = np.zeros(trees[1], np.bool_)
    for b in range(blocks[0], blocks[1]):
        for i in range(n):
            tip_partials(states[b], tips, i)
        for t in range(trees[0], trees[1]):
            value, scaled, scaled_trees[t] = upward_in_range(
                children[t], matrices[t], frequencies[t], category_weights[t], weights[b], tips, nodes, buffer, rows,
                scaled_trees[t],
            )  # fmt: skip
            values[t] += value
            if not with_gradient or not np.isfinite(values[t]):
                continue
            for c in range(n_categories - 1, -1, -1):
                work = nodes[c % len(nodes)]
                if len(nodes) == 1 and c < n_categories - 1:
                    upward_pass(children[t], matrices[t, c], tips, work, buffer, factors, steps[c], scaled)
                weight_gradient[t, c] += _root(
                    work, tips, frequencies[t], category_weights[t, c], likelihoods[c], shares[c],
                    matrix_gradient[t, c], frequency_gradient[t],
                )  # fmt: skip
                _downward(children[t], matrices[t, c], tips, work, buffer, factors, steps[c], scaled,
                          matrix_gradient[t, c])  # fmt: skip
