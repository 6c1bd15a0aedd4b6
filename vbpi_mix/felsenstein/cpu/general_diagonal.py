"""Compiled second derivatives in the branch lengths, each edge by itself, for any model of four states.

With P' and P'' the derivatives of the transition matrices of an edge in its length, and O and v as in
`general_gradient`, a site likelihood L has in this length the derivatives

    L' = sum_c weight_c O . P'_c v,    L'' = sum_c weight_c O . P''_c v,

and the log-likelihood sum_p w_p L' / L and sum_p w_p (L'' / L - (L' / L)^2). The outside messages carry w weight_c / L;
the terms of a pattern are summed over the categories before they are squared.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import (
    BLOCK,
    Index,
    mix_categories,
    multiply,
    pull_back,
    rescale,
    root_likelihoods,
    scale_rows,
    split,
    tip_partials,
    upward_pass,
)
from vbpi_mix.felsenstein.cpu.scaling import UNSCALED_LIMIT

_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK


@kernel(inner=True, fastmath=True)
def _top_outside(work: np.ndarray, top_node: int, frequencies: np.ndarray, weight: float, shares: np.ndarray) -> None:
    """Outside messages of the top node and of tip 0, in the places of their partial likelihoods and message."""
    top, tip = work[top_node], work[0]
    for s in range(4):
        frequency = frequencies[s]
        partials = top[s * BLOCK : (s + 1) * BLOCK]
        message = tip[s * BLOCK : (s + 1) * BLOCK]
        for p in range(BLOCK):
            share = weight * shares[p] * frequency
            below = share * partials[p]
            partials[p] = share * message[p]
            message[p] = below


@kernel(inner=True, fastmath=True)
def _add_bilinear(work: np.ndarray, i: Index, matrices: np.ndarray, rows: np.ndarray, v: Index,
                  out: np.ndarray) -> None:  # fmt: skip
    """out[i] += work[i] . matrices[i] @ rows[v], pattern by pattern."""
    outside, matrix, vectors, result = work[i], matrices[i], rows[v], out[i]
    a0, a1, a2, a3 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    b0, b1, b2, b3 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    c0, c1, c2, c3 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
    d0, d1, d2, d3 = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    for p in range(BLOCK):
        v0, v1, v2, v3 = vectors[p], vectors[_R1 + p], vectors[_R2 + p], vectors[_R3 + p]
        first = outside[p] * ((a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3))
        second = outside[_R1 + p] * ((b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3))
        third = outside[_R2 + p] * ((c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3))
        fourth = outside[_R3 + p] * ((d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3))
        result[p] += (first + second) + (third + fourth)


@kernel(inner=True)
def _downward(children: np.ndarray, matrices: np.ndarray, first: np.ndarray, second: np.ndarray, tips: np.ndarray,
              work: np.ndarray, buffer: np.ndarray, factors: np.ndarray, steps: np.ndarray, scaled: bool,
              slopes: np.ndarray, bends: np.ndarray) -> None:  # fmt: skip
    """Add w L' / L and w L'' / L of one category, edges but edge 0, given the outside message of the top node."""
    n = tips.shape[0]
    partials = buffer[0]
    for i in range(n - 3, -1, -1):
        split(work, work, work, n + i, children[i, 0], children[i, 1])
        for side in range(2):
            child = children[i, side]
            if child < n:
                _add_bilinear(work, child, first, tips, child, slopes)
                _add_bilinear(work, child, second, tips, child, bends)
                continue
            multiply(work, work, children[child - n, 0], children[child - n, 1], partials)
            if scaled:
                rescale(partials, factors, steps)
            _add_bilinear(work, child, first, buffer, np.int64(0), slopes)
            _add_bilinear(work, child, second, buffer, np.int64(0), bends)
            pull_back(work, child, matrices)
            if scaled:
                scale_rows(work, child, factors)


@kernel(inner=True, fastmath=True)
def _reduce(slopes: np.ndarray, bends: np.ndarray, edge: int, weights: np.ndarray) -> tuple[float, float]:
    slope, bend = slopes[edge], bends[edge]
    first = second = 0.0
    for p in range(BLOCK):
        inverse = 1.0 / weights[p] if weights[p] > 0.0 else 0.0
        first += slope[p]
        second += bend[p] - slope[p] * slope[p] * inverse
    return first, second


@kernel()
def general_diagonal_kernel(
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
    slopes: np.ndarray,
    bends: np.ndarray,
    values: np.ndarray,
    gradient: np.ndarray,
    diagonal: np.ndarray,
) -> None:
    """Log-likelihoods with first and second derivatives in each branch length, of some trees on some patterns.

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
        tips: (N, SIZE) float64 workspace, as the following five overwritten.
        nodes: (C, 2N-2, SIZE).
        buffer: (1, SIZE).
        rows: (3 C + 1, BLOCK).
        slopes: (E, BLOCK).
        bends: (E, BLOCK).
        values: (T,) output, zero before the call; -inf where a site likelihood is not positive.
        gradient: (T, E) output, zero before the call; without meaning where the value is -inf.
        diagonal: (T, E) output, likewise.
    """
    n, n_categories = states.shape[1], len(category_weights)
    likelihoods, steps = rows[:n_categories], rows[n_categories : 2 * n_categories]
    shares, factors = rows[2 * n_categories : 3 * n_categories], rows[3 * n_categories]
    for b in range(blocks[0], blocks[1]):
        for i in range(n):
            tip_partials(states[b], tips, i)
        for t in range(trees[0], trees[1]):
            scaled = False
            while True:
                for c in range(n_categories):
                    upward_pass(children[t], matrices[t, c], tips, nodes[c], buffer, factors, steps[c], scaled)
                    root_likelihoods(nodes[c], 2 * n - 3, frequencies, likelihoods[c])
                lowest, value = mix_categories(likelihoods, steps, category_weights, weights[b], shares)
                if scaled or lowest >= UNSCALED_LIMIT:
                    break
                scaled = True
            values[t] += value
            if values[t] == -np.inf:
                continue
            slopes[:] = 0.0
            bends[:] = 0.0
            for c in range(n_categories):
                _top_outside(nodes[c], 2 * n - 3, frequencies, category_weights[c], shares[c])
                _add_bilinear(nodes[c], np.int64(0), first[t, c], tips, np.int64(0), slopes)
                _add_bilinear(nodes[c], np.int64(0), second[t, c], tips, np.int64(0), bends)
                _downward(children[t], matrices[t, c], first[t, c], second[t, c], tips, nodes[c], buffer, factors,
                          steps[c], scaled, slopes, bends)  # fmt: skip
            for edge in range(2 * n - 3):
                slope, bend = _reduce(slopes, bends, edge, weights[b])
                gradient[t, edge] += slope
                diagonal[t, edge] += bend
