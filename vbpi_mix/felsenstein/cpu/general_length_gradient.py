"""Compiled gradients in the branch lengths for any model of four states whose parameters are constants.

Where P(t) = exp(G t), with one generator G per rate category, the message m = P v of an edge has the derivative G m in
its length, so that with O, the outside message at the upper end of the edge, multiplied by w weight_c / L,

    d log L / dt = sum_c sum_p O . G_c m.

Both messages are at hand when those of a node are split among its children; neither partial likelihoods nor gradients
in the 16 entries of each matrix are needed. Upward passes, layout and scaling are those of `general_gradient`.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import (
    BLOCK,
    multiply,
    rescale,
    scale_rows,
    tip_partials,
    upward_in_range,
    upward_pass,
)

_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK


@kernel(inner=True, fastmath=True)
def _slope(
    work_u: np.ndarray, work_s: np.ndarray, work_m: np.ndarray, node_u: int, sibling: int, child: int, g: np.ndarray,
) -> float:  # fmt: skip
    """Sum over patterns of O . G m, with O the product of the outside message above and the sibling's message."""
    up, other, message = work_u[node_u], work_s[sibling], work_m[child]
    a0, a1, a2, a3 = g[0, 0], g[0, 1], g[0, 2], g[0, 3]
    b0, b1, b2, b3 = g[1, 0], g[1, 1], g[1, 2], g[1, 3]
    c0, c1, c2, c3 = g[2, 0], g[2, 1], g[2, 2], g[2, 3]
    d0, d1, d2, d3 = g[3, 0], g[3, 1], g[3, 2], g[3, 3]
    total = up.dtype.type(0.0)
    for p in range(BLOCK):
        m0, m1, m2, m3 = message[p], message[_R1 + p], message[_R2 + p], message[_R3 + p]
        first = up[p] * other[p] * ((a0 * m0 + a1 * m1) + (a2 * m2 + a3 * m3))
        second = up[_R1 + p] * other[_R1 + p] * ((b0 * m0 + b1 * m1) + (b2 * m2 + b3 * m3))
        third = up[_R2 + p] * other[_R2 + p] * ((c0 * m0 + c1 * m1) + (c2 * m2 + c3 * m3))
        fourth = up[_R3 + p] * other[_R3 + p] * ((d0 * m0 + d1 * m1) + (d2 * m2 + d3 * m3))
        total += (first + second) + (third + fourth)
    return total


@kernel(inner=True, fastmath=True)
def _pull_apart(
    work_u: np.ndarray,
    work_l: np.ndarray,
    work_r: np.ndarray,
    node_u: int,
    node_l: int,
    node_r: int,
    matrices: np.ndarray,
) -> None:
    """Replace the messages of two internal children by the outside messages below their edges, P^T O."""
    up, left, right = work_u[node_u], work_l[node_l], work_r[node_r]
    matrix_l, matrix_r = matrices[node_l], matrices[node_r]
    l00, l01, l02, l03 = matrix_l[0, 0], matrix_l[0, 1], matrix_l[0, 2], matrix_l[0, 3]
    l10, l11, l12, l13 = matrix_l[1, 0], matrix_l[1, 1], matrix_l[1, 2], matrix_l[1, 3]
    l20, l21, l22, l23 = matrix_l[2, 0], matrix_l[2, 1], matrix_l[2, 2], matrix_l[2, 3]
    l30, l31, l32, l33 = matrix_l[3, 0], matrix_l[3, 1], matrix_l[3, 2], matrix_l[3, 3]
    r00, r01, r02, r03 = matrix_r[0, 0], matrix_r[0, 1], matrix_r[0, 2], matrix_r[0, 3]
    r10, r11, r12, r13 = matrix_r[1, 0], matrix_r[1, 1], matrix_r[1, 2], matrix_r[1, 3]
    r20, r21, r22, r23 = matrix_r[2, 0], matrix_r[2, 1], matrix_r[2, 2], matrix_r[2, 3]
    r30, r31, r32, r33 = matrix_r[3, 0], matrix_r[3, 1], matrix_r[3, 2], matrix_r[3, 3]
    for p in range(BLOCK):
        u0, u1, u2, u3 = up[p], up[_R1 + p], up[_R2 + p], up[_R3 + p]
        o0, o1, o2, o3 = u0 * right[p], u1 * right[_R1 + p], u2 * right[_R2 + p], u3 * right[_R3 + p]
        q0, q1, q2, q3 = u0 * left[p], u1 * left[_R1 + p], u2 * left[_R2 + p], u3 * left[_R3 + p]
        left[p] = (l00 * o0 + l10 * o1) + (l20 * o2 + l30 * o3)
        left[_R1 + p] = (l01 * o0 + l11 * o1) + (l21 * o2 + l31 * o3)
        left[_R2 + p] = (l02 * o0 + l12 * o1) + (l22 * o2 + l32 * o3)
        left[_R3 + p] = (l03 * o0 + l13 * o1) + (l23 * o2 + l33 * o3)
        right[p] = (r00 * q0 + r10 * q1) + (r20 * q2 + r30 * q3)
        right[_R1 + p] = (r01 * q0 + r11 * q1) + (r21 * q2 + r31 * q3)
        right[_R2 + p] = (r02 * q0 + r12 * q1) + (r22 * q2 + r32 * q3)
        right[_R3 + p] = (r03 * q0 + r13 * q1) + (r23 * q2 + r33 * q3)


