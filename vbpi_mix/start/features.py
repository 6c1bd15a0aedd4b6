"""Start values of the branch model from optimised branch lengths."""

import numpy as np

from vbpi_mix.support import EncodedTopologies, PSPIndexer

_SMALLEST_SHARE = 1e-12  # of the largest weight: every topology says a little
_RIDGE = 1e-4  # of the largest weight: what pulls the rows of pairs towards zero
_SWEEPS = 30


def fitted_features(
    indexer: PSPIndexer,
    encoded: EncodedTopologies,
    weights: np.ndarray,
    log_lengths: np.ndarray,
    log_precision: np.ndarray,
    n_sites: float,
    *,
    known: np.ndarray | None = None,
) -> np.ndarray:
    """(F, 2) table of mean and log standard deviation whose sums over an edge's rows fit the optimised lengths.

    Weighted least squares by backfitting (Gauss-Seidel over the kinds of rows): splits first and without penalty,
    then the pairs with a ridge, so that the rows of pairs hold what differs from the split's mean, and a pair that
    is rare or never seen leaves the split's mean as it is. A topology counts by the square root of its
    probability: rare ones are drawn too, and no other knows their pairs. Squared errors of means count by precision.

    Where no second derivative is known, the standard deviation is that of a length read off `n_sites` sites: of
    1 + n_sites * b substitutions, 1/sqrt of that.

    Arguments:
        indexer: numbers the rows.
        encoded: T topologies in the indexer's support.
        weights: (T,) their probabilities.
        log_lengths: (T, E) optimised.
        log_precision: (T, E) log negative second derivatives in the log lengths, NaN where unknown.
        n_sites: sites of the alignment.
        known: (F, 2) rows that are to stay as they are, NaN where a row is to be found; the others fit what these
            leave over.
    """
    ids = indexer.feature_ids(encoded)
    share = np.sqrt(np.maximum(weights / weights.max(), _SMALLEST_SHARE))[:, None]
    by_counting = -0.5 * np.log1p(n_sites * np.exp(log_lengths))
    log_sd = np.where(np.isnan(log_precision), by_counting, -0.5 * log_precision)
    precision = share * np.exp(-2.0 * log_sd)
    columns = [
        _backfit(ids, values, weight / weight.max(), indexer, None if known is None else known[:, column])
        for column, (values, weight) in enumerate(((log_lengths, precision), (log_sd, share * np.ones_like(log_sd))))
    ]
    return np.stack(columns, axis=1)


def _backfit(
    ids: np.ndarray, values: np.ndarray, weight: np.ndarray, indexer: PSPIndexer, known: np.ndarray | None
) -> np.ndarray:
    """(F,) rows; ids (T, E, 3 or 1), values and weights (T, E), known rows (F,)."""
    n_rows, n_splits, n_kinds = indexer.n_features, indexer.support.n_splits, ids.shape[2]
    rows = np.zeros(n_rows) if known is None else np.nan_to_num(known)
    free = np.ones(n_rows, dtype=bool) if known is None else np.isnan(known)
    residual = values - np.where(ids >= 0, rows[np.maximum(ids, 0)], 0.0).sum(axis=2)
    present = [ids[:, :, kind] >= 0 for kind in range(n_kinds)]
    of_kind = [ids[:, :, kind][present[kind]] for kind in range(n_kinds)]
    total = [np.bincount(of_kind[k], weights=weight[present[k]], minlength=n_rows) for k in range(n_kinds)]
    for _ in range(_SWEEPS if n_kinds > 1 else 1):
        for kind in range(n_kinds):
            inside = present[kind]
            ridge = _RIDGE if kind > 0 else 0.0
            summed = np.bincount(of_kind[kind], weights=(weight * residual)[inside], minlength=n_rows)
            seen = (total[kind] > 0) & free
            change = np.zeros(n_rows)
            change[seen] = (summed - ridge * rows)[seen] / (total[kind][seen] + ridge)
            rows += change
            residual[inside] -= change[of_kind[kind]]
    unseen = (total[0][:n_splits] == 0) & free[:n_splits]
    rows[:n_splits][unseen] = values.mean()
    return rows
