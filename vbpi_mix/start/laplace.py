"""Weights of topologies with their branch lengths integrated out by Laplace's method."""

import math
from dataclasses import dataclass

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.lengths import OptimisedLengths, log_density

_STEP = 1e-4
_SMALLEST_EIGENVALUE = 1e-3


@dataclass(frozen=True, kw_only=True)
class LaplaceWeights:
    """Approximate log evidence of topologies.

    Arguments:
        log_weight: (T,) approximate log p(data | topology).
        log_precision: (T, E) log of the negative second derivative in each log branch length; NaN where the
            Hessian was not computed.
        exact_hessian: (T,) bool, whether it was.
    """

    log_weight: np.ndarray
    log_precision: np.ndarray
    exact_hessian: np.ndarray


def laplace_weights(
    model: PhyloModel,
    topologies: TopologyBatch,
    modes: OptimisedLengths,
    *,
    within: float = 10.0,
    at_most: int = 1000,
) -> LaplaceWeights:
    """Laplace's approximation in log branch lengths: mode + E/2 log(2 pi) - 1/2 log det(negative Hessian).

    The Hessian is computed for the topologies whose mode lies within `within` nats of the best (at most `at_most`
    of them, best first); the others get the mean correction of those, which is exact enough for topologies that
    weigh less than e^-within. Eigenvalues are floored at 0.001: a direction flatter than that counts as a width of
    32 units of log length, so that a nearly singular Hessian cannot make a topology arbitrarily heavy.

    Arguments:
        model: the target.
        topologies: T topologies.
        modes: their optimised lengths.
        within: see above, nats.
        at_most: see above.
    """
    n_trees, n_edges = modes.log_lengths.shape
    order = np.argsort(-modes.log_density, kind="stable")
    near = order[modes.log_density[order] >= modes.log_density[order[0]] - within][:at_most]
    correction = np.full(n_trees, np.nan)
    log_precision = np.full((n_trees, n_edges), np.nan)
    batch = max(1, 4096 // (2 * n_edges))
    for first in range(0, len(near), batch):
        rows = near[first : first + batch]
        hessian = negative_hessian(model, topologies[rows], modes.log_lengths[rows])
        eigenvalues = np.maximum(np.linalg.eigvalsh(hessian), _SMALLEST_EIGENVALUE)
        correction[rows] = 0.5 * (n_edges * math.log(2 * math.pi) - np.log(eigenvalues).sum(axis=1))
        diagonal = np.diagonal(hessian, axis1=1, axis2=2)
        log_precision[rows] = np.log(np.maximum(diagonal, _SMALLEST_EIGENVALUE))
    exact = np.isfinite(correction)
    correction[~exact] = correction[exact].mean()
    return LaplaceWeights(log_weight=modes.log_density + correction, log_precision=log_precision, exact_hessian=exact)


def negative_hessian(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> np.ndarray:
    """(T, E, E) negative Hessian of `log_density` in x, by central differences of the analytic gradient."""
    n_trees, n_edges = x.shape
    shift = _STEP * np.eye(n_edges)
    points = np.concatenate([x[:, None] + shift, x[:, None] - shift], axis=1).reshape(-1, n_edges)
    repeated = topologies[np.repeat(np.arange(n_trees), 2 * n_edges)]
    _, gradient = log_density(model, repeated, points)
    gradient = gradient.reshape(n_trees, 2, n_edges, n_edges)
    hessian = (gradient[:, 1] - gradient[:, 0]) / (2 * _STEP)
    return 0.5 * (hessian + hessian.transpose(0, 2, 1))
