"""Compiled Hessians of the log-likelihood in the branch lengths, for any model of four states.

With the letters of `general_diagonal`, of one category: U_u, the outside message at the lower end of the edge u
above a node (times w weight_c / L), W_u = P'_u^T O_u, and D_i, the derivative of a message in the length of an edge i
at or below its own edge, carried up the tree. As in `jc69_hessian`,

* edges i and j that meet at node u, coming from different children: w L_ij / L is the sum over states of U_u D_i D_j;
* edge i below edge u: it is W_u . v_i, where v_i is D_i times the message of the sibling; then D_i becomes P_u v_i;
* one edge: O . P'' v.

These are summed over the categories, and so is g_i = w L_i / L of every pattern; the score term is - sum_p g_i g_j / w.
Edges are numbered by post-order; edge 0 counts as the one above the top node, where W has the derivative of the
message of tip 0.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import (
    BLOCK,
    SIZE,
    Index,
    copy_row,
    multiply,
    propagate,
    pull_back,
    rescale,
    scale_rows,
    tip_partials,
    upward_in_range,
)
from vbpi_mix.felsenstein.cpu.jc69_hessian import dots_1x4, dots_4x2, postorder_positions

_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK
_BUFFER_ROWS = 4


@kernel(inner=True, fastmath=True)
def dot_rows(rows: np.ndarray, i: Index, others: np.ndarray, j: Index) -> float:
    first, second = rows[i], others[j]
    total = 0.0
    for p in range(SIZE):
        total += first[p] * second[p]
    return total


@kernel(inner=True, fastmath=True)
def _add_score(rows: np.ndarray, i: int, others: np.ndarray, j: int, scores: np.ndarray) -> None:
    """scores[j] += sum over states of rows[i] * others[j], pattern by pattern."""
    first, second, out = rows[i], others[j], scores[j]
    for p in range(BLOCK):
        out[p] += (first[p] * second[p] + first[_R1 + p] * second[_R1 + p]) + (
            first[_R2 + p] * second[_R2 + p] + first[_R3 + p] * second[_R3 + p]
        )


@kernel(inner=True, fastmath=True)
def possible_factors(partials: np.ndarray, factors: np.ndarray, out: np.ndarray) -> None:
    """Factors of rescaled partial likelihoods, 0 where these are all zero.

    There a factor says nothing about the size of derivatives, which it could carry out of the range of numbers. The
    category is impossible for the pattern; it adds nothing to the mixture.
    """
    for p in range(BLOCK):
        largest = max(max(partials[p], partials[_R1 + p]), max(partials[_R2 + p], partials[_R3 + p]))
        out[p] = factors[p] if largest > 0.0 else 0.0


@kernel(inner=True, fastmath=True)
def _raise(tangents: np.ndarray, i: int, sibling: np.ndarray, weighted: np.ndarray, node: int,
           matrices: np.ndarray) -> float:  # fmt: skip
    """Carry D_i over the edge above a node; returns the sum over patterns of W . v_i."""
    tangent, message, weight, matrix = tangents[i], sibling[0], weighted[node], matrices[node]
    a0, a1, a2, a3 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    b0, b1, b2, b3 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    c0, c1, c2, c3 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    d0, d1, d2, d3 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    total = 0.0
    for p in range(BLOCK):
        v0, v1 = tangent[p] * message[p], tangent[_R1 + p] * message[_R1 + p]
        v2, v3 = tangent[_R2 + p] * message[_R2 + p], tangent[_R3 + p] * message[_R3 + p]
        total += (weight[p] * v0 + weight[_R1 + p] * v1) + (weight[_R2 + p] * v2 + weight[_R3 + p] * v3)
        tangent[p] = (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
        tangent[_R1 + p] = (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
        tangent[_R2 + p] = (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
        tangent[_R3 + p] = (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)
    return total


@kernel(inner=True, fastmath=True)
def _at_top(tangents: np.ndarray, i: int, sibling: np.ndarray, weighted: np.ndarray, node: int) -> float:
    """As `_raise` at the top node, above which there is nothing."""
    tangent, message, weight = tangents[i], sibling[0], weighted[node]
    total = 0.0
    for p in range(SIZE):
        total += tangent[p] * message[p] * weight[p]
    return total


@kernel(inner=True)
def _dots_of_rows(buffer: np.ndarray, rows: int, tangents: np.ndarray, many: tuple[int, int], products: np.ndarray,
                  i: int, hessian: np.ndarray) -> None:  # fmt: skip
    """Add to the Hessian, from row i on, the products of the first rows of the buffer with a range of tangents."""
    last = many[1] - 1
    if rows == _BUFFER_ROWS:
        for j in range(many[0], many[1], 2):
            dots_4x2(buffer, tangents, j, min(j + 1, last), products)
            for row in range(rows):
                for column in range(min(2, many[1] - j)):
                    hessian[i + row, j + column] += products[row, column]
        return
    for row in range(rows):
        for j in range(many[0], many[1], 4):
            dots_1x4(buffer, row, tangents, j, last, products)
            for column in range(min(4, many[1] - j)):
                hessian[i + row, j + column] += products[0, column]


@kernel(inner=True)
def _add_scores(scores: np.ndarray, weights: np.ndarray, buffer: np.ndarray, products: np.ndarray,
                hessian: np.ndarray) -> None:  # fmt: skip
    """Add - sum_p g_i g_j / w for every pair of edges, once or by halves on either side of the diagonal."""
    n_edges = len(scores)
    for i in range(0, n_edges, _BUFFER_ROWS):
        rows = min(_BUFFER_ROWS, n_edges - i)
        for row in range(rows):
            for p in range(BLOCK):
                buffer[row, p] = -scores[i + row, p] / weights[p] if weights[p] > 0.0 else 0.0
        _dots_of_rows(buffer, rows, scores, (i + rows, n_edges), products, i, hessian)
        for row in range(rows):
            dots_1x4(buffer, row, scores, i, i + rows - 1, products)
            for column in range(rows):
                hessian[i + row, i + column] += products[0, column] if row == column else 0.5 * products[0, column]


@kernel(inner=True, fastmath=True)
def _top(up: np.ndarray, top: int, frequencies: np.ndarray, weight: float, shares: np.ndarray, out: np.ndarray,
         weighted: np.ndarray, tangents: np.ndarray) -> None:  # fmt: skip
    """U and W of the top node and O of edge 0, given the derivative of the message of tip 0 in the last tangent."""
    partials, message, slope = up[top], up[0], tangents[len(tangents) - 1]
    for s in range(4):
        frequency = weight * frequencies[s]
        for p in range(BLOCK):
            i = s * BLOCK + p
            share = frequency * shares[p]
            out[top, i] = share * message[i]
            weighted[top, i] = share * slope[i]
            out[0, i] = share * partials[i]


@kernel(inner=True)
def transpose(matrices: np.ndarray, m: Index, out: np.ndarray) -> None:
    """out[0] = matrices[m] transposed. A view by `np.transpose` takes seconds to compile, with what reads it."""
    for i in range(4):
        for j in range(4):
            out[0, i, j] = matrices[m, j, i]


@kernel(inner=True, allocates=True)
def _outside(
    children: np.ndarray, matrices: np.ndarray, first: np.ndarray, second: np.ndarray, frequencies: np.ndarray,
    weight: float, shares: np.ndarray, starts: np.ndarray, sizes: np.ndarray, tips: np.ndarray, up: np.ndarray,
    out: np.ndarray, weighted: np.ndarray, tangents: np.ndarray, buffer: np.ndarray, factors: np.ndarray,
    steps: np.ndarray, scaled: bool, scores: np.ndarray, hessian: np.ndarray,
) -> None:  # fmt: skip
    """U and W of every node, D of every edge at its own upper end, g, and the part O . P'' v of the diagonal.

    The first row of `factors` is for passing; row u gets what partial likelihoods of node u were multiplied by.
    """
    n = len(tips)
    n_edges, top, none = 2 * n - 3, 2 * n - 3, np.int64(0)
    last = n_edges - 1
    partials = buffer[0]
    transposed = np.empty((1, 4, 4))
    propagate(tips, none, first, none, tangents, last)
    _top(up, top, frequencies, weight, shares, out, weighted, tangents)
    _add_score(out, 0, tangents, last, scores)
    propagate(tips, none, second, none, weighted, none)
    hessian[last, last] += dot_rows(out, 0, weighted, 0)
    for i in range(n - 3, -1, -1):
        for side in range(2):
            child: int = children[i, side]
            sibling: int = children[i, 1 - side]
            position: int = starts[child] + sizes[child] - 1
            multiply(out, up, n + i, sibling, out[child])
            if child < n:
                propagate(tips, child, first, child, tangents, position)
                propagate(tips, child, second, child, weighted, child)
            else:
                multiply(up, up, children[child - n, 0], children[child - n, 1], partials)
                if scaled:
                    rescale(partials, factors[0], steps)
                    possible_factors(partials, factors[0], factors[child])
                propagate(buffer, none, first, child, tangents, position)
                propagate(buffer, none, second, child, weighted, child)
            _add_score(out, child, tangents, position, scores)
            hessian[position, position] += dot_rows(out, child, weighted, child)
            if child >= n:
                transpose(first, child, transposed)
                propagate(out, child, transposed, none, weighted, child)
                pull_back(out, child, matrices)
                if scaled:
                    scale_rows(out, child, factors[0])


@kernel(inner=True)
def _add_pairs(
    children: np.ndarray, matrices: np.ndarray, starts: np.ndarray, sizes: np.ndarray, up: np.ndarray,
    out: np.ndarray, weighted: np.ndarray, tangents: np.ndarray, buffer: np.ndarray, factors: np.ndarray,
    products: np.ndarray, scaled: bool, hessian: np.ndarray,
) -> None:  # fmt: skip
    """Add w L_ij / L of one category for every pair of different edges, on either side of the diagonal."""
    n: int = children.shape[0] + 2
    for i in range(n - 2):
        node = n + i
        left: int = children[i, 0]
        right: int = children[i, 1]
        few, many = (left, right) if sizes[left] < sizes[right] else (right, left)
        end: int = starts[few] + sizes[few]
        for k in range(starts[few], end, _BUFFER_ROWS):
            rows = min(_BUFFER_ROWS, end - k)
            for row in range(rows):
                multiply(out, tangents, node, k + row, buffer[row])
            _dots_of_rows(buffer, rows, tangents, (starts[many], starts[many] + sizes[many]), products, k, hessian)
        last: int = starts[node] + sizes[node] - 1
        for side in range(2):
            below, other = (left, right) if side == 0 else (right, left)
            copy_row(up[other], buffer[0])
            if scaled and i < n - 3:
                scale_rows(buffer, 0, factors[node])
            for k in range(starts[below], starts[below] + sizes[below]):
                if i == n - 3:
                    hessian[k, last] += _at_top(tangents, k, buffer, weighted, node)
                else:
                    hessian[k, last] += _raise(tangents, k, buffer, weighted, node, matrices)


@kernel(inner=True)
def by_edges(edges: np.ndarray, pairs: np.ndarray, hessian: np.ndarray) -> None:
    """Put a Hessian by positions, each pair on either side of the diagonal or shared, in the order of the edges."""
    for i in range(len(edges)):
        for j in range(len(edges)):
            pairs[i, j] = hessian[i, j]
    for i in range(len(edges)):
        hessian[edges[i], edges[i]] = pairs[i, i]
        for j in range(i):
            entry = pairs[i, j] + pairs[j, i]
            hessian[edges[i], edges[j]] = entry
            hessian[edges[j], edges[i]] = entry


@kernel()
def general_hessian_kernel(
    matrices: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    frequencies: np.ndarray,
    category_weights: np.ndarray,
    children: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    tips: np.ndarray,
    nodes: np.ndarray,
    buffer: np.ndarray,
    rows: np.ndarray,
    out: np.ndarray,
    weighted: np.ndarray,
    tangents: np.ndarray,
    factors: np.ndarray,
    scores: np.ndarray,
    values: np.ndarray,
    hessian: np.ndarray,
) -> None:
    """Log-likelihoods and Hessians in the branch lengths, of some trees on some blocks of patterns.

    Arguments:
        matrices: (T, C, E, 4, 4) transition matrices.
        first: (T, C, E, 4, 4), their derivatives in the length of their edge.
        second: (T, C, E, 4, 4), the second derivatives.
        frequencies: (4,) of the root, which is the top node.
        category_weights: (C,).
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        tips: (N, SIZE) float64 workspace, as the following eight overwritten.
        nodes: (C, 2N-2, SIZE).
        buffer: (4, SIZE).
        rows: (3 C + 1, BLOCK).
        out: (2N-2, SIZE).
        weighted: (2N-2, SIZE).
        tangents: (E, SIZE).
        factors: (2N-2, BLOCK).
        scores: (E, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive.
        hessian: (T, E, E) output, zero before the call; without meaning where the value is -inf.
    """
    n, n_categories = states.shape[1], len(category_weights)
    n_edges = 2 * n - 3
    shares = rows[2 * n_categories : 3 * n_categories]
    scaled_trees = np.zeros(trees[1], np.bool_)
    products = np.empty((_BUFFER_ROWS, 4))
    starts = np.empty(2 * n - 2, dtype=np.int64)
    sizes = np.empty(2 * n - 2, dtype=np.int64)
    edges = np.empty(n_edges, dtype=np.int64)
    pairs = np.empty((n_edges, n_edges))
    for b in range(blocks[0], blocks[1]):
        for i in range(n):
            tip_partials(states[b], tips, i)
        for t in range(trees[0], trees[1]):
            value, scaled, scaled_trees[t] = upward_in_range(
                children[t], matrices[t], frequencies, category_weights, weights[b], tips, nodes, buffer, rows,
                scaled_trees[t],
            )  # fmt: skip
            values[t] += value
            if not np.isfinite(values[t]):
                continue
            postorder_positions(children[t], starts, sizes, edges)
            scores[:] = 0.0
            for c in range(n_categories):
                up, steps = nodes[c], rows[n_categories + c]
                _outside(
                    children[t], matrices[t, c], first[t, c], second[t, c], frequencies, category_weights[c],
                    shares[c], starts, sizes, tips, up, out, weighted, tangents, buffer, factors, steps, scaled,
                    scores, hessian[t],
                )  # fmt: skip
                _add_pairs(children[t], matrices[t, c], starts, sizes, up, out, weighted, tangents, buffer, factors,
                           products, scaled, hessian[t])  # fmt: skip
            _add_scores(scores, weights[b], buffer, products, hessian[t])
    for t in range(trees[0], trees[1]):
        postorder_positions(children[t], starts, sizes, edges)
        by_edges(edges, pairs, hessian[t])
