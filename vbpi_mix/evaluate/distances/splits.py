"""Split frequencies of two or more posteriors, and how far they agree.

MrBayes watches the average standard deviation of split frequencies (ASDSF) over the splits that reach 0.1 in at least
one run; the standard deviation is that of a sample, with n - 1 below (for two, |p - q| / sqrt 2).

References:
    Lakner, van der Mark, Huelsenbeck, Larget and Ronquist, Efficiency of Markov chain Monte Carlo tree proposals in
    Bayesian phylogenetics, Systematic Biology 2008.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import clades as bits
from vbpi_mix.phylo.topology import TopologyBatch

MIN_FREQUENCY = 0.1


@dataclass(frozen=True, kw_only=True)
class SplitTable:
    """Frequencies of non-trivial splits.

    Arguments:
        taxa: (N,) names.
        clades: (X, W) uint64, the side of each split without taxon 0.
        frequency: (X,) posterior probability of the split.
    """

    taxa: tuple[str, ...]
    clades: np.ndarray
    frequency: np.ndarray


def split_table(taxa: Sequence[str], topologies: TopologyBatch, weights: np.ndarray) -> SplitTable:
    """The splits of weighted trees; `weights` (T,) need not sum to 1."""
    clades = topologies.clades()[:, topologies.n_taxa :]
    flat = np.ascontiguousarray(clades).reshape(-1, clades.shape[2])
    distinct, inverse = bits.unique_rows(flat)
    share = np.repeat(weights / weights.sum(), clades.shape[1])
    frequency = np.bincount(inverse, weights=share, minlength=len(distinct))
    return SplitTable(taxa=tuple(taxa), clades=distinct, frequency=np.minimum(frequency, 1.0))


def pooled_splits(tables: Sequence[SplitTable], shares: Sequence[float]) -> SplitTable:
    """The splits of several sets of trees together; `shares`, not negative, are the sets' parts of the whole.

    Raises:
        InputError: no table, or other taxa.
    """
    if not tables or any(table.taxa != tables[0].taxa for table in tables):
        raise InputError("split frequencies can only be pooled on the same taxa in the same order")
    part = np.asarray(shares) / np.sum(shares)
    distinct, position = bits.unique_rows(np.concatenate([table.clades for table in tables]))
    share = np.concatenate([table.frequency * p for table, p in zip(tables, part, strict=True)])
    frequency = np.bincount(position, weights=share, minlength=len(distinct))
    return SplitTable(taxa=tables[0].taxa, clades=distinct, frequency=np.minimum(frequency, 1.0))


@dataclass(frozen=True, kw_only=True)
class SplitAgreement:
    """Frequencies of the same splits in R posteriors.

    Arguments:
        taxa: (N,) names.
        clades: (X, W) every split of any of them, most frequent first (by the mean).
        frequencies: (R, X); 0 where a posterior lacks the split.
        asdsf: average over the splits above `min_frequency` of the standard deviation over posteriors; 0 if none is.
        max_difference: largest difference between two posteriors, over the same splits.
        n_compared: number of those splits.
        min_frequency: splits that reach it in no posterior are left out of the two numbers.
    """

    taxa: tuple[str, ...]
    clades: np.ndarray
    frequencies: np.ndarray
    asdsf: float
    max_difference: float
    n_compared: int
    min_frequency: float

    def worst(self) -> int | None:
        """The split whose frequencies lie farthest apart; None if there is none to compare."""
        return int(np.ptp(self.frequencies, axis=0).argmax()) if self.n_compared else None

    def members(self, split: int) -> tuple[str, ...]:
        """The taxa on the smaller side of a split (the one without the first taxon if both are equal)."""
        inside = bits.members(self.clades[split], len(self.taxa))
        small = inside if 2 * inside.sum() <= len(inside) else ~inside
        return tuple(name for name, is_in in zip(self.taxa, small, strict=True) if is_in)


def split_agreement(tables: Sequence[SplitTable], *, min_frequency: float = MIN_FREQUENCY) -> SplitAgreement:
    """Line up the splits of two or more posteriors on the same taxa in the same order.

    Raises:
        InputError: fewer than two, or other taxa.
    """
    if len(tables) < 2:
        raise InputError(f"agreement needs two posteriors at least, not {len(tables)}")
    taxa = tables[0].taxa
    for table in tables[1:]:
        if table.taxa != taxa:
            raise InputError("split frequencies can only be compared on the same taxa in the same order")
    every = np.concatenate([table.clades for table in tables])
    distinct, position = bits.unique_rows(every)
    row = np.repeat(np.arange(len(tables)), [len(table.clades) for table in tables])
    frequencies = np.zeros((len(tables), len(distinct)))
    np.add.at(frequencies, (row, position), np.concatenate([table.frequency for table in tables]))
    order = np.argsort(-frequencies.mean(axis=0), kind="stable")
    frequencies = frequencies[:, order]
    # frequencies are sums of rounded weights
    compared = frequencies[:, frequencies.max(axis=0) >= min_frequency - 1e-9]
    n_compared = compared.shape[1]
    return SplitAgreement(
        taxa=taxa,
        clades=distinct[order],
        frequencies=frequencies,
        asdsf=float(compared.std(axis=0, ddof=1).mean()) if n_compared else 0.0,
        max_difference=float(np.ptp(compared, axis=0).max()) if n_compared else 0.0,
        n_compared=n_compared,
        min_frequency=min_frequency,
    )
