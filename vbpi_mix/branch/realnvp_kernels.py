"""Compiled passes, forward and inverse, and their derivatives, of `flow_reference.realnvp`.

Legend: T trees, E edges, N taxa, L layers, H hidden units, B flows, F features, W numbers in a row. The table may be in
single precision; everything else is computed in double. Layers are the outer loop, trees the inner one: the part of
the rows that a layer uses then stays in the cache for all trees.
"""

import math

import numpy as np

from vbpi_mix.branch.flow_reference import SCALE_OFFSET
from vbpi_mix.compiled import kernel
from vbpi_mix.row_table import slot_of

_LOG_FULL = math.log1p(math.exp(-SCALE_OFFSET))  # minus log sigmoid(SCALE_OFFSET)
_FULL = 1.0 + math.exp(-SCALE_OFFSET)
_OFFSET = SCALE_OFFSET


@kernel(inner=True, fastmath=True)
def _hidden(
    x: np.ndarray,
    ids: np.ndarray,
    first: int,
    last: int,
    rows: np.ndarray,
    column: int,
    bias: np.ndarray,
    h: np.ndarray,
) -> None:
    """`h` (H,): activations from the edges first..last-1 of one tree; x (E,), ids (E, n)."""
    n_hidden = len(h)
    for j in range(n_hidden):
        h[j] = bias[j]
    for e in range(first, last):
        value = x[e]
        for f in range(ids.shape[1]):
            if ids[e, f] >= 0:
                row = rows[ids[e, f], column : column + n_hidden]
                for j in range(n_hidden):
                    h[j] += value * row[j]
    for j in range(n_hidden):
        if h[j] < 0.0:
            h[j] = math.expm1(h[j])


@kernel(inner=True, fastmath=True)
def _raw(ids: np.ndarray, rows: np.ndarray, column: int, h: np.ndarray, gain: float) -> tuple[float, float]:
    """Raw scale and shift of one edge, ids (n,)."""
    n_hidden = len(h)
    raw, shift = 0.0, 0.0
    for f in range(len(ids)):
        if ids[f] >= 0:
            row = rows[ids[f], column : column + 2 * n_hidden + 2]
            a, b = 0.0, 0.0
            for j in range(n_hidden):
                a += h[j] * row[j]
                b += h[j] * row[n_hidden + 1 + j]
            raw += a + row[n_hidden]
            shift += b + row[2 * n_hidden + 1]
    return raw * gain, shift * gain


@kernel()
def run(
    x: np.ndarray, ids: np.ndarray, flow_of_tree: np.ndarray, n_taxa: int, rows: np.ndarray, bias: np.ndarray,
    gain: float, inverse: bool, out: np.ndarray, log_det: np.ndarray, hidden: np.ndarray, scales: np.ndarray,
    before: np.ndarray,
) -> None:  # fmt: skip
    """x (T, E) -> `out` (T, E), and `log_det` (T,), in both directions that of the forward map.

    For the backward pass `hidden` (L, T, H), `scales` (L, T, E) the sigmoids, `before` (L, T, E) the values that a
    layer changes. The flow of tree t takes its rows by `ids` and its biases from bias[flow_of_tree[t]], bias (B, L, H).
    """
    n_trees, n_edges = x.shape
    _, n_layers, n_hidden = bias.shape
    outputs = (n_layers + 1) // 2 * n_hidden
    out[:] = x
    log_det[:] = 0.0
    for step in range(n_layers):
        layer = n_layers - 1 - step if inverse else step
        slot = layer // 2
        given = (0, n_taxa) if layer % 2 == 0 else (n_taxa, n_edges)
        changed = (n_taxa, n_edges) if layer % 2 == 0 else (0, n_taxa)
        for t in range(n_trees):
            h = hidden[layer, t]
            _hidden(out[t], ids[t], given[0], given[1], rows, slot * n_hidden, bias[flow_of_tree[t], layer], h)
            total = 0.0
            for e in range(changed[0], changed[1]):
                raw, shift = _raw(ids[t, e], rows, outputs + slot * 2 * (n_hidden + 1), h, gain)
                share = 1.0 / (1.0 + math.exp(-raw - _OFFSET))
                total += math.log(share)
                before[layer, t, e], scales[layer, t, e] = out[t, e], share
                if inverse:
                    out[t, e] = (out[t, e] - shift) / (share * _FULL)
                else:
                    out[t, e] = out[t, e] * (share * _FULL) + shift
            log_det[t] += total + (changed[1] - changed[0]) * _LOG_FULL


