"""Compiled products of the Hessian of the JC69 log-likelihood with one vector per tree.

The derivative of everything in `jc69_gradient` along a direction: beside each message m its derivative, beside each
outside message U (times w / (4 L)) its own, both by one pass. With s, the direction times -4/3,

    m' = e v' + a sum(v') + s (m - sum(v) / 4),    U' = e O' + a sum(O') + s (U - sum(O) / 4),

where v' and O' follow from the product rule, and at the top node O is divided by L, whose derivative is known there.
Row 4 of a node is the sum of its partial likelihoods or of its outside message, and that of the derivative.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.jc69_diagonal import edge_factors, upward_in_range
from vbpi_mix.felsenstein.cpu.jc69_gradient import BLOCK, rescale_up
from vbpi_mix.felsenstein.cpu.jc69_hessian import send_down, top_outside
from vbpi_mix.felsenstein.cpu.scaling import rescaling

_R1, _R2, _R3, _R4 = BLOCK, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK


@kernel(inner=True, early=True, fastmath=True)
def _tip_tangents(up: np.ndarray, tangents: np.ndarray, tip: int, s: float) -> None:
    message, out = up[tip], tangents[tip]
    for p in range(BLOCK):
        quarter = 0.25 * message[_R4 + p]
        out[p] = s * (message[p] - quarter)
        out[_R1 + p] = s * (message[_R1 + p] - quarter)
        out[_R2 + p] = s * (message[_R2 + p] - quarter)
        out[_R3 + p] = s * (message[_R3 + p] - quarter)
        out[_R4 + p] = 0.0


@kernel(inner=True, early=True, fastmath=True)
def _product(
    left: np.ndarray, left_tangent: np.ndarray, right: np.ndarray, right_tangent: np.ndarray, out: np.ndarray,
    scaled: bool,
) -> None:  # fmt: skip
    """Derivative of the product of two messages, in row 4 its sum."""
    for p in range(BLOCK):
        v0 = left_tangent[p] * right[p] + left[p] * right_tangent[p]
        v1 = left_tangent[_R1 + p] * right[_R1 + p] + left[_R1 + p] * right_tangent[_R1 + p]
        v2 = left_tangent[_R2 + p] * right[_R2 + p] + left[_R2 + p] * right_tangent[_R2 + p]
        v3 = left_tangent[_R3 + p] * right[_R3 + p] + left[_R3 + p] * right_tangent[_R3 + p]
        factor = 1.0
        if scaled:
            factor, _ = rescaling(
                max(
                    max(left[p] * right[p], left[_R1 + p] * right[_R1 + p]),
                    max(left[_R2 + p] * right[_R2 + p], left[_R3 + p] * right[_R3 + p]),
                )
            )
        out[p] = v0 * factor
        out[_R1 + p] = v1 * factor
        out[_R2 + p] = v2 * factor
        out[_R3 + p] = v3 * factor
        out[_R4 + p] = ((v0 + v1) + (v2 + v3)) * factor


@kernel(inner=True, early=True, fastmath=True)
def _pass_tangent(vectors: np.ndarray, message: np.ndarray, e: float, a: float, s: float) -> None:
    """In place e v + a sum(v) + s (m - sum / 4), with the sums of row 4 of both; row 4 stays."""
    for p in range(BLOCK):
        rest = a * vectors[_R4 + p] - 0.25 * s * message[_R4 + p]
        vectors[p] = e * vectors[p] + s * message[p] + rest
        vectors[_R1 + p] = e * vectors[_R1 + p] + s * message[_R1 + p] + rest
        vectors[_R2 + p] = e * vectors[_R2 + p] + s * message[_R2 + p] + rest
        vectors[_R3 + p] = e * vectors[_R3 + p] + s * message[_R3 + p] + rest


@kernel(inner=True, early=True, fastmath=True)
def _join_tangents(
    left: np.ndarray, right: np.ndarray, v_tangent: np.ndarray, tip: np.ndarray, tip_tangent: np.ndarray,
    outside: np.ndarray, out: np.ndarray,
) -> float:  # fmt: skip
    """Derivative of the outside message of the top node; returns the sum over patterns of x' of edge 0.

    `outside` is the message of tip 0 times w / (16 L).
    """
    result = 0.0
    for p in range(BLOCK):
        v0 = left[p] * right[p]
        v1 = left[_R1 + p] * right[_R1 + p]
        v2 = left[_R2 + p] * right[_R2 + p]
        v3 = left[_R3 + p] * right[_R3 + p]
        likelihood = (v0 * tip[p] + v1 * tip[_R1 + p]) + (v2 * tip[_R2 + p] + v3 * tip[_R3 + p])
        change = (
            (v0 * tip_tangent[p] + v1 * tip_tangent[_R1 + p])
            + (v2 * tip_tangent[_R2 + p] + v3 * tip_tangent[_R3 + p])
            + (v_tangent[p] * tip[p] + v_tangent[_R1 + p] * tip[_R1 + p])
            + (v_tangent[_R2 + p] * tip[_R2 + p] + v_tangent[_R3 + p] * tip[_R3 + p])
        ) / likelihood
        # the sum of the tip's partial likelihoods is that of its message
        sum_tip = (tip[p] + tip[_R1 + p]) + (tip[_R2 + p] + tip[_R3 + p])
        share = outside[_R4 + p] / sum_tip
        result += outside[_R4 + p] * (v_tangent[_R4 + p] - ((v0 + v1) + (v2 + v3)) * change)
        out[p] = share * (tip_tangent[p] - tip[p] * change)
        out[_R1 + p] = share * (tip_tangent[_R1 + p] - tip[_R1 + p] * change)
        out[_R2 + p] = share * (tip_tangent[_R2 + p] - tip[_R2 + p] * change)
        out[_R3 + p] = share * (tip_tangent[_R3 + p] - tip[_R3 + p] * change)
        out[_R4 + p] = 0.0
    return result


@kernel(inner=True, early=True, fastmath=True)
def _dot_last(x: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for p in range(_R4, _R4 + BLOCK):
        total += x[p] * y[p]
    return total


@kernel(inner=True)
def _upward_tangents(children: np.ndarray, e: np.ndarray, a: np.ndarray, s: np.ndarray, up: np.ndarray,
                     up_tangents: np.ndarray, scaled: bool) -> None:  # fmt: skip
    n: int = children.shape[0] + 2
    for i in range(n):
        _tip_tangents(up, up_tangents, i, s[i])
    for i in range(n - 2):
        left: int = children[i, 0]
        right: int = children[i, 1]
        below_top = i < n - 3
        _product(up[left], up_tangents[left], up[right], up_tangents[right], up_tangents[n + i], scaled and below_top)
        if below_top:
            _pass_tangent(up_tangents[n + i], up[n + i], e[n + i], a[n + i], s[n + i])


@kernel(inner=True)
def _downward_tangents(children: np.ndarray, e: np.ndarray, a: np.ndarray, s: np.ndarray, up: np.ndarray,
                       up_tangents: np.ndarray, out: np.ndarray, out_tangents: np.ndarray, scaled: bool,
                       result: np.ndarray) -> None:  # fmt: skip
    n: int = children.shape[0] + 2
    for i in range(n - 3, -1, -1):
        node = n + i
        if scaled and i < n - 3:
            left: int = children[i, 0]
            right: int = children[i, 1]
            rescale_up(out, up, up, node, left, right)
            rescale_up(out_tangents, up, up, node, left, right)
        for side in range(2):
            child: int = children[i, side]
            sibling: int = children[i, 1 - side]
            send_down(out, up, out, node, sibling, child, e[child], a[child])
            _product(out[node], out_tangents[node], up[sibling], up_tangents[sibling], out_tangents[child], False)
            result[child] += _dot_last(out_tangents[child], up[child]) + _dot_last(out[child], up_tangents[child])
            _pass_tangent(out_tangents[child], out[child], e[child], a[child], s[child])


@kernel()
def hessian_vector_kernel(
    lengths: np.ndarray,
    vectors: np.ndarray,
    children: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    trees: tuple[int, int],
    blocks: tuple[int, int],
    up: np.ndarray,
    up_tangents: np.ndarray,
    out: np.ndarray,
    out_tangents: np.ndarray,
    values: np.ndarray,
    products: np.ndarray,
) -> None:
    """Log-likelihoods and products of their Hessians with vectors, of some trees on some blocks of patterns.

    Arguments:
        lengths: (T, E) branch lengths, finite and >= 0.
        vectors: (T, E), finite.
        children: (T, N-2, 2) int64, as in `phylo.TopologyBatch`.
        states: (B, N, BLOCK) uint8 state sets; the last block filled up with 15.
        weights: (B, BLOCK) float64 >= 0; zero where filled up.
        trees: first tree and the one after the last.
        blocks: first block and the one after the last.
        up: (2N-1, SIZE) float64, as the following three overwritten.
        up_tangents: (2N-1, SIZE).
        out: (2N-1, SIZE).
        out_tangents: (2N-1, SIZE).
        values: (T,) output, written at `trees`; -inf where a site likelihood is zero.
        products: (T, E) output, likewise; without meaning where the value is -inf.
    """
    n = states.shape[1]
    n_edges = 2 * n - 3
    top = 2 * n - 3
    e = np.empty(n_edges)
    a = np.empty(n_edges)
    s = np.empty(n_edges)
    result = np.empty(n_edges)
    steps = up[2 * n - 2][:BLOCK]
    for t in range(trees[0], trees[1]):
        edge_factors(lengths[t], e, a)
        for edge in range(n_edges):
            s[edge] = -4.0 / 3.0 * vectors[t, edge]
            result[edge] = 0.0
        values[t] = 0.0
        for b in range(blocks[0], blocks[1]):
            value, scaled = upward_in_range(children[t], states[b], weights[b], e, a, up, steps)
            values[t] += value
            if values[t] == -np.inf:
                break
            # row 4 of tip 0 is no longer the sum that the derivative of its message needs
            for p in range(BLOCK):
                up[0, _R4 + p] = (up[0, p] + up[0, _R1 + p]) + (up[0, _R2 + p] + up[0, _R3 + p])
            _upward_tangents(children[t], e, a, s, up, up_tangents, scaled)
            top_outside(up, out, top)
            left, right = children[t, n - 3, 0], children[t, n - 3, 1]
            result[0] += _join_tangents(
                up[left], up[right], up_tangents[top], up[0], up_tangents[0], out[top], out_tangents[top]
            )
            _downward_tangents(children[t], e, a, s, up, up_tangents, out, out_tangents, scaled, result)
        for edge in range(n_edges):
            products[t, edge] = 4.0 / 3.0 * result[edge]
