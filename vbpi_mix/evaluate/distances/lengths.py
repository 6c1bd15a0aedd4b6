"""Branch-length distributions of two posteriors, split by split."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo.clades import unique_rows
from vbpi_mix.phylo.tree_sample import TreesWithLengths


@dataclass(frozen=True, kw_only=True)
class LengthAgreement:
    """Wasserstein-1 distances between the length distributions of the edges that both posteriors have.

    Arguments:
        clades: (X, W) the splits, pendant edges included.
        weight: (X,) mean frequency of the split in the two (1 for pendant edges).
        distance: (X,) Wasserstein-1 distance, expected substitutions per site: the mean shift of a length when one
            distribution is turned into the other at least cost.
        relative: (X,) the same in units of the reference's posterior standard deviation of that length.
        means: (2, X) mean length in each.
        mean_distance, mean_relative: averages with those weights.
    """

    clades: np.ndarray
    weight: np.ndarray
    distance: np.ndarray
    relative: np.ndarray
    means: np.ndarray
    mean_distance: float
    mean_relative: float


def wasserstein(x: np.ndarray, u: np.ndarray, y: np.ndarray, v: np.ndarray) -> float:
    """The integral of |F - G| for values x with weights u and values y with weights v (each of a positive sum)."""
    order_x, order_y = np.argsort(x), np.argsort(y)
    x, u, y, v = x[order_x], u[order_x], y[order_y], v[order_y]
    every = np.sort(np.concatenate([x, y]), kind="stable")
    steps = np.diff(every)
    below_x = np.concatenate([[0.0], np.cumsum(u)])[np.searchsorted(x, every[:-1], side="right")] / u.sum()
    below_y = np.concatenate([[0.0], np.cumsum(v)])[np.searchsorted(y, every[:-1], side="right")] / v.sum()
    return float((np.abs(below_x - below_y) * steps).sum())


def length_agreement(
    first: TreesWithLengths, reference: TreesWithLengths, *, min_frequency: float = 0.1
) -> LengthAgreement:
    """Compare the lengths of every edge whose split has at least `min_frequency` in both.

    The length of a split's edge is compared over the trees that have the split; how often they do is the business of
    the split frequencies.
    """
    ours, theirs = _by_split(first), _by_split(reference)
    rows = []
    for key, (x, u) in ours.items():
        if key not in theirs:
            continue
        y, v = theirs[key]
        frequencies = (float(u.sum()), float(v.sum()))
        if min(frequencies) < min_frequency:
            continue
        mean_x, mean_y = float(x @ u) / u.sum(), float(y @ v) / v.sum()
        deviation = float(np.sqrt(max(float((y - mean_y) ** 2 @ v) / v.sum(), 0.0)))
        distance = wasserstein(x, u, y, v)
        relative = distance / deviation if deviation > 0 else np.nan
        rows.append((key, sum(frequencies) / 2, distance, relative, mean_x, mean_y))
    rows.sort(key=lambda row: -row[1])
    numbers = np.array([row[1:] for row in rows], dtype=np.float64)
    weight, distance, relative = numbers[:, 0], numbers[:, 1], numbers[:, 2]
    known = np.isfinite(relative)
    words = np.frombuffer(b"".join(row[0] for row in rows), dtype=np.uint64)  # never empty: pendant edges are in all
    return LengthAgreement(
        clades=words.reshape(len(rows), -1),
        weight=weight,
        distance=distance,
        relative=relative,
        means=numbers[:, 3:].T,
        mean_distance=float(np.average(distance, weights=weight)),
        mean_relative=float(np.average(relative[known], weights=weight[known])) if known.any() else np.nan,
    )


def _by_split(trees: TreesWithLengths) -> dict[bytes, tuple[np.ndarray, np.ndarray]]:
    """Lengths and weights of every split's edge over the trees that have it."""
    clades = trees.topologies.clades()
    n_edges, n_words = clades.shape[1:]
    distinct, inverse = unique_rows(clades.reshape(-1, n_words))
    order = np.argsort(inverse, kind="stable")
    lengths = trees.branch_lengths.reshape(-1)[order]
    weights = np.repeat(trees.weights, n_edges)[order]
    ends = np.cumsum(np.bincount(inverse, minlength=len(distinct)))
    begins = np.concatenate([[0], ends[:-1]])
    return {words.tobytes(): (lengths[b:e], weights[b:e]) for words, b, e in zip(distinct, begins, ends, strict=True)}