@kernel(inner=True, fastmath=True)
def _raw_backward(
    ids: np.ndarray, slots: np.ndarray, rows: np.ndarray, gradient: np.ndarray, column: int, h: np.ndarray,
    of_raw: float, of_shift: float, of_h: np.ndarray,
) -> None:  # fmt: skip
    n_hidden = len(h)
    for f in range(len(ids)):
        if ids[f] >= 0:
            row = rows[ids[f], column : column + 2 * n_hidden + 2]
            g = gradient[slots[f], column : column + 2 * n_hidden + 2]
            for j in range(n_hidden):
                g[j] += of_raw * h[j]
                g[n_hidden + 1 + j] += of_shift * h[j]
                of_h[j] += of_raw * row[j] + of_shift * row[n_hidden + 1 + j]
            g[n_hidden] += of_raw
            g[2 * n_hidden + 1] += of_shift


@kernel(inner=True, fastmath=True)
def _hidden_backward(
    ids: np.ndarray,
    slots: np.ndarray,
    rows: np.ndarray,
    gradient: np.ndarray,
    column: int,
    of_h: np.ndarray,
    value: float,
) -> float:
    """Adds to the rows' gradient; returns the derivative in the edge's value."""
    n_hidden = len(of_h)
    total = 0.0
    for f in range(len(ids)):
        if ids[f] >= 0:
            row = rows[ids[f], column : column + n_hidden]
            g = gradient[slots[f], column : column + n_hidden]
            part = 0.0
            for j in range(n_hidden):
                g[j] += value * of_h[j]
                part += of_h[j] * row[j]
            total += part
    return total


@kernel()
def backward(
    ids: np.ndarray, flow_of_tree: np.ndarray, n_taxa: int, rows: np.ndarray, gain: float, inverse: bool,
    out: np.ndarray, hidden: np.ndarray, scales: np.ndarray, before: np.ndarray, of_out: np.ndarray,
    of_log_det: np.ndarray, gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], of_bias: np.ndarray,
    of_x: np.ndarray,
) -> None:  # fmt: skip
    """Derivatives of sum(of_out * out) + sum(of_log_det * log_det), of_out (T, E), of_log_det (T,).

    Those of the table are added to `gradient` (`RowGradient.arrays`); `of_bias` (B, L, H) and `of_x` (T, E) are
    overwritten. `hidden`, `scales`, `before`, `out` are what `run` left.
    """
    n_trees, n_edges = out.shape
    n_layers, _, n_hidden = hidden.shape
    outputs = (n_layers + 1) // 2 * n_hidden
    values = gradient[0]
    slots = np.full(ids.shape, -1, dtype=np.int32)
    for t in range(n_trees):
        for e in range(n_edges):
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    slots[t, e, f] = slot_of(ids[t, e, f], gradient)
    of_bias[:] = 0.0
    of_x[:] = of_out
    state = out.copy()  # the values after the layer at hand, then before it
    of_h = np.empty(n_hidden)
    for step in range(n_layers):
        layer = step if inverse else n_layers - 1 - step
        slot = layer // 2
        into, out_of = slot * n_hidden, outputs + slot * 2 * (n_hidden + 1)
        given = (0, n_taxa) if layer % 2 == 0 else (n_taxa, n_edges)
        changed = (n_taxa, n_edges) if layer % 2 == 0 else (0, n_taxa)
        for t in range(n_trees):
            h = hidden[layer, t]
            of_h[:] = 0.0
            for e in range(changed[0], changed[1]):
                share, upstream = scales[layer, t, e], of_x[t, e]
                scale = share * _FULL
                if inverse:  # out = (before - shift) / scale
                    of_shift = -upstream / scale
                    of_log_scale = of_log_det[t] - upstream * state[t, e]
                    of_x[t, e] = -of_shift
                else:
                    of_shift = upstream
                    of_log_scale = of_log_det[t] + upstream * before[layer, t, e] * scale
                    of_x[t, e] = upstream * scale
                state[t, e] = before[layer, t, e]
                of_raw = of_log_scale * (1.0 - share)
                _raw_backward(ids[t, e], slots[t, e], rows, values, out_of, h, of_raw * gain, of_shift * gain, of_h)
            for j in range(n_hidden):
                if h[j] < 0.0:
                    of_h[j] *= h[j] + 1.0
                of_bias[flow_of_tree[t], layer, j] += of_h[j]
            for e in range(given[0], given[1]):
                of_x[t, e] += _hidden_backward(ids[t, e], slots[t, e], rows, values, into, of_h, state[t, e])
