"""Alignments of nucleotides as state sets, and their site patterns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from vbpi_mix.errors import InputError

# A state set is four bits, A=1 C=2 G=4 T=8; 15 (any state) stands for gaps and missing data too.
STATES = "ACGT"
MISSING = 15
IUPAC: Mapping[str, int] = {
    "A": 1, "C": 2, "G": 4, "T": 8, "U": 8,
    "M": 3, "R": 5, "W": 9, "S": 6, "Y": 10, "K": 12,
    "V": 7, "H": 11, "D": 13, "B": 14,
    "N": MISSING, "X": MISSING, "?": MISSING, "-": MISSING, "O": MISSING,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Aligned nucleotide sequences.

    Arguments:
        taxa: (N,) names, exactly as the file had them.
        state_sets: (N, L) uint8, one bit per state that the character allows (see `IUPAC`).
        symbol_counts: how often each upper-case character occurred in the file.
        source: where it came from, for messages.
        excluded: (sites of the file,) bool, those that the file itself leaves out; L are left. None: all are there.
    """

    taxa: tuple[str, ...]
    state_sets: np.ndarray
    symbol_counts: Mapping[str, int] = field(default_factory=dict)
    source: str = "alignment"
    excluded: np.ndarray | None = None

    def __repr__(self) -> str:
        first = ", ".join(self.taxa[:3])
        return f"Alignment: {self.n_taxa} taxa ({first}, ...), {self.n_sites:,} sites, from {self.source}"

    @property
    def n_taxa(self) -> int:
        return len(self.taxa)

    @property
    def n_sites(self) -> int:
        return int(self.state_sets.shape[1])

    @property
    def n_sites_of_file(self) -> int:
        """Sites of the file, by which partitions count."""
        return self.n_sites if self.excluded is None else len(self.excluded)

    def taxa_without_data(self, sites: np.ndarray | None = None) -> list[str]:
        """Taxa that may have any state at all sites, or at those of `sites` (columns from 0)."""
        sets = self.state_sets if sites is None else self.state_sets[:, sites]
        return [name for name, row in zip(self.taxa, sets, strict=True) if (row == MISSING).all()]

    def duplicates(self) -> list[tuple[str, str]]:
        """Pairs (first taxon, later taxon with the same state sets at every site)."""
        first: dict[bytes, str] = {}
        pairs = []
        for name, row in zip(self.taxa, self.state_sets, strict=True):
            key = row.tobytes()
            if key in first:
                pairs.append((first[key], name))
            else:
                first[key] = name
        return pairs


@dataclass(frozen=True, kw_only=True)
class SitePatterns:
    """Distinct alignment columns with their multiplicities.

    Arguments:
        state_sets: (N, P) uint8 state sets.
        weights: (P,) float64, number of sites of each pattern.
    """

    state_sets: np.ndarray
    weights: np.ndarray

    @property
    def n_taxa(self) -> int:
        return int(self.state_sets.shape[0])

    @property
    def n_patterns(self) -> int:
        return int(self.state_sets.shape[1])

    @property
    def n_sites(self) -> float:
        return float(self.weights.sum())


def site_patterns(alignment: Alignment, sites: np.ndarray | None = None) -> SitePatterns:
    """Merge equal columns; gaps and all codes for "any state" count as one symbol.

    Arguments:
        alignment: the data.
        sites: (n,) integer columns from 0, each taken as often as it is named; None: all.

    Raises:
        InputError: no column, or one that the alignment does not have.

    Example:
        >>> import vbpi_mix as vm
        >>> patterns = vm.site_patterns(vm.read_alignment("primates"))
        >>> patterns.n_patterns, float(patterns.weights.sum())
        (413, 898.0)
    """
    if sites is None:
        return _merge(alignment.state_sets, np.ones(alignment.n_sites))
    sites = np.asarray(sites)
    if sites.ndim != 1 or len(sites) == 0 or not np.issubdtype(sites.dtype, np.integer):
        raise InputError(f"{alignment.source}: site patterns need a list of at least one column, as whole numbers")
    outside = (sites < 0) | (sites >= alignment.n_sites)
    if outside.any():
        raise InputError(
            f"{alignment.source}: there is no column {int(sites[outside][0]) + 1}; the alignment has "
            f"{alignment.n_sites} sites"
        )
    return _merge(alignment.state_sets[:, sites], np.ones(len(sites)))


def merge_relabelled(patterns: SitePatterns) -> SitePatterns:
    """Merge patterns that are equal up to a permutation of the four states.

    Their likelihoods are equal where all states are exchangeable, that is under JC69 (with any rate
    heterogeneity) and under no other model. Each pattern is replaced by the lexicographically smallest
    of its 24 relabellings.
    """
    smallest = patterns.state_sets
    for order in permutations(range(4)):
        table = np.array([sum(((s >> i) & 1) << order[i] for i in range(4)) for s in range(16)], dtype=np.uint8)
        candidate = table[patterns.state_sets]
        differs = candidate != smallest
        row = differs.argmax(axis=0)
        column = np.arange(patterns.n_patterns)
        better = differs[row, column] & (candidate[row, column] < smallest[row, column])
        smallest = np.where(better, candidate, smallest)
    return _merge(smallest, patterns.weights)


def _merge(columns: np.ndarray, weights: np.ndarray) -> SitePatterns:
    distinct, inverse = np.unique(columns, axis=1, return_inverse=True)
    merged = np.bincount(inverse.reshape(-1), weights=weights, minlength=distinct.shape[1])
    return SitePatterns(state_sets=np.ascontiguousarray(distinct), weights=merged)
