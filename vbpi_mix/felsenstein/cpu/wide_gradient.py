"""Compiled pruning for any number of states: values, and derivatives in lengths or in all entries of the matrices.

The recursion is that of `general_gradient`: with the outside message O at the upper end of an edge, the partial
likelihoods v at its lower end and the message m = P v,

    d log L / d P[s, t] = weight_c O[s] v[t] / L,    d log L / d t = weight_c O . (G m) / L,   dP/dt = G P,

and the outside message below an inner edge is P^T O. Messages of tips are looked up (`wide_rows`), so that an inner
edge costs three products with a matrix and one at a tip nearly nothing. Partial likelihoods are always rescaled as
`scaling` says; the factors of a node are kept, and outside messages get them again.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import BLOCK, copy_row, mix_categories
from vbpi_mix.felsenstein.cpu.wide_rows import (
    add_outer,
    apply,
    apply_transposed,
    dot,
    dot_three,
    multiply,
    rescale,
    sum_of_products,
    times,
    tip_row,
    tip_slope,
)


@kernel(inner=True)
def wide_upward(
    children: np.ndarray, matrices: np.ndarray, tables: np.ndarray, codes: np.ndarray, up: np.ndarray,
    partials: np.ndarray, factors: np.ndarray, steps: np.ndarray,
) -> None:  # fmt: skip
    """Messages of all edges in one category; of the top node, which has none, the partial likelihoods.

    Arguments:
        children: (N-2, 2).
        matrices: (E, width, width).
        tables: (N, width, codes) matrices of the tips' edges times every state set.
        codes: (N, BLOCK).
        up: (2N-2, width * BLOCK) output.
        partials: (width * BLOCK,) overwritten.
        factors: (N-2, BLOCK) output, what the partial likelihoods of each inner node were multiplied by.
        steps: (BLOCK,) output, how often (see `scaling`).
    """
    n = len(codes)
    steps[:] = 0.0
    for tip in range(n):
        tip_row(tables[tip], codes[tip], up[tip])
    for i in range(n - 2):
        out = up[n + i] if i == n - 3 else partials
        multiply(up[children[i, 0]], up[children[i, 1]], out)
        rescale(out, factors[i], steps)
        if i < n - 3:
            apply(matrices[n + i], partials, up[n + i])


@kernel(inner=True)
def wide_sites(
    children: np.ndarray, matrices: np.ndarray, tables: np.ndarray, frequencies: np.ndarray,
    category_weights: np.ndarray, pattern_weights: np.ndarray, codes: np.ndarray, up: np.ndarray,
    partials: np.ndarray, factors: np.ndarray, rows: np.ndarray,
) -> float:  # fmt: skip
    """Messages and shares of all categories of one tree and block; returns the log-likelihood of the block.

    Arguments are those of `wide_kernel` for a single tree and block; `rows` gets likelihoods, steps and shares.
    """
    n, n_categories = len(codes), len(category_weights)
    likelihoods, steps = rows[:n_categories], rows[n_categories : 2 * n_categories]
    for c in range(n_categories):
        wide_upward(children, matrices[c], tables[c], codes, up[c], partials, factors[c], steps[c])
        top = up[c, 0]
        for s in range(len(frequencies)):
            for p in range(s * BLOCK, s * BLOCK + BLOCK):
                partials[p] = frequencies[s] * top[p]
        likelihoods[c] = 0.0
        sum_of_products(up[c, 2 * n - 3], partials, likelihoods[c])
    _, value = mix_categories(likelihoods, steps, category_weights, pattern_weights, rows[2 * n_categories :])
    return value


@kernel(inner=True)
def wide_root(
    up: np.ndarray, top: int, frequencies: np.ndarray, weight: float, shares: np.ndarray, outside: np.ndarray,
    at_tip: np.ndarray,
) -> None:  # fmt: skip
    """Outside messages, times w weight_c / L: `outside` of the top node, `at_tip` of edge 0 at its upper end."""
    for s in range(len(frequencies)):
        first, last = s * BLOCK, s * BLOCK + BLOCK
        message, partials, out, tip = up[0, first:last], up[top, first:last], outside[first:last], at_tip[first:last]
        frequency = weight * frequencies[s]
        for p in range(BLOCK):
            out[p] = frequency * shares[p] * message[p]
            tip[p] = frequency * shares[p] * partials[p]


@kernel(inner=True)
def wide_downward(
    children: np.ndarray, matrices: np.ndarray, generator: np.ndarray, slope_tables: np.ndarray,
    tip_table: np.ndarray, codes: np.ndarray, up: np.ndarray, buffers: np.ndarray, factors: np.ndarray,
    with_matrices: bool, slopes: np.ndarray, of_matrices: np.ndarray,
) -> None:  # fmt: skip
    """Add one category's derivatives in all edges, given the outside messages at the root in the first two buffers.

    `up` holds messages at first; a node's row gets its outside message, times the factors of its partial likelihoods.

    Arguments:
        children: (N-2, 2).
        matrices: (E, width, width).
        generator: (width, width).
        slope_tables: (N, width, codes), `generator` times the tables of the tips.
        tip_table: (width, codes) state sets.
        codes: (N, BLOCK).
        up: (2N-2, width * BLOCK).
        buffers: (4, width * BLOCK).
        factors: (N-2, BLOCK).
        with_matrices: derivatives in the matrices too.
        slopes: (E,) derivatives in lengths.
        of_matrices: (E, width, width) derivatives in the matrices.
    """
    n = len(codes)
    top = 2 * n - 3
    first, second, other, partials = buffers[0], buffers[1], buffers[2], buffers[3]
    tip_row(slope_tables[0], codes[0], other)
    slopes[0] += dot(second, other)
    if with_matrices:
        tip_row(tip_table, codes[0], other)
        add_outer(second, other, of_matrices[0])
    copy_row(first, up[top])
    times(up[top], factors[n - 3])
    for i in range(n - 3, -1, -1):
        node, left, right = n + i, children[i, 0], children[i, 1]
        if left >= n or with_matrices:
            multiply(up[node], up[right], first)
        if right >= n or with_matrices:
            multiply(up[node], up[left], second)
        if not with_matrices:  # tips first, whose slopes need the message beside them
            if left < n:
                slopes[left] += tip_slope(slope_tables[left], codes[left], up[node], up[right])
            if right < n:
                slopes[right] += tip_slope(slope_tables[right], codes[right], up[node], up[left])
        for side in range(2):
            child = left if side == 0 else right
            if child < n and not with_matrices:
                continue
            outside = first if side == 0 else second
            if child < n:
                tip_row(slope_tables[child], codes[child], other)
            else:
                apply(generator, up[child], other)
            slopes[child] += dot(outside, other)
            if with_matrices:
                if child < n:
                    tip_row(tip_table, codes[child], partials)
                else:
                    multiply(up[children[child - n, 0]], up[children[child - n, 1]], partials)
                    times(partials, factors[child - n])
                add_outer(outside, partials, of_matrices[child])
            if child >= n:
                apply_transposed(matrices[child], outside, up[child])
                times(up[child], factors[child - n])


@kernel()
def wide_kernel(
    matrices: np.ndarray,
    generators: np.ndarray,
    tables: np.ndarray,
    slope_tables: np.ndarray,
    tip_table: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    children: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    with_gradient: bool,
    with_matrices: bool,
    up: np.ndarray,
    buffers: np.ndarray,
    factors: np.ndarray,
    rows: np.ndarray,
    values: np.ndarray,
    slopes: np.ndarray,
    of_matrices: np.ndarray,
    of_frequencies: np.ndarray,
    of_weights: np.ndarray,
) -> None:
    """Log-likelihoods and derivatives of some trees on some blocks of patterns.

    Arguments:
        matrices: (T, C, E, width, width) transition matrices.
        generators: (1, C, width, width) or (T, C, width, width), dP/dt = G P.
        tables: (T, C, N, width, codes), the tips' matrices times every state set.
        slope_tables: (T, C, N, width, codes), generators times `tables`.
        tip_table: (width, codes) state sets.
        frequencies: (T, width) of the root.
        category_weights: (T, C).
        children: (T, N-2, 2) int64.
        codes: (B, N, BLOCK) of state sets.
        weights: (B, BLOCK) >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        with_gradient: whether derivatives are wanted.
        with_matrices: whether those in the matrices are, too.
        up: (C, 2N-2, width * BLOCK) workspace, as the following three overwritten.
        buffers: (4, width * BLOCK).
        factors: (C, N-2, BLOCK).
        rows: (3 C, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive.
        slopes: (T, C, E) output, zero before the call, as all outputs; derivatives in the lengths by category. Without
            meaning where the value is not finite, as all derivatives.
        of_matrices: (T, C, E, width, width) output, or (0, 0, 0, 0, 0).
        of_frequencies: (T, width) output.
        of_weights: (T, C) output.
    """
    n_categories = category_weights.shape[1]
    top = children.shape[1] * 2 + 1
    likelihoods, shares = rows[:n_categories], rows[2 * n_categories :]
    none = np.zeros((0, 0, 0))
    for b in range(blocks[0], blocks[1]):
        for t in range(trees[0], trees[1]):
            values[t] += wide_sites(
                children[t], matrices[t], tables[t], frequencies[t], category_weights[t], weights[b], codes[b], up,
                buffers[0], factors, rows,
            )  # fmt: skip
            if not with_gradient or not np.isfinite(values[t]):
                continue
            of_model = generators[t if len(generators) > 1 else 0]
            for c in range(n_categories):
                weight = category_weights[t, c]
                for s in range(frequencies.shape[1]):
                    part = slice(s * BLOCK, s * BLOCK + BLOCK)
                    of_frequencies[t, s] += weight * dot_three(shares[c], up[c, top, part], up[c, 0, part])
                of_weights[t, c] += dot(shares[c], likelihoods[c])
                wide_root(up[c], top, frequencies[t], weight, shares[c], buffers[0], buffers[1])
                wide_downward(
                    children[t], matrices[t, c], of_model[c], slope_tables[t, c], tip_table, codes[b], up[c],
                    buffers, factors[c], with_matrices, slopes[t, c], of_matrices[t, c] if with_matrices else none,
                )  # fmt: skip
