"""Compiled passes, forward and inverse, and their derivatives, of `flow_reference.skew`.

Legend: T trees, E edges, n features of an edge, F features; rows (F, 1) of log skewness.
"""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.row_table import slot_of

_MOST_STEPS = 100


@kernel(inline=True)
def _skewness(ids: np.ndarray, rows: np.ndarray) -> float:
    total = 0.0
    for f in range(len(ids)):
        if ids[f] >= 0:
            total += rows[ids[f], 0]
    return math.exp(total)


@kernel(inline=True)
def _bend(x: float, a: float) -> tuple[float, float, float, float]:
    """sqrt(1 + x^2), h, y and dy/dx; h = (sqrt(1 + x^2) - x) / 2 without loss of digits at large x."""
    root = math.sqrt(1.0 + x * x)
    h = 0.5 * (root - x) if x < 0.0 else 0.5 / (root + x)
    full = 1.0 + 0.5 * a
    return root, h, (x - a * (h * h - 0.25)) / full, (1.0 + 2.0 * a * h * h / root) / full


@kernel()
def forward(x: np.ndarray, ids: np.ndarray, rows: np.ndarray, out: np.ndarray, log_det: np.ndarray) -> None:
    """x (T, E) -> `out` (T, E), `log_det` (T,); ids (T, E, n)."""
    for t in range(len(x)):
        total = 0.0
        for e in range(x.shape[1]):
            _, _, out[t, e], slope = _bend(x[t, e], _skewness(ids[t, e], rows))
            total += math.log(slope)
        log_det[t] = total


@kernel()
def inverse(y: np.ndarray, ids: np.ndarray, rows: np.ndarray, out: np.ndarray, log_det: np.ndarray) -> None:
    """y (T, E) -> `out` (T, E) with forward(out) = y, `log_det` (T,) of the forward map there.

    The map is increasing and concave, so Newton's method from the left of the root never passes it.
    """
    for t in range(len(y)):
        total = 0.0
        for e in range(y.shape[1]):
            a = _skewness(ids[t, e], rows)
            x = y[t, e] * (1.0 + 0.5 * a) - 0.25 * a
            _, _, value, slope = _bend(x, a)
            for _ in range(_MOST_STEPS):
                step = (y[t, e] - value) / slope
                x += step
                _, _, value, slope = _bend(x, a)
                if abs(step) <= 1e-15 * (1.0 + abs(x)):
                    break
            out[t, e] = x
            total += math.log(slope)
        log_det[t] = total


@kernel()
def backward(
    x: np.ndarray, ids: np.ndarray, rows: np.ndarray, inverted: bool, of_out: np.ndarray, of_log_det: np.ndarray,
    gradient: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], of_in: np.ndarray,
) -> None:  # fmt: skip
    """Derivatives of sum(of_out * out) + sum(of_log_det * log_det).

    Arguments:
        x: (T, E) the lower end of the map: the argument of `forward`, the result of `inverse`.
        ids: (T, E, n).
        rows: (F, 1).
        inverted: whether the pass was `inverse`.
        of_out: (T, E).
        of_log_det: (T,).
        gradient: `RowGradient.arrays`, added to.
        of_in: (T, E) overwritten.
    """
    values = gradient[0]
    for t in range(len(x)):
        for e in range(x.shape[1]):
            a = _skewness(ids[t, e], rows)
            root, h, y, slope = _bend(x[t, e], a)
            full = 1.0 + 0.5 * a
            bent = 1.0 + 2.0 * a * h * h / root
            # in x and in a: of log slope = log bent - log full, and of y
            log_slope_x = -2.0 * a * h * h / root**2 * (2.0 + x[t, e] / root) / bent
            log_slope_a = 2.0 * h * h / root / bent - 0.5 / full
            y_a = (0.25 - h * h - 0.5 * y) / full
            if inverted:  # x is the function now: dx = (dy - y_a da) / slope
                of_x = of_out[t, e] + of_log_det[t] * log_slope_x
                of_in[t, e] = of_x / slope
                of_a = of_log_det[t] * log_slope_a - of_x / slope * y_a
            else:
                of_in[t, e] = of_out[t, e] * slope + of_log_det[t] * log_slope_x
                of_a = of_log_det[t] * log_slope_a + of_out[t, e] * y_a
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    values[slot_of(ids[t, e, f], gradient), 0] += of_a * a
