"""A weighted set of distinct topologies on named taxa."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.topology import TopologyBatch


@dataclass(frozen=True, kw_only=True)
class TreeSample:
    """Distinct topologies with weights, heaviest first.

    Arguments:
        taxa: (N,) names; topologies refer to them by position.
        topologies: T distinct canonical topologies.
        weights: (T,) float64, positive, as given (counts or probabilities); see `probabilities`.
    """

    taxa: tuple[str, ...]
    topologies: TopologyBatch
    weights: np.ndarray

    @property
    def n_trees(self) -> int:
        return self.topologies.n_trees

    def probabilities(self) -> np.ndarray:
        """(T,) weights divided by their sum."""
        return self.weights / self.weights.sum()

    def head(self, n_trees: int) -> "TreeSample":
        """The `n_trees` heaviest topologies."""
        return TreeSample(taxa=self.taxa, topologies=self.topologies[:n_trees], weights=self.weights[:n_trees])


def collect(taxa: Sequence[str], topologies: TopologyBatch, weights: np.ndarray | None = None) -> TreeSample:
    """Merge equal topologies, adding their weights (one each if not given).

    Raises:
        InputError: no tree, or weights that are not finite and >= 0 with a positive sum.
    """
    if topologies.n_trees == 0:
        raise InputError("no trees to collect: the sample is empty")
    given = np.ones(topologies.n_trees) if weights is None else np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(given).all() and (given >= 0).all() and given.sum() > 0):
        raise InputError("tree weights must be finite and not negative, and one of them positive")
    distinct, position = topologies.unique()
    total = np.bincount(position, weights=given, minlength=distinct.n_trees)
    order = np.argsort(-total, kind="stable")
    order = order[total[order] > 0]
    return TreeSample(taxa=tuple(taxa), topologies=distinct[order], weights=total[order])


@dataclass(frozen=True, kw_only=True)
class TreesWithLengths:
    """Weighted trees, each with its branch lengths.

    Arguments:
        taxa: (N,) names.
        topologies: T topologies; repetitions allowed.
        branch_lengths: (T, E) expected substitutions per site, edges numbered as in `phylo.topology`.
        weights: (T,) not negative; they sum to 1.
    """

    taxa: tuple[str, ...]
    topologies: TopologyBatch
    branch_lengths: np.ndarray
    weights: np.ndarray

    @property
    def n_trees(self) -> int:
        return self.topologies.n_trees
