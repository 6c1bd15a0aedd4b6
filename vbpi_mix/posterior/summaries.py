"""Splits and topologies of weighted draws: probabilities, their standard errors, mean branch lengths.

A weighted frequency f = sum_i w_i 1_i (weights summing to 1) has the standard error sqrt(sum_i w_i^2 (1_i - f)^2), the
delta method for self-normalised importance sampling; with equal weights that is sqrt(f (1 - f) / T).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo import clades as bits
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.posterior.accumulate import GroupTable
from vbpi_mix.posterior.draws import PosteriorDraws


@dataclass(frozen=True, kw_only=True)
class SplitSummary:
    """Every non-trivial split of positive weight, most frequent first, and the pendant edges.

    Arguments:
        taxa: (N,) names.
        clades: (X, W) uint64 bit sets, the side of each split without taxon 0.
        frequency: (X,) posterior probability of the split.
        standard_error: (X,) of the frequency.
        mean_length: (X,) mean length of the split's edge over the trees that have it.
        length_sd: (X,) posterior standard deviation of that length.
        pendant_mean_length: (N,) mean length of each taxon's pendant edge.
        pendant_length_sd: (N,) posterior standard deviation of those.
    """

    taxa: tuple[str, ...]
    clades: np.ndarray
    frequency: np.ndarray
    standard_error: np.ndarray
    mean_length: np.ndarray
    length_sd: np.ndarray
    pendant_mean_length: np.ndarray
    pendant_length_sd: np.ndarray

    @property
    def n_splits(self) -> int:
        return len(self.frequency)

    def members(self, split: int) -> tuple[str, ...]:
        """The taxa on the side of a split without the first taxon."""
        inside = bits.members(self.clades[split], len(self.taxa))
        return tuple(name for name, is_in in zip(self.taxa, inside, strict=True) if is_in)


@dataclass(frozen=True, kw_only=True)
class TopologySummary:
    """Distinct topologies of positive weight, most probable first.

    Arguments:
        taxa: (N,) names.
        topologies: X distinct topologies.
        probability: (X,) posterior probabilities, summing to 1 (less where the table was cut).
        standard_error: (X,) of the probabilities.
        mean_lengths: (X, E) mean branch lengths given the topology.
    """

    taxa: tuple[str, ...]
    topologies: TopologyBatch
    probability: np.ndarray
    standard_error: np.ndarray
    mean_lengths: np.ndarray

    @property
    def n_topologies(self) -> int:
        return self.topologies.n_trees

    def head(self, n: int) -> "TopologySummary":
        """The `n` most probable topologies."""
        return TopologySummary(
            taxa=self.taxa,
            topologies=self.topologies[:n],
            probability=self.probability[:n],
            standard_error=self.standard_error[:n],
            mean_lengths=self.mean_lengths[:n],
        )


class SplitTable:
    """Splits of trees that arrive in chunks, in memory proportional to the number of distinct splits.

    Arguments:
        taxa: (N,) names.
    """

    def __init__(self, taxa: Sequence[str]) -> None:
        self.taxa = tuple(taxa)
        self._inner = GroupTable(bits.n_words(len(self.taxa)), 4)
        self._pendant = np.zeros((2, len(self.taxa)))
        self._total = np.zeros(2)
        self._n_trees = 0

    def add(self, topologies: TopologyBatch, branch_lengths: np.ndarray, weights: np.ndarray) -> None:
        """Add T trees with branch lengths (T, E) and relative weights (T,)."""
        n_taxa = len(self.taxa)
        clades = topologies.clades()[:, n_taxa:]
        n_internal, n_words = clades.shape[1:]
        share = np.repeat(weights, n_internal)
        lengths = branch_lengths[:, n_taxa:].reshape(-1)
        positions = self._n_trees + np.repeat(np.arange(len(weights)), n_internal)
        terms = np.stack([share, share**2, share * lengths, share * lengths**2], axis=1)
        self._inner.add(clades.reshape(-1, n_words), terms, positions)
        pendant = branch_lengths[:, :n_taxa]
        self._pendant += [weights @ pendant, weights @ pendant**2]
        self._total += [weights.sum(), (weights**2).sum()]
        self._n_trees += len(weights)

    def summary(self) -> SplitSummary:
        """Frequencies and lengths of what was added so far."""
        distinct, sums, _ = self._inner.result()
        mass, squared_mass, first, second = sums.T
        total, total_squares = self._total
        frequency = np.minimum(mass / total, 1.0)
        error = frequency_error(frequency, squared_mass / total**2, total_squares / total**2)
        # among equal frequencies the smaller clade first, then its bits: the same order on every machine
        order = np.lexsort((*distinct.T, bits.sizes(distinct), -frequency))
        order = order[mass[order] > 0]
        mean = first[order] / mass[order]
        pendant_mean, pendant_square = self._pendant / total
        return SplitSummary(
            taxa=self.taxa,
            clades=distinct[order],
            frequency=frequency[order],
            standard_error=error[order],
            mean_length=mean,
            length_sd=_deviation(second[order] / mass[order], mean),
            pendant_mean_length=pendant_mean,
            pendant_length_sd=_deviation(pendant_square, pendant_mean),
        )


def summarise_splits(draws: PosteriorDraws) -> SplitSummary:
    """Weighted frequency and branch length of every split among the draws.

    Examples:
        >>> import vbpi_mix as vm
        >>> splits = vm.summarise_splits(vm.load("primates_run").sample(100))
        >>> bool(splits.frequency[0] > 0.9)
        True
    """
    table = SplitTable(draws.taxa)
    table.add(draws.topologies, draws.branch_lengths, draws.weights())
    return table.summary()


def summarise_topologies(draws: PosteriorDraws) -> TopologySummary:
    """Weighted probability of every topology among the draws, with its mean branch lengths."""
    weights = draws.weights()
    distinct, position = draws.topologies.unique()
    n = distinct.n_trees
    mass = np.bincount(position, weights=weights, minlength=n)
    squares = np.bincount(position, weights=weights**2, minlength=n)
    error = frequency_error(mass, squares, float((weights**2).sum()))
    order = np.argsort(-mass, kind="stable")
    order = order[mass[order] > 0]
    totals = np.zeros((n, draws.branch_lengths.shape[1]))
    np.add.at(totals, position, weights[:, None] * draws.branch_lengths)
    return TopologySummary(
        taxa=draws.taxa,
        topologies=distinct[order],
        probability=mass[order],
        standard_error=error[order],
        mean_lengths=totals[order] / mass[order, None],
    )


def frequency_error(frequency: np.ndarray, squared_mass: np.ndarray, total: float) -> np.ndarray:
    """The module's standard error, from the sum of squared weights of the trees that have the item, and of all."""
    without = total - squared_mass
    without[without < 1e-12 * total] = 0.0  # all trees have it: what is left is rounding
    lacking = 1.0 - frequency
    lacking[np.abs(lacking) < 1e-12] = 0.0  # likewise
    return np.sqrt(squared_mass * lacking**2 + without * frequency**2)


def _deviation(mean_square: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(mean_square - mean**2, 0.0))
