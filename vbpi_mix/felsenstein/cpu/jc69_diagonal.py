"""Compiled first and second derivatives of the JC69 log-likelihood in each branch length by itself.

With the letters of `jc69_gradient`, the likelihood L of a pattern is linear in e = exp(-4t/3) of each edge, so that
with x = w sum(O) sum(v) / (4 L), of which the gradient is made,

    d^2 log L / dt^2 = (4/3)^2 x (1 - x / w),

and the second derivatives cost one more number per edge and pattern.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.jc69_gradient import BLOCK, SIZE, log_likelihood, rescale_up, sum_last_row, upward_pass
from vbpi_mix.felsenstein.cpu.scaling import UNSCALED_LIMIT

__all__ = ["BLOCK", "SIZE", "diagonal_kernel"]

_R1, _R2, _R3, _R4 = BLOCK, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK


@kernel(inner=True, early=True, fastmath=True)
def _split(
    work_u: np.ndarray, work_l: np.ndarray, work_r: np.ndarray, node_u: int, node_l: int, node_r: int,
    e_left: float, a_left: float, e_right: float, a_right: float, inverse: np.ndarray,
) -> tuple[float, float, float, float]:  # fmt: skip
    """As in `jc69_gradient`, with the sums of x^2 / w besides those of x."""
    up, left, right = work_u[node_u], work_l[node_l], work_r[node_r]
    l_sum = r_sum = l_square = r_square = 0.0
    for p in range(BLOCK):
        u0, u1, u2, u3 = up[p], up[_R1 + p], up[_R2 + p], up[_R3 + p]
        l0, l1, l2, l3 = u0 * right[p], u1 * right[_R1 + p], u2 * right[_R2 + p], u3 * right[_R3 + p]
        r0, r1, r2, r3 = u0 * left[p], u1 * left[_R1 + p], u2 * left[_R2 + p], u3 * left[_R3 + p]
        l_total = (l0 + l1) + (l2 + l3)
        r_total = (r0 + r1) + (r2 + r3)
        l_x = l_total * left[_R4 + p]
        r_x = r_total * right[_R4 + p]
        l_sum += l_x
        r_sum += r_x
        l_square += l_x * l_x * inverse[p]
        r_square += r_x * r_x * inverse[p]
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
    return l_sum, r_sum, l_square, r_square


@kernel(inner=True, early=True, fastmath=True)
def _sum_last_squares(work: np.ndarray, i: int, inverse: np.ndarray) -> float:
    node = work[i]
    total = 0.0
    for p in range(BLOCK):
        total += node[_R4 + p] * node[_R4 + p] * inverse[p]
    return total


@kernel(inner=True)
def inverses(weights: np.ndarray, inverse: np.ndarray, root: np.ndarray, inverse_root: np.ndarray) -> None:
    """1 / w, sqrt(w) and 1 / sqrt(w) of pattern weights w; all zero where w is."""
    for p in range(BLOCK):
        positive = weights[p] > 0.0
        inverse[p] = 1.0 / weights[p] if positive else 0.0
        root[p] = np.sqrt(weights[p])
        inverse_root[p] = 1.0 / root[p] if positive else 0.0


@kernel(inner=True)
def edge_factors(lengths: np.ndarray, e: np.ndarray, a: np.ndarray) -> None:
    for edge in range(len(lengths)):
        exponent = -4.0 / 3.0 * lengths[edge]
        e[edge] = np.exp(exponent)
        a[edge] = -0.25 * np.expm1(exponent)


@kernel(inner=True)
def upward_in_range(children: np.ndarray, states: np.ndarray, weights: np.ndarray, e: np.ndarray, a: np.ndarray,
                     work: np.ndarray, steps: np.ndarray) -> tuple[float, bool]:  # fmt: skip
    """Messages as `jc69_gradient.upward_pass` leaves them; the log-likelihood, and whether they had to be scaled."""
    scaled = False
    if upward_pass(children, states, weights, e, a, work, steps, False) < UNSCALED_LIMIT:
        scaled = True
        upward_pass(children, states, weights, e, a, work, steps, True)
    return log_likelihood(work[2 * states.shape[0] - 3][_R4:], weights, steps), scaled


@kernel()
def diagonal_kernel(
    lengths: np.ndarray,
    children: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    work: np.ndarray,
    values: np.ndarray,
    gradient: np.ndarray,
    diagonal: np.ndarray,
) -> None:
    """Log-likelihoods with first and second derivatives in each branch length, of some trees on some patterns.

    Arguments:
        lengths: (T, E) branch lengths, finite and >= 0.
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        work: (2N-1, SIZE) float64, overwritten.
        values: (T,) output, written at `trees`; -inf where a site likelihood is zero.
        gradient: (T, E) output, written at `trees`; without meaning where the value is -inf.
        diagonal: (T, E) output, likewise.
    """
    n = states.shape[1]
    n_edges = 2 * n - 3
    e = np.empty(n_edges)
    a = np.empty(n_edges)
    sums = np.empty(n_edges)
    squares = np.empty(n_edges)
    steps = work[2 * n - 2][:BLOCK]
    rows = np.empty((3, BLOCK))
    inverse = rows[0]
    total_weight = 0.0
    for b in range(blocks[0], blocks[1]):
        for p in range(BLOCK):
            total_weight += weights[b, p]
    for t in range(trees[0], trees[1]):
        edge_factors(lengths[t], e, a)
        sums[:] = 0.0
        squares[:] = 0.0
        values[t] = 0.0
        for b in range(blocks[0], blocks[1]):
            inverses(weights[b], inverse, rows[1], rows[2])
            value, scaled = upward_in_range(children[t], states[b], weights[b], e, a, work, steps)
            values[t] += value
            sums[0] += sum_last_row(work, 0)
            squares[0] += _sum_last_squares(work, 0, inverse)
            for i in range(n - 3, -1, -1):
                left: int = children[t, i, 0]
                right: int = children[t, i, 1]
                if scaled and i < n - 3:
                    rescale_up(work, work, work, n + i, left, right)
                l_sum, r_sum, l_square, r_square = _split(
                    work, work, work, n + i, left, right, e[left], a[left], e[right], a[right], inverse
                )
                sums[left] += l_sum
                sums[right] += r_sum
                squares[left] += l_square
                squares[right] += r_square
        for edge in range(n_edges):
            gradient[t, edge] = -4.0 / 3.0 * (total_weight - sums[edge])
            diagonal[t, edge] = 16.0 / 9.0 * (sums[edge] - squares[edge])