@kernel(inner=True, fastmath=True)
def _pull_past(
    work_u: np.ndarray,
    work_s: np.ndarray,
    work_m: np.ndarray,
    node_u: int,
    sibling: int,
    child: int,
    matrices: np.ndarray,
) -> None:
    """As `_pull_apart` for an internal child with a tip as its sibling."""
    up, other, message, matrix = work_u[node_u], work_s[sibling], work_m[child], matrices[child]
    p00, p01, p02, p03 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    p10, p11, p12, p13 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    p20, p21, p22, p23 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    p30, p31, p32, p33 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    for p in range(BLOCK):
        o0 = up[p] * other[p]
        o1 = up[_R1 + p] * other[_R1 + p]
        o2 = up[_R2 + p] * other[_R2 + p]
        o3 = up[_R3 + p] * other[_R3 + p]
        message[p] = (p00 * o0 + p10 * o1) + (p20 * o2 + p30 * o3)
        message[_R1 + p] = (p01 * o0 + p11 * o1) + (p21 * o2 + p31 * o3)
        message[_R2 + p] = (p02 * o0 + p12 * o1) + (p22 * o2 + p32 * o3)
        message[_R3 + p] = (p03 * o0 + p13 * o1) + (p23 * o2 + p33 * o3)


@kernel(inner=True, fastmath=True)
def _root_slope(
    work: np.ndarray, top_node: int, frequencies: np.ndarray, weight: float, shares: np.ndarray, g: np.ndarray
) -> float:
    """Derivative in the length of edge 0; turns the partials of the top node into its outside message."""
    top, tip = work[top_node], work[0]
    real = top.dtype.type
    total = real(0.0)
    for s in range(4):
        g0, g1, g2, g3 = g[s, 0], g[s, 1], g[s, 2], g[s, 3]
        frequency = real(weight * frequencies[s])
        partials = top[s * BLOCK : (s + 1) * BLOCK]
        message = tip[s * BLOCK : (s + 1) * BLOCK]
        for p in range(BLOCK):
            share = frequency * shares[p]
            m0, m1, m2, m3 = tip[p], tip[_R1 + p], tip[_R2 + p], tip[_R3 + p]
            total += share * partials[p] * ((g0 * m0 + g1 * m1) + (g2 * m2 + g3 * m3))
            partials[p] = share * message[p]
    return total


@kernel(inner=True)
def _downward(children: np.ndarray, matrices: np.ndarray, g: np.ndarray, n: int, work: np.ndarray,
              buffer: np.ndarray, factors: np.ndarray, steps: np.ndarray, scaled: bool,
              gradient: np.ndarray) -> None:  # fmt: skip
    """Add one category's derivatives in the lengths of all edges but edge 0."""
    below = buffer[0]
    for i in range(n - 3, -1, -1):
        node: int = n + i
        left: int = children[i, 0]
        right: int = children[i, 1]
        gradient[left] += _slope(work, work, work, node, right, left, g)
        gradient[right] += _slope(work, work, work, node, left, right, g)
        if left >= n and right >= n:
            _pull_apart(work, work, work, node, left, right, matrices)
        elif left >= n:
            _pull_past(work, work, work, node, right, left, matrices)
        elif right >= n:
            _pull_past(work, work, work, node, left, right, matrices)
        if scaled:
            for side in range(2):
                child = children[i, side]
                if child >= n:
                    multiply(work, work, children[child - n, 0], children[child - n, 1], below)
                    rescale(below, factors, steps)
                    scale_rows(work, child, factors)


@kernel()
def length_kernel(
    matrices: np.ndarray,
    generators: np.ndarray,
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
    gradient: np.ndarray,
) -> None:
    """Log-likelihoods and their derivatives in the branch lengths, of some trees on some blocks of patterns.

    Arguments:
        matrices: (T, C, E, 4, 4) float64 or float32 transition matrices, P[s, t] from the upper to the lower state.
        generators: (C, 4, 4) of the same type: dP/dt = G P for every edge.
        frequencies: (4,) of the root, which is the top node.
        category_weights: (C,).
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        with_gradient: whether the gradient is wanted.
        tips: (N, SIZE) workspace of the type of the matrices, as the following three overwritten.
        nodes: (C, 2N-2, SIZE) or (1, 2N-2, SIZE), as in `general_kernel`.
        buffer: (1, SIZE).
        rows: (3 C + 1, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive. In float32 also
            -inf or NaN where it has lost its digits: such a tree needs float64.
        gradient: (T, E) output, zero before the call; without meaning where the value is not finite.
    """
    n, n_categories = states.shape[1], len(category_weights)
    shares, factors = rows[2 * n_categories : 3 * n_categories], rows[3 * n_categories]
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
            if not with_gradient or not np.isfinite(values[t]):
                continue
            for c in range(n_categories - 1, -1, -1):
                work = nodes[c % len(nodes)]
                if len(nodes) == 1 and c < n_categories - 1:
                    upward_pass(
                        children[t], matrices[t, c], tips, work, buffer, factors, rows[n_categories + c], scaled
                    )
                gradient[t, 0] += _root_slope(
                    work, 2 * n - 3, frequencies, category_weights[c], shares[c], generators[c]
                )
                _downward(children[t], matrices[t, c], generators[c], n, work, buffer, factors,
                          rows[n_categories + c], scaled, gradient[t])  # fmt: skip
