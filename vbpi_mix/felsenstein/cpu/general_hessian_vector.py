"""Compiled products of the Hessian with one vector per tree, for any model of four states.

The derivative of everything in `general_diagonal` along a direction, written with a dot; the direction x enters
only by Pdot = x P' and P'dot = x P'' of every edge. Beside each message m its derivative, beside each outside message
(times w weight_c / L) its own:

    mdot = P vdot + Pdot v,    Udot = P^T Odot + Pdot^T O,

where vdot and Odot follow from the product rule, and at the top node O is divided by L, whose derivative, summed over
the categories, is known there. The product is, for each edge, the sum of Odot . P' v + O . (P' vdot + P'dot v).
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
from vbpi_mix.felsenstein.cpu.general_hessian import dot_rows, possible_factors, transpose

_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK


@kernel(inner=True, fastmath=True)
def _multiply_tangents(
    left: np.ndarray, left_dot: np.ndarray, right: np.ndarray, right_dot: np.ndarray, i: Index, j: Index,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Derivative of left[i] * right[j]."""
    x, x_dot, y, y_dot = left[i], left_dot[i], right[j], right_dot[j]
    for p in range(SIZE):
        out[p] = x_dot[p] * y[p] + x[p] * y_dot[p]


@kernel(inner=True, fastmath=True)
def _add_propagated(rows: np.ndarray, v: Index, matrices: np.ndarray, m: Index, work: np.ndarray,
                    o: Index) -> None:  # fmt: skip
    """work[o] += matrices[m] @ rows[v]."""
    vectors, matrix, out = rows[v], matrices[m], work[o]
    a0, a1, a2, a3 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    b0, b1, b2, b3 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    c0, c1, c2, c3 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    d0, d1, d2, d3 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    for p in range(BLOCK):
        v0, v1, v2, v3 = vectors[p], vectors[_R1 + p], vectors[_R2 + p], vectors[_R3 + p]
        out[p] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
        out[_R1 + p] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
        out[_R2 + p] += (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
        out[_R3 + p] += (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)


@kernel(inner=True)
def _partials(children: np.ndarray, node: int, up: np.ndarray, up_dots: np.ndarray, buffer: np.ndarray,
              factors: np.ndarray, steps: np.ndarray, scaled: bool) -> None:  # fmt: skip
    """buffer[0], buffer[1] = v and vdot of an internal node; its factors in row 0 of `factors`."""
    n: int = children.shape[0] + 2
    left: int = children[node - n, 0]
    right: int = children[node - n, 1]
    multiply(up, up, left, right, buffer[0])
    _multiply_tangents(up, up_dots, up, up_dots, left, right, buffer[1])
    if scaled:
        rescale(buffer[0], factors[0], steps)
        possible_factors(buffer[0], factors[0], factors[1])
        scale_rows(buffer, 1, factors[1])


@kernel(inner=True)
def _upward_tangents(children: np.ndarray, matrices: np.ndarray, matrix_dots: np.ndarray, tips: np.ndarray,
                     up: np.ndarray, up_dots: np.ndarray, buffer: np.ndarray, factors: np.ndarray,
                     steps: np.ndarray, scaled: bool) -> None:  # fmt: skip
    """Derivatives of all messages of one category; of the top node, of its partial likelihoods."""
    n = len(tips)
    none, one = np.int64(0), np.int64(1)
    for tip in range(n):
        propagate(tips, tip, matrix_dots, tip, up_dots, tip)
    for node in range(n, 2 * n - 3):
        _partials(children, node, up, up_dots, buffer, factors, steps, scaled)
        propagate(buffer, one, matrices, node, up_dots, node)
        _add_propagated(buffer, none, matrix_dots, node, up_dots, node)
    _partials(children, 2 * n - 3, up, up_dots, buffer, factors, steps, False)
    copy_row(buffer[1], up_dots[2 * n - 3])


@kernel(inner=True, fastmath=True)
def _add_change(up: np.ndarray, up_dots: np.ndarray, top: int, frequencies: np.ndarray, weight: float,
                shares: np.ndarray, change: np.ndarray) -> None:  # fmt: skip
    """Add w / L times the derivative of a category's part of the site likelihoods."""
    for s in range(4):
        frequency = weight * frequencies[s]
        for p in range(BLOCK):
            i = s * BLOCK + p
            dot = up_dots[top, i] * up[0, i] + up[top, i] * up_dots[0, i]
            change[p] += frequency * shares[p] * dot


@kernel(inner=True, fastmath=True)
def _top(up: np.ndarray, up_dots: np.ndarray, top: int, frequencies: np.ndarray, weight: float, shares: np.ndarray,
         change: np.ndarray, out: np.ndarray, out_dots: np.ndarray) -> None:  # fmt: skip
    """Outside messages of the top node and of edge 0 with their derivatives, given d log L (`change`)."""
    for s in range(4):
        frequency = weight * frequencies[s]
        for p in range(BLOCK):
            i = s * BLOCK + p
            share = frequency * shares[p]
            out[top, i] = share * up[0, i]
            out_dots[top, i] = share * (up_dots[0, i] - up[0, i] * change[p])
            out[0, i] = share * up[top, i]
            out_dots[0, i] = share * (up_dots[top, i] - up[top, i] * change[p])


@kernel(inner=True, allocates=True)
def _downward(
    children: np.ndarray, matrices: np.ndarray, first: np.ndarray, matrix_dots: np.ndarray, first_dots: np.ndarray,
    tips: np.ndarray, up: np.ndarray, up_dots: np.ndarray, out: np.ndarray, out_dots: np.ndarray, buffer: np.ndarray,
    factors: np.ndarray, steps: np.ndarray, scaled: bool, products: np.ndarray,
) -> None:  # fmt: skip
    """Add one category's part of the products, given the outside messages of the top node and of edge 0."""
    n = len(tips)
    none, one, slope, change = np.int64(0), np.int64(1), np.int64(2), np.int64(3)
    transposed_dots = np.empty((1, 4, 4))
    propagate(tips, none, first, none, buffer, slope)
    propagate(tips, none, first_dots, none, buffer, change)
    products[0] += dot_rows(out_dots, none, buffer, slope) + dot_rows(out, none, buffer, change)
    for i in range(n - 3, -1, -1):
        for side in range(2):
            child: int = children[i, side]
            sibling: int = children[i, 1 - side]
            multiply(out, up, n + i, sibling, out[child])
            _multiply_tangents(out, out_dots, up, up_dots, n + i, sibling, out_dots[child])
            if child < n:
                propagate(tips, child, first, child, buffer, slope)
                propagate(tips, child, first_dots, child, buffer, change)
            else:
                _partials(children, child, up, up_dots, buffer, factors, steps, scaled)
                propagate(buffer, none, first, child, buffer, slope)
                propagate(buffer, one, first, child, buffer, change)
                _add_propagated(buffer, none, first_dots, child, buffer, change)
            products[child] += dot_rows(out_dots, child, buffer, slope) + dot_rows(out, child, buffer, change)
            if child >= n:
                pull_back(out_dots, child, matrices)
                transpose(matrix_dots, child, transposed_dots)
                _add_propagated(out, child, transposed_dots, none, out_dots, child)
                pull_back(out, child, matrices)
                if scaled:
                    scale_rows(out, child, factors[0])
                    scale_rows(out_dots, child, factors[0])


@kernel()
def general_hessian_vector_kernel(
    matrices: np.ndarray,
    first: np.ndarray,
    matrix_dots: np.ndarray,
    first_dots: np.ndarray,
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
    node_dots: np.ndarray,
    out: np.ndarray,
    out_dots: np.ndarray,
    factors: np.ndarray,
    values: np.ndarray,
    products: np.ndarray,
) -> None:
    """Log-likelihoods and products of their Hessians with vectors, of some trees on some blocks of patterns.

    Arguments:
        matrices: (T, C, E, 4, 4) transition matrices.
        first: (T, C, E, 4, 4), their derivatives in the length of their edge.
        matrix_dots: (T, C, E, 4, 4), derivatives of the matrices along the vectors: first times the edge's component.
        first_dots: (T, C, E, 4, 4), likewise of `first`.
        frequencies: (4,) of the root, which is the top node.
        category_weights: (C,).
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        tips: (N, SIZE) float64 workspace, as the following seven overwritten.
        nodes: (C, 2N-2, SIZE).
        buffer: (4, SIZE).
        rows: (3 C + 1, BLOCK).
        node_dots: (C, 2N-2, SIZE).
        out: (2N-2, SIZE).
        out_dots: (2N-2, SIZE).
        factors: (3, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive.
        products: (T, E) output, zero before the call; without meaning where the value is -inf.
    """
    n, n_categories = states.shape[1], len(category_weights)
    top = 2 * n - 3
    shares, change = rows[2 * n_categories : 3 * n_categories], factors[2]
    scaled_trees = np.zeros(trees[1], np.bool_)
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
            change[:] = 0.0
            for c in range(n_categories):
                up, up_dots, steps = nodes[c], node_dots[c], rows[n_categories + c]
                _upward_tangents(children[t], matrices[t, c], matrix_dots[t, c], tips, up, up_dots, buffer, factors,
                                 steps, scaled)  # fmt: skip
                _add_change(up, up_dots, top, frequencies, category_weights[c], shares[c], change)
            for p in range(BLOCK):
                change[p] = change[p] / weights[b, p] if weights[b, p] > 0.0 else 0.0
            for c in range(n_categories):
                up, up_dots, steps = nodes[c], node_dots[c], rows[n_categories + c]
                _top(up, up_dots, top, frequencies, category_weights[c], shares[c], change, out, out_dots)
                _downward(
                    children[t], matrices[t, c], first[t, c], matrix_dots[t, c], first_dots[t, c], tips, up, up_dots,
                    out, out_dots, buffer, factors, steps, scaled, products[t],
                )  # fmt: skip
