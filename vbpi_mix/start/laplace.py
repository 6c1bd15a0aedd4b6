"""Weights of topologies with their branch lengths integrated out by Laplace's method."""

import math
from dataclasses import dataclass

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import negative_hessian
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.lengths import OptimisedLengths

_SMALLEST_EIGENVALUE = 1e-3
# a pivot of Cholesky's decomposition below this makes an eigenvalue below the floor thinkable
_FLAT_PIVOT = 0.1
_POINTS = 4096  # evaluated at a time


@dataclass(frozen=True, kw_only=True)
class LaplaceWeights:
    """Approximate log marginal likelihood of topologies.

    Arguments:
        log_weight: (T,) approximate log p(data | topology).
        log_precision: (T, E) log of the negative second derivative in each log branch length; NaN where the
            Hessian was not computed.
        exact_hessian: (T,) bool, whether it was.
    """

    log_weight: np.ndarray
    log_precision: np.ndarray
    exact_hessian: np.ndarray

    def take(self, index: np.ndarray) -> "LaplaceWeights":
        """Values of some of the topologies."""
        return LaplaceWeights(
            log_weight=self.log_weight[index],
            log_precision=self.log_precision[index],
            exact_hessian=self.exact_hessian[index],
        )


def laplace_weights(
    model: PhyloModel,
    topologies: TopologyBatch,
    modes: OptimisedLengths,
    *,
    within: float = 12.0,
    at_most: int = 20_000,
) -> LaplaceWeights:
    """Laplace's approximation in log branch lengths: mode + E/2 log(2 pi) - 1/2 log det(negative Hessian).

    The Hessian is computed for the topologies whose mode lies within `within` nats of the best (at most `at_most`
    of them, best first). The others get the value that counts of substitutions give (`counted_correction`), shifted
    by its mean error over those: within about 0.2 nats. Eigenvalues are floored at 0.001: a direction flatter than
    that counts as a width of 32 units of log length, so that a nearly singular Hessian cannot make a topology
    arbitrarily heavy. A length that goes to zero needs no other guard: there the density in x = log b is that of
    log b under an exponential distribution, whose second derivative at its mode is -1.

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
    correction[near], log_precision[near] = curvature(model, topologies[near], modes.log_lengths[near])
    exact = np.isfinite(correction)
    counted = counted_correction(model, modes.log_lengths)
    correction[~exact] = counted[~exact] + (correction - counted)[exact].mean()
    return LaplaceWeights(log_weight=modes.log_density + correction, log_precision=log_precision, exact_hessian=exact)


def curvature(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) Laplace's correction of the log density at the mode x (T, E), and (T, E) `log_precision`."""
    n_trees, n_edges = x.shape
    correction, log_precision = np.empty(n_trees), np.empty((n_trees, n_edges))
    batch = max(1, _POINTS // (n_edges + 1))
    for first in range(0, n_trees, batch):
        part = slice(first, first + batch)
        hessian = negative_hessian(model, topologies[part], x[part])
        correction[part] = 0.5 * (n_edges * math.log(2 * math.pi) - _log_determinants(hessian))
        diagonal = np.diagonal(hessian, axis1=1, axis2=2)
        log_precision[part] = np.log(np.maximum(diagonal, _SMALLEST_EIGENVALUE))
    return correction, log_precision


def _log_determinants(matrices: np.ndarray) -> np.ndarray:
    """(T,) log determinants of symmetric (T, E, E), by eigenvalues with their floor where that may matter."""
    try:
        pivots = np.diagonal(np.linalg.cholesky(matrices), axis1=1, axis2=2) ** 2
        flat = pivots.min(axis=1) < _FLAT_PIVOT
    except np.linalg.LinAlgError:  # one of them is not positive definite
        pivots = np.ones(matrices.shape[:2])
        flat = np.ones(len(matrices), dtype=bool)
    result = np.log(pivots).sum(axis=1)
    if flat.any():
        eigenvalues = np.linalg.eigvalsh(matrices[flat])
        result[flat] = np.log(np.maximum(eigenvalues, _SMALLEST_EIGENVALUE)).sum(axis=1)
    return result


def counted_correction(model: PhyloModel, x: np.ndarray) -> np.ndarray:
    """(T,) Laplace's correction if an edge's precision were that of a Poisson count: 1 + (sites + rate) b."""
    n_edges = x.shape[1]
    count = model.n_sites + model.branch_prior.mean_rate(n_edges)
    return 0.5 * (n_edges * math.log(2 * math.pi) - np.log1p(count * np.exp(x)).sum(axis=1))
