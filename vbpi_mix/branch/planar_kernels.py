"""Compiled forward, backward and inverse passes of `flow_reference.planar`.

Legend: T trees, E edges, L layers, n features of an edge; `weights` (E, 2 L) of one tree: w of every layer, then u.
"""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.row_table import slot_of

_LOG = math.log(math.e - 1.0)
_N_HALVINGS = 60


@kernel(inner=True)
def _gather(ids: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> None:
    weights[:] = 0.0
    for e in range(ids.shape[0]):
        for f in range(ids.shape[1]):
            if ids[e, f] >= 0:
                for j in range(weights.shape[1]):
                    weights[e, j] += rows[ids[e, f], j]


@kernel(inner=True)
def _products(weights: np.ndarray, layer: int, x: np.ndarray) -> tuple[float, float, float, float, float]:
    """w . u, m(w . u), |w|^2, the factor of w in v, and w . x."""
    n_layers = weights.shape[1] // 2
    product, norm, along = 0.0, 0.0, 0.0
    for e in range(len(x)):
        w = weights[e, layer]
        product += w * weights[e, n_layers + layer]
        norm += w * w
        along += w * x[e]
    shifted = product + _LOG
    bounded = max(shifted, 0.0) + math.log1p(math.exp(-abs(shifted))) - 1.0
    factor = (bounded - product) / norm if norm > 0.0 else 0.0
    return product, bounded, norm, factor, along


@kernel()
def forward(
    x: np.ndarray, ids: np.ndarray, rows: np.ndarray, bias: np.ndarray, out: np.ndarray, log_det: np.ndarray,
    before: np.ndarray,
) -> None:  # fmt: skip
    """x (T, E) -> `out` (T, E), `log_det` (T,), and `before` (T, L, E), the input of each layer."""
    n_layers = len(bias)
    weights = np.empty((x.shape[1], 2 * n_layers))
    for t in range(len(x)):
        _gather(ids[t], rows, weights)
        z = out[t]
        z[:] = x[t]
        total = 0.0
        for layer in range(n_layers):
            before[t, layer] = z
            _, bounded, _, factor, along = _products(weights, layer, z)
            h = math.tanh(along + bias[layer])
            total += math.log1p((1.0 - h * h) * bounded)
            for e in range(len(z)):
                z[e] += (weights[e, n_layers + layer] + factor * weights[e, layer]) * h
        log_det[t] = total


@kernel()
def backward(
    ids: np.ndarray, rows: np.ndarray, bias: np.ndarray, before: np.ndarray, of_out: np.ndarray, of_log_det: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], of_bias: np.ndarray, of_x: np.ndarray,
) -> None:  # fmt: skip
    """Derivatives of sum(of_out * out) + sum(of_log_det * log_det).

    Those of the table are added to `gradient` (`RowGradient.arrays`); `of_bias` (L,) and `of_x` (T, E) overwritten.
    """
    n_trees, n_layers, n_edges = before.shape
    values = gradient[0]
    weights = np.empty((n_edges, 2 * n_layers))
    slopes = np.empty((n_edges, 2 * n_layers))
    of_bias[:] = 0.0
    of_x[:] = of_out
    for t in range(n_trees):
        _gather(ids[t], rows, weights)
        for layer in range(n_layers - 1, -1, -1):
            z = before[t, layer]
            product, bounded, norm, factor, along = _products(weights, layer, z)
            h = math.tanh(along + bias[layer])
            q = 1.0 - h * h
            of_product = of_log_det[t] / (1.0 + q * bounded)
            of_bounded, of_h, of_factor = of_product * q, -2.0 * h * of_product * bounded, 0.0
            for e in range(n_edges):
                w = weights[e, layer]
                of_h += of_x[t, e] * (weights[e, n_layers + layer] + factor * w)
                of_factor += of_x[t, e] * h * w
            of_norm = 0.0
            of_product = 0.0
            if norm > 0.0:
                of_bounded += of_factor / norm
                of_product = -of_factor / norm
                of_norm = -of_factor * factor / norm
            of_product += of_bounded / (1.0 + math.exp(-product - _LOG))
            of_along = of_h * q
            of_bias[layer] += of_along
            for e in range(n_edges):
                w, u, g = weights[e, layer], weights[e, n_layers + layer], of_x[t, e]
                slopes[e, layer] = g * h * factor + of_product * u + 2.0 * of_norm * w + of_along * z[e]
                slopes[e, n_layers + layer] = g * h + of_product * w
                of_x[t, e] += of_along * w
        for e in range(n_edges):
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    slot = slot_of(ids[t, e, f], gradient)
                    for j in range(2 * n_layers):
                        values[slot, j] += slopes[e, j]


@kernel()
def inverse(
    y: np.ndarray, ids: np.ndarray, rows: np.ndarray, bias: np.ndarray, out: np.ndarray, log_det: np.ndarray
) -> None:
    """y (T, E) -> `out` (T, E) with forward(out) = y up to rounding, `log_det` (T,) of the forward map there.

    A layer moves x along one vector only, so its inverse is one increasing equation in a = w . x,
    a + m(w . u) tanh(a + b) = w . y: halving of an interval that holds the root, then Newton's method.
    """
    n_layers = len(bias)
    weights = np.empty((y.shape[1], 2 * n_layers))
    for t in range(len(y)):
        _gather(ids[t], rows, weights)
        z = out[t]
        z[:] = y[t]
        total = 0.0
        for layer in range(n_layers - 1, -1, -1):
            _, bounded, _, factor, target = _products(weights, layer, z)
            low, high = target - abs(bounded), target + abs(bounded)
            for _ in range(_N_HALVINGS):
                middle = 0.5 * (low + high)
                if middle + bounded * math.tanh(middle + bias[layer]) < target:
                    low = middle
                else:
                    high = middle
            a = 0.5 * (low + high)
            h = math.tanh(a + bias[layer])
            slope = 1.0 + (1.0 - h * h) * bounded
            if slope > 1e-8:
                a -= (a + bounded * h - target) / slope
                h = math.tanh(a + bias[layer])
            total += math.log1p((1.0 - h * h) * bounded)
            for e in range(len(z)):
                z[e] -= (weights[e, n_layers + layer] + factor * weights[e, layer]) * h
        log_det[t] = total
