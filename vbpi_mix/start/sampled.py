"""The start of a fit from equally weighted trees of the posterior, where it is too flat for a list of topologies."""

import numpy as np

from vbpi_mix.phylo import TreeSample, clades
from vbpi_mix.start.laplace import LaplaceWeights
from vbpi_mix.start.lengths import OptimisedLengths
from vbpi_mix.start.parameters import ParameterFit
from vbpi_mix.start.weights import SampledTrees, WeightedTopologies
from vbpi_mix.support import SubsplitSupport, encode, represented

_PRIOR_COUNT = 4.0  # trees that the usual variance of a log length counts for
_FEWEST = 50  # trees with a split, from which its response to the parameters is taken from them alone


def weigh_by_frequency(taxa: tuple[str, ...], trees: SampledTrees) -> WeightedTopologies:
    """Topologies with the frequencies that they have among trees, mean log lengths and precisions by split.

    Arguments:
        taxa: (N,) names.
        trees: T of them; T is not used as an effective number anywhere.
    """
    distinct, position = trees.topologies.unique()
    times = np.bincount(position, minlength=distinct.n_trees).astype(np.float64)
    mean = np.zeros((distinct.n_trees, distinct.n_edges))
    np.add.at(mean, position, trees.log_lengths)
    mean /= times[:, None]
    log_precision = -np.log(_variances(trees))
    by_topology = np.zeros_like(mean)
    by_topology[position] = log_precision  # of a split, so the same for all trees of one topology
    order = np.argsort(-times, kind="stable")
    unknown = np.zeros(len(order))
    return WeightedTopologies(
        sample=TreeSample(taxa=taxa, topologies=distinct[order], weights=times[order] / times.sum()),
        modes=OptimisedLengths(log_lengths=mean[order], log_density=unknown, remaining_gain=unknown, n_evaluations=0),
        laplace=LaplaceWeights(
            log_weight=np.log(times[order]),
            log_precision=by_topology[order],
            exact_hessian=np.zeros(len(order), dtype=bool),
        ),
        coordinates=trees.coordinates.mean(axis=0) if trees.coordinates.shape[1] else None,
        trees=trees,
    )


def fit_parameters_to_trees(support: SubsplitSupport, trees: SampledTrees) -> ParameterFit:
    """Mean and covariance of the parameters' coordinates among trees, and how log lengths follow them.

    The response of a split's log length is its regression on the coordinates, from the trees that have the split
    where they are many, else from all inner edges.
    """
    u = trees.coordinates - trees.coordinates.mean(axis=0)
    d = u.shape[1]
    covariance = u.T @ u / len(u) + 1e-8 * np.eye(d)
    known = np.flatnonzero(represented(support, trees.topologies))
    ids = encode(support, trees.topologies[known]).split_ids
    x, z = trees.log_lengths[known], u[known]
    n_splits, n_edges = support.n_splits, ids.shape[1]
    count = np.bincount(ids.reshape(-1), minlength=n_splits)
    mean = np.bincount(ids.reshape(-1), x.reshape(-1), n_splits) / np.maximum(count, 1)
    away = x - mean[ids]
    products = np.zeros((n_splits, d))
    np.add.at(products, ids.reshape(-1), (away[:, :, None] * z[:, None, :]).reshape(-1, d))
    pooled = products.sum(axis=0) / max(1, n_edges * len(known))
    inverse = np.linalg.inv(covariance)
    many = count >= _FEWEST
    response = np.tile(pooled @ inverse, (n_splits, 1))
    response[many] = (products[many] / count[many, None]) @ inverse
    return ParameterFit(centre=trees.coordinates.mean(axis=0), covariance=covariance, response=response)


def _variances(trees: SampledTrees) -> np.ndarray:
    """(T, E) variance of the log length of each edge's split, drawn towards the usual one where the split is rare."""
    sets = trees.topologies.clades()
    _, number = clades.unique_rows(np.ascontiguousarray(sets).reshape(-1, sets.shape[2]))
    x = trees.log_lengths.reshape(-1)
    count = np.bincount(number)
    mean = np.bincount(number, x) / count
    squares = np.bincount(number, (x - mean[number]) ** 2)
    usual = squares.sum() / max(1.0, float((count - 1).sum()))
    variance = (squares + _PRIOR_COUNT * max(usual, 1e-4)) / (np.maximum(count - 1, 0) + _PRIOR_COUNT)
    return variance[number].reshape(trees.log_lengths.shape)
