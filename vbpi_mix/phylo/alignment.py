"""Alignments as state sets, and their site patterns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.data_type import DNA, DataType, standard

# nucleotides; other data have their own, see `data_type`
STATES = DNA.states
MISSING = DNA.missing
IUPAC: Mapping[str, int] = DNA.codes


@dataclass(frozen=True, kw_only=True)
class Section:
    """Sites of an alignment that have one data type.

    Arguments:
        data_type: data type of the sites.
        sites: (n,) int64 columns from 0, ascending.
    """

    data_type: DataType
    sites: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """Aligned sequences.

    Arguments:
        taxa: (N,) names, exactly as the file had them.
        state_sets: (N, L) unsigned integers, one bit per state that the character allows (see `data_type`).
        symbol_counts: number of times that each upper-case character occurred in the file.
        source: origin of the text, for messages.
        excluded: (sites of the file,) bool, those that the file itself leaves out; L are left. None: all are there.
        data_type: data type of the sites, where they have one.
        sections: sections of an alignment with several data types; together they have all sites.
    """

    taxa: tuple[str, ...]
    state_sets: np.ndarray
    symbol_counts: Mapping[str, int] = field(default_factory=dict)
    source: str = "alignment"
    excluded: np.ndarray | None = None
    data_type: DataType = DNA
    sections: tuple[Section, ...] = ()

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
        missing = self._missing
        sets = self.state_sets if sites is None else self.state_sets[:, sites]
        missing = missing if sites is None else missing[sites]
        return [name for name, row in zip(self.taxa, sets, strict=True) if (row == missing).all()]

    def type_of(self, sites: np.ndarray | None = None) -> DataType:
        """The data type of some sites (columns from 0), or of all.

        Raises:
            InputError: they have several.
        """
        if not self.sections:
            return self.data_type
        wanted = np.arange(self.n_sites) if sites is None else np.asarray(sites)
        found = [section.data_type for section in self.sections if np.isin(section.sites, wanted).any()]
        if len(found) != 1:
            names = " and ".join(data_type.name for data_type in found)
            raise InputError(f"{self.source}: sites of {names} data together: each part must have one data type")
        return found[0]

    @property
    def _missing(self) -> np.ndarray:
        """(L,) state set of missing data at each site."""
        missing = np.full(self.n_sites, self.data_type.missing, dtype=self.state_sets.dtype)
        for section in self.sections:
            missing[section.sites] = section.data_type.missing
        return missing

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
        state_sets: (N, P) state sets, of the integer type that the data type asks for.
        weights: (P,) float64, number of sites of each pattern.
        data_type: data type of the states.
    """

    state_sets: np.ndarray
    weights: np.ndarray
    data_type: DataType = DNA

    @property
    def n_states(self) -> int:
        return self.data_type.n_states

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

    Discrete characters get as many states as the highest of these sites says.

    Arguments:
        alignment: The data.
        sites: (n,) integer columns from 0, each taken as often as it is named; None: all.

    Raises:
        InputError: No column, one that the alignment does not have, or columns of different data types.

    Examples:
        >>> import vbpi_mix as vm
        >>> patterns = vm.site_patterns(vm.read_alignment("primates"))
        >>> patterns.n_patterns, float(patterns.weights.sum())
        (413, 898.0)
    """
    if sites is None:
        return _merge(*_narrowed(alignment.state_sets, np.ones(alignment.n_sites), alignment.type_of()))
    sites = np.asarray(sites)
    if sites.ndim != 1 or len(sites) == 0 or not np.issubdtype(sites.dtype, np.integer):
        raise InputError(f"{alignment.source}: site patterns need a list of at least one column, as whole numbers")
    outside = (sites < 0) | (sites >= alignment.n_sites)
    if outside.any():
        raise InputError(
            f"{alignment.source}: there is no column {int(sites[outside][0]) + 1}; the alignment has "
            f"{alignment.n_sites} sites"
        )
    return _merge(*_narrowed(alignment.state_sets[:, sites], np.ones(len(sites)), alignment.type_of(sites)))


def merge_relabelled(patterns: SitePatterns) -> SitePatterns:
    """Merge patterns that are equal up to a permutation of the four states; others than nucleotides stay as they are.

    Their likelihoods are equal where all states are exchangeable, that is under JC69 (with any rate
    heterogeneity) and under no other model. Each pattern is replaced by the lexicographically smallest
    of its 24 relabellings.
    """
    if patterns.n_states != 4:
        return patterns
    smallest = patterns.state_sets
    for order in permutations(range(4)):
        table = np.array([sum(((s >> i) & 1) << order[i] for i in range(4)) for s in range(16)], dtype=np.uint8)
        candidate = table[patterns.state_sets]
        differs = candidate != smallest
        row = differs.argmax(axis=0)
        column = np.arange(patterns.n_patterns)
        better = differs[row, column] & (candidate[row, column] < smallest[row, column])
        smallest = np.where(better, candidate, smallest)
    return _merge(smallest, patterns.weights, patterns.data_type)


def _narrowed(columns: np.ndarray, weights: np.ndarray, data_type: DataType) -> tuple[np.ndarray, np.ndarray, DataType]:
    """Discrete characters with as many states as the highest that occurs in them says; other data as they are."""
    if data_type.name != "standard":
        return columns, weights, data_type
    occurring = np.bitwise_or.reduce(columns[columns != data_type.missing], axis=None)
    fewer = standard(max(2, int(occurring).bit_length()))
    return columns & columns.dtype.type(fewer.missing), weights, fewer


def _merge(columns: np.ndarray, weights: np.ndarray, data_type: DataType) -> SitePatterns:
    columns = columns.astype(data_type.dtype, copy=False)
    distinct, inverse = np.unique(columns, axis=1, return_inverse=True)
    merged = np.bincount(inverse.reshape(-1), weights=weights, minlength=distinct.shape[1])
    return SitePatterns(state_sets=np.ascontiguousarray(distinct), weights=merged, data_type=data_type)
