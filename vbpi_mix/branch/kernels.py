"""Compiled forward and backward passes of `branch.reference`, one call per step for all trees and components.

Legend: A components, M evaluated ones, T trees, E edges, F features, n features of an edge. The table is stored as
rows (F, 2, A), and components are the innermost loop.
"""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.row_table import slot_of

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@kernel(inline=True)
def _own(rows: np.ndarray, ids: np.ndarray, a: int) -> tuple[float, float]:
    """Location and log-scale of one edge, ids (n,), under component a."""
    location = 0.0
    log_scale = 0.0
    for f in range(ids.shape[0]):
        if ids[f] >= 0:
            location += rows[ids[f], 0, a]
            log_scale += rows[ids[f], 1, a]
    return location, log_scale


@kernel()
def draw_forward(rows: np.ndarray, ids: np.ndarray, component: np.ndarray, noise: np.ndarray, out: np.ndarray) -> None:
    """`out` (T, E) log lengths: rows (F, 2, A), ids (T, E, n), component (T,), noise (T, E)."""
    n_trees, n_edges = noise.shape
    for t in range(n_trees):
        for e in range(n_edges):
            location, log_scale = _own(rows, ids[t, e], component[t])
            out[t, e] = location + math.exp(log_scale) * noise[t, e]


@kernel()
def frame(
    centre_rows: np.ndarray, log_scale_rows: np.ndarray, ids: np.ndarray, centre: np.ndarray, scale: np.ndarray
) -> None:
    """`centre` and `scale` (T, E): sums of rows (F,), and the exponentials of sums, over an edge's ids (T, E, n)."""
    for t in range(ids.shape[0]):
        for e in range(ids.shape[1]):
            c, log_scale = 0.0, 0.0
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    c += centre_rows[ids[t, e, f]]
                    log_scale += log_scale_rows[ids[t, e, f]]
            centre[t, e], scale[t, e] = c, math.exp(log_scale)


@kernel()
def draw_backward(
    rows: np.ndarray, ids: np.ndarray, component: np.ndarray, noise: np.ndarray, upstream: np.ndarray, gradient: Arrays
) -> None:
    """Add the derivative of sum(upstream * draw) in the rows to `gradient` (`RowGradient.arrays`, width 2 A)."""
    n_trees, n_edges = noise.shape
    n_components = rows.shape[2]
    values = gradient[0]
    for t in range(n_trees):
        a = component[t]
        for e in range(n_edges):
            _, log_scale = _own(rows, ids[t, e], a)
            g = upstream[t, e]
            of_scale = g * math.exp(log_scale) * noise[t, e]
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    slot = slot_of(ids[t, e, f], gradient)
                    values[slot, a] += g
                    values[slot, n_components + a] += of_scale


@kernel()
def log_prob_forward(
    rows: np.ndarray, ids: np.ndarray, components: np.ndarray, z: np.ndarray, out: np.ndarray, kept: np.ndarray
) -> None:
    """`out` (M, T) log-densities of z (T, E) under components (M,).

    `kept` (2, T, E, M) for the backward pass: standardised residuals and precisions (inverse scales).
    """
    n_trees, n_edges = z.shape
    n = len(components)
    location, log_scale, total = np.empty(n), np.empty(n), np.empty(n)
    for t in range(n_trees):
        total[:] = -n_edges * _HALF_LOG_2PI
        for e in range(n_edges):
            location[:] = 0.0
            log_scale[:] = 0.0
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    row = rows[ids[t, e, f]]
                    for m in range(n):
                        location[m] += row[0, components[m]]
                        log_scale[m] += row[1, components[m]]
            for m in range(n):
                precision = math.exp(-log_scale[m])
                residual = (z[t, e] - location[m]) * precision
                kept[0, t, e, m], kept[1, t, e, m] = residual, precision
                total[m] -= 0.5 * residual * residual + log_scale[m]
        for m in range(n):
            out[m, t] = total[m]


@kernel()
def log_prob_backward(
    ids: np.ndarray, components: np.ndarray, n_components: int, kept: np.ndarray, upstream: np.ndarray,
    gradient: Arrays, of_z: np.ndarray,
) -> None:  # fmt: skip
    """Derivatives of sum(upstream * log_prob), upstream (M, T).

    That in the rows is added to `gradient` (`RowGradient.arrays`, width 2 A); `of_z` (T, E) is overwritten.
    """
    _, n_trees, n_edges, n = kept.shape
    values = gradient[0]
    weight, slope, of_scale = np.empty(n), np.empty(n), np.empty(n)
    for t in range(n_trees):
        for m in range(n):
            weight[m] = upstream[m, t]
        for e in range(n_edges):
            total = 0.0
            for m in range(n):
                residual = kept[0, t, e, m]
                slope[m] = weight[m] * residual * kept[1, t, e, m]
                of_scale[m] = weight[m] * (residual * residual - 1.0)
                total -= slope[m]
            of_z[t, e] = total
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    row = values[slot_of(ids[t, e, f], gradient)]
                    for m in range(n):
                        row[components[m]] += slope[m]
                        row[n_components + components[m]] += of_scale[m]


@kernel()
def log_prob_slopes(kept: np.ndarray, upstream: np.ndarray, of_z: np.ndarray) -> None:
    """`of_z` (T, E): derivatives of sum(upstream * log_prob) in the lengths alone, upstream (M, T)."""
    _, n_trees, n_edges, n = kept.shape
    for t in range(n_trees):
        for e in range(n_edges):
            total = 0.0
            for m in range(n):
                total -= upstream[m, t] * kept[0, t, e, m] * kept[1, t, e, m]
            of_z[t, e] = total


@kernel()
def own_log_prob_forward(
    rows: np.ndarray, ids: np.ndarray, component: np.ndarray, z: np.ndarray, out: np.ndarray, kept: np.ndarray
) -> None:
    """`out` (T,) log-density of z (T, E), each tree under one component (T,); `kept` (2, T, E) as in
    `log_prob_forward`.
    """
    n_trees, n_edges = z.shape
    for t in range(n_trees):
        total = -n_edges * _HALF_LOG_2PI
        for e in range(n_edges):
            location, log_scale = _own(rows, ids[t, e], component[t])
            precision = math.exp(-log_scale)
            residual = (z[t, e] - location) * precision
            kept[0, t, e], kept[1, t, e] = residual, precision
            total -= 0.5 * residual * residual + log_scale
        out[t] = total


@kernel()
def own_log_prob_backward(
    ids: np.ndarray, component: np.ndarray, n_components: int, kept: np.ndarray, upstream: np.ndarray,
    gradient: Arrays, of_z: np.ndarray,
) -> None:  # fmt: skip
    """Derivatives of sum(upstream * own log_prob), upstream (T,); see `log_prob_backward`."""
    _, n_trees, n_edges = kept.shape
    values = gradient[0]
    for t in range(n_trees):
        for e in range(n_edges):
            residual = kept[0, t, e]
            slope = upstream[t] * residual * kept[1, t, e]
            of_z[t, e] = -slope
            for f in range(ids.shape[2]):
                if ids[t, e, f] >= 0:
                    row = values[slot_of(ids[t, e, f], gradient)]
                    row[component[t]] += slope
                    row[n_components + component[t]] += upstream[t] * (residual * residual - 1.0)
