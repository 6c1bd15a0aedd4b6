"""Compiled forward and backward passes of `branch.reference`, one call per step for all trees and components."""

import math

import numpy as np

from vbpi_mix.compiled import kernel

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@kernel(inline=True)
def _edge(table: np.ndarray, ids: np.ndarray) -> tuple[float, float]:
    """Location and log-scale of one edge: table (F, 2), ids (3,)."""
    location = 0.0
    log_scale = 0.0
    for f in range(ids.shape[0]):
        if ids[f] >= 0:
            location += table[ids[f], 0]
            log_scale += table[ids[f], 1]
    return location, log_scale


@kernel(inline=True)
def _scatter(gradient: np.ndarray, ids: np.ndarray, location: float, log_scale: float) -> None:
    for f in range(ids.shape[0]):
        if ids[f] >= 0:
            gradient[ids[f], 0] += location
            gradient[ids[f], 1] += log_scale


@kernel()
def draw_forward(table: np.ndarray, ids: np.ndarray, component: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """(T, E) log lengths: table (A, F, 2), ids (T, E, 3), component (T,), noise (T, E)."""
    n_trees, n_edges = noise.shape
    out = np.empty((n_trees, n_edges))
    for t in range(n_trees):
        for e in range(n_edges):
            location, log_scale = _edge(table[component[t]], ids[t, e])
            out[t, e] = location + math.exp(log_scale) * noise[t, e]
    return out


@kernel()
def draw_backward(
    table: np.ndarray, ids: np.ndarray, component: np.ndarray, noise: np.ndarray, grad_out: np.ndarray
) -> np.ndarray:
    """(A, F, 2) gradient of sum(grad_out * draw)."""
    gradient = np.zeros_like(table)
    n_trees, n_edges = noise.shape
    for t in range(n_trees):
        for e in range(n_edges):
            _, log_scale = _edge(table[component[t]], ids[t, e])
            g = grad_out[t, e]
            _scatter(gradient[component[t]], ids[t, e], g, g * math.exp(log_scale) * noise[t, e])
    return gradient


@kernel()
def log_prob_forward(table: np.ndarray, ids: np.ndarray, components: np.ndarray, z: np.ndarray) -> np.ndarray:
    """(M, T) log-densities of z (T, E) under components (M,)."""
    n_trees, n_edges = z.shape
    out = np.empty((len(components), n_trees))
    for m in range(len(components)):
        for t in range(n_trees):
            total = -n_edges * _HALF_LOG_2PI
            for e in range(n_edges):
                location, log_scale = _edge(table[components[m]], ids[t, e])
                residual = (z[t, e] - location) * math.exp(-log_scale)
                total -= 0.5 * residual * residual + log_scale
            out[m, t] = total
    return out


@kernel()
def log_prob_backward(
    table: np.ndarray, ids: np.ndarray, components: np.ndarray, z: np.ndarray, grad_out: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradients (A, F, 2) in the table and (T, E) in z of sum(grad_out * log_prob), grad_out (M, T)."""
    grad_table = np.zeros_like(table)
    grad_z = np.zeros_like(z)
    n_trees, n_edges = z.shape
    for m in range(len(components)):
        for t in range(n_trees):
            g = grad_out[m, t]
            for e in range(n_edges):
                location, log_scale = _edge(table[components[m]], ids[t, e])
                precision = math.exp(-log_scale)
                residual = (z[t, e] - location) * precision
                slope = g * residual * precision
                grad_z[t, e] -= slope
                _scatter(grad_table[components[m]], ids[t, e], slope, g * (residual * residual - 1.0))
    return grad_table, grad_z
