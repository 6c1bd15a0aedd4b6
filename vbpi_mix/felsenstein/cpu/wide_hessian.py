"""Compiled Hessians of the log-likelihood in the branch lengths, for any number of states.

The recursion is that of `general_hessian`: U_u is the outside message at the lower end of the edge u above a node
(times w weight_c / L), O_u the one at its upper end, W_u = P'_u^T O_u, and D_i the derivative of a message in the
length of an edge i, carried up the tree. Then w L_ij / L, by categories and patterns, is

* the sum over states of U_u D_i D_j for edges i and j that meet at node u, coming from different children;
* W_u . v_i for an edge i below edge u, where v_i is D_i times the message of the sibling; then D_i becomes P_u v_i;
* O . P'' v for one edge,

and the score term - sum_p g_i g_j / w comes from g_i = w L_i / L of every pattern, summed over the categories. Edges
are numbered by post-order; edge 0, above the top node, is the last.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import BLOCK, copy_row
from vbpi_mix.felsenstein.cpu.general_hessian import by_edges
from vbpi_mix.felsenstein.cpu.jc69_hessian import postorder_positions
from vbpi_mix.felsenstein.cpu.wide_gradient import wide_root, wide_sites
from vbpi_mix.felsenstein.cpu.wide_rows import (
    apply,
    apply_transposed,
    dot,
    multiply,
    sum_of_products,
    times,
    tip_row,
)


@kernel(inner=True)
def _outside(
    children: np.ndarray, matrices: np.ndarray, generator: np.ndarray, first_tables: np.ndarray,
    second_tables: np.ndarray, codes: np.ndarray, starts: np.ndarray, sizes: np.ndarray, up: np.ndarray,
    out: np.ndarray, weighted: np.ndarray, tangents: np.ndarray, buffers: np.ndarray, factors: np.ndarray,
    scores: np.ndarray, hessian: np.ndarray,
) -> None:  # fmt: skip
    """U and W of every inner node, D of every edge at its own upper end, g, and the diagonal's part O . P'' v.

    The first two buffers hold the outside messages at the root. P' v = G m and P'' v = G G m for the message m = P v.
    """
    n = len(codes)
    last, top = 2 * n - 4, 2 * n - 3
    first, second, bend = buffers[0], buffers[1], buffers[2]
    tip_row(first_tables[0], codes[0], tangents[last])
    tip_row(second_tables[0], codes[0], bend)
    sum_of_products(second, tangents[last], scores[last])
    hessian[last, last] += dot(second, bend)
    copy_row(first, out[top])
    times(out[top], factors[n - 3])
    for i in range(n - 3, -1, -1):
        for side in range(2):
            child, sibling = children[i, side], children[i, 1 - side]
            position = starts[child] + sizes[child] - 1
            tangent = tangents[position]
            multiply(out[n + i], up[sibling], first)
            if child < n:
                tip_row(first_tables[child], codes[child], tangent)
                tip_row(second_tables[child], codes[child], bend)
            else:
                apply(generator, up[child], tangent)
                apply(generator, tangent, bend)
            sum_of_products(first, tangent, scores[position])
            hessian[position, position] += dot(first, bend)
            if child >= n:
                apply_transposed(matrices[child], first, out[child])
                apply_transposed(generator, out[child], weighted[child])  # P G = G P
                times(out[child], factors[child - n])


@kernel(inner=True)
def _add_pairs(
    children: np.ndarray, matrices: np.ndarray, at_top: np.ndarray, starts: np.ndarray, sizes: np.ndarray,
    up: np.ndarray, out: np.ndarray, weighted: np.ndarray, tangents: np.ndarray, buffers: np.ndarray,
    factors: np.ndarray, hessian: np.ndarray,
) -> None:  # fmt: skip
    """Add w L_ij / L of one category for every pair of different edges, on either side of the diagonal.

    `at_top` is, for edges below the top node, what W is for those below an edge: the derivative in edge 0.
    """
    n = len(children) + 2
    product = buffers[0]
    for i in range(n - 2):
        node, left, right = n + i, children[i, 0], children[i, 1]
        few, many = (left, right) if sizes[left] < sizes[right] else (right, left)
        for k in range(starts[few], starts[few] + sizes[few]):
            multiply(out[node], tangents[k], product)
            for j in range(starts[many], starts[many] + sizes[many]):
                hessian[k, j] += dot(product, tangents[j])
        last = starts[node] + sizes[node] - 1
        for side in range(2):
            below, other = (left, right) if side == 0 else (right, left)
            for k in range(starts[below], starts[below] + sizes[below]):
                multiply(tangents[k], up[other], product)
                times(product, factors[i])
                if i == n - 3:
                    hessian[k, last] += dot(product, at_top)
                else:
                    hessian[k, last] += dot(product, weighted[node])
                    apply(matrices[node], product, tangents[k])


@kernel(inner=True, fastmath=True)
def _add_scores(scores: np.ndarray, weights: np.ndarray, hessian: np.ndarray) -> None:
    """Add - sum_p g_i g_j / w to entries on and below the diagonal."""
    for i in range(len(scores)):
        for j in range(i + 1):
            total = 0.0
            for p in range(BLOCK):
                total += scores[i, p] * scores[j, p] / weights[p] if weights[p] > 0.0 else 0.0
            hessian[i, j] -= total


@kernel()
def wide_hessian_kernel(
    matrices: np.ndarray,
    generators: np.ndarray,
    tables: np.ndarray,
    first_tables: np.ndarray,
    second_tables: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    children: np.ndarray,
    codes: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    up: np.ndarray,
    out: np.ndarray,
    weighted: np.ndarray,
    tangents: np.ndarray,
    buffers: np.ndarray,
    factors: np.ndarray,
    rows: np.ndarray,
    values: np.ndarray,
    gradient: np.ndarray,
    hessian: np.ndarray,
) -> None:
    """Log-likelihoods, gradients and Hessians in the branch lengths, of some trees on some blocks of patterns.

    Arguments:
        matrices: (T, C, E, width, width) transition matrices.
        generators: (C, width, width), dP/dt = G P.
        tables: (T, C, N, width, codes), the tips' matrices times every state set.
        first_tables: (T, C, N, width, codes), G times `tables`.
        second_tables: (T, C, N, width, codes), G times those.
        frequencies: (width,) of the root.
        category_weights: (C,).
        children: (T, N-2, 2) int64.
        codes: (B, N, BLOCK) of state sets.
        weights: (B, BLOCK) >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        up: (C, 2N-2, width * BLOCK) workspace, as the following six overwritten.
        out: (2N-2, width * BLOCK).
        weighted: (2N-2, width * BLOCK).
        tangents: (E, width * BLOCK).
        buffers: (4, width * BLOCK).
        factors: (C, N-2, BLOCK).
        rows: (3 C + E, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive.
        gradient: (T, E) output, zero before the call; without meaning where the value is -inf.
        hessian: (T, E, E) output, likewise.
    """
    n, n_categories = codes.shape[1], len(category_weights)
    n_edges, top = 2 * n - 3, 2 * n - 3
    shares, scores = rows[2 * n_categories : 3 * n_categories], rows[3 * n_categories :]
    starts = np.empty(2 * n - 2, dtype=np.int64)
    sizes = np.empty(2 * n - 2, dtype=np.int64)
    edges = np.empty(n_edges, dtype=np.int64)
    pairs = np.empty((n_edges, n_edges))
    for t in range(trees[0], trees[1]):
        postorder_positions(children[t], starts, sizes, edges)
        for b in range(blocks[0], blocks[1]):
            values[t] += wide_sites(
                children[t], matrices[t], tables[t], frequencies, category_weights, weights[b], codes[b], up,
                buffers[0], factors, rows[: 3 * n_categories],
            )  # fmt: skip
            if not np.isfinite(values[t]):
                break
            scores[:] = 0.0
            for c in range(n_categories):
                wide_root(up[c], top, frequencies, category_weights[c], shares[c], buffers[0], buffers[1])
                # the derivative in edge 0 at the top node, as W: frequencies times shares times P'_0 of tip 0
                tip_row(first_tables[t, c, 0], codes[b, 0], buffers[3])
                for s in range(len(frequencies)):
                    part = buffers[3, s * BLOCK : s * BLOCK + BLOCK]
                    for p in range(BLOCK):
                        part[p] *= category_weights[c] * frequencies[s] * shares[c, p]
                _outside(
                    children[t], matrices[t, c], generators[c], first_tables[t, c], second_tables[t, c], codes[b],
                    starts, sizes, up[c], out, weighted, tangents, buffers, factors[c], scores, hessian[t],
                )  # fmt: skip
                _add_pairs(
                    children[t], matrices[t, c], buffers[3], starts, sizes, up[c], out, weighted, tangents, buffers,
                    factors[c], hessian[t],
                )  # fmt: skip
            for i in range(n_edges):
                for p in range(BLOCK):
                    gradient[t, edges[i]] += scores[i, p]
            _add_scores(scores, weights[b], hessian[t])
        by_edges(edges, pairs, hessian[t])
