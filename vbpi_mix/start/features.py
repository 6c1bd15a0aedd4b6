"""Start values of the branch model from optimised branch lengths."""

import numpy as np

from vbpi_mix.support import EncodedTopologies, PSPIndexer

_SMALLEST_SHARE = 1e-9


def split_features(
    indexer: PSPIndexer,
    encoded: EncodedTopologies,
    weights: np.ndarray,
    log_lengths: np.ndarray,
    log_precision: np.ndarray,
    n_sites: float,
) -> np.ndarray:
    """(F, 2) table: for each split the mean log length and the log standard deviation; zero for the pairs.

    Means are weighted by the topologies' weights, with a small share for every topology, so that a split that only
    rare topologies have still gets its own mean from them. Where no second derivative is known, the standard
    deviation is that of a length read off `n_sites` sites: of 1 + n_sites * b substitutions, 1/sqrt of that.

    Arguments:
        indexer: numbers the rows.
        encoded: T topologies in the indexer's support.
        weights: (T,) their probabilities.
        log_lengths: (T, E) optimised.
        log_precision: (T, E) log negative second derivatives in the log lengths, NaN where unknown.
        n_sites: sites of the alignment.
    """
    n_splits = indexer.support.n_splits
    ids = encoded.split_ids
    share = np.maximum(weights / weights.sum(), _SMALLEST_SHARE)[:, None] * np.ones_like(log_lengths)
    by_counting = -0.5 * np.log1p(n_sites * np.exp(log_lengths))
    log_sd = np.where(np.isnan(log_precision), by_counting, -0.5 * log_precision)
    table = np.zeros((indexer.n_features, 2))
    inside = ids >= 0
    total = np.bincount(ids[inside], weights=share[inside], minlength=n_splits)
    found = total > 0
    for column, values in enumerate((log_lengths, log_sd)):
        summed = np.bincount(ids[inside], weights=(share * values)[inside], minlength=n_splits)
        table[:n_splits, column][found] = summed[found] / total[found]
        table[:n_splits, column][~found] = values.mean()
    return table
