"""Hypotheses on an unrooted topology: splits that it must display, or must not display together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import clades as bits
from vbpi_mix.phylo.topology import TopologyBatch

_AT_ONCE = 20_000


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """Splits of all taxa, or of some of them, that a topology displays.

    A topology displays A|B if one of its edges has all of A on one side and all of B on the other; taxa in neither
    may be anywhere. With all taxa in A or B, that is to have the split. The splits of a multifurcating tree make
    its resolutions; on fewer taxa it is a backbone.

    Arguments:
        taxa: (N,) names.
        inside: (X, N) bool, A of each split.
        outside: (X, N) bool, B of each split; disjoint from A.
        negative: satisfied by the topologies that do not display all of the splits.
        name: name in words or as a tree, for messages and tables.
    """

    taxa: tuple[str, ...]
    inside: np.ndarray
    outside: np.ndarray
    negative: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        shape = (len(self.inside), len(self.taxa))
        if self.inside.shape != shape or self.outside.shape != shape:
            raise InputError(f"a constraint on {shape[1]} taxa needs two masks of {shape[1]} columns each")
        if (self.inside & self.outside).any():
            raise InputError(f"constraint {self.name!r}: a taxon is on both sides of a split")

    @property
    def n_splits(self) -> int:
        return len(self.inside)

    def satisfied(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) bool for T topologies on these taxa."""
        return displayed(topologies, self.inside, self.outside).all(axis=1) != self.negative

    def negated(self) -> "Constraint":
        """Satisfied by all other topologies."""
        name = self.name.removeprefix("not ") if self.negative else f"not {self.name}"
        return Constraint(
            taxa=self.taxa, inside=self.inside, outside=self.outside, negative=not self.negative, name=name
        )


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """Several constraints that a topology must satisfy at once; none: all topologies.

    Arguments:
        taxa: (N,) names.
        each: constraints on these taxa.
    """

    taxa: tuple[str, ...]
    each: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        if any(c.taxa != self.taxa for c in self.each):
            raise InputError("constraints can only be joined on the same taxa in the same order")

    def __bool__(self) -> bool:
        return bool(self.each)

    @property
    def by_splits(self) -> bool:
        """Whether trees whose splits all occur in allowed trees are allowed.

        So it is with splits of all taxa, required ones together and excluded ones singly: a binary tree whose splits
        are all compatible with a split has it.
        """
        return all((c.inside | c.outside).all() and (c.n_splits == 1 or not c.negative) for c in self.each)

    def allows(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) bool: which of T topologies satisfy all."""
        allowed = np.ones(topologies.n_trees, dtype=bool)
        for constraint in self.each:
            rest = np.flatnonzero(allowed)
            allowed[rest] = constraint.satisfied(topologies[rest])
        return allowed

    def also(self, *others: Constraint) -> "Constraints":
        """These and others."""
        return Constraints(taxa=self.taxa, each=(*self.each, *others))


def displayed(topologies: TopologyBatch, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """(T, X) bool: which of X splits of some or all taxa each topology displays.

    Arguments:
        topologies: T of them.
        inside: (X, N) bool.
        outside: (X, N) bool.
    """
    n_splits = len(inside)
    found = np.zeros((topologies.n_trees, n_splits), dtype=bool)
    if not n_splits:
        return found
    a, b = bits.from_members(inside), bits.from_members(outside)
    for first in range(0, topologies.n_trees, _AT_ONCE):
        clades = topologies[first : first + _AT_ONCE].clades()
        for x in range(n_splits):
            has_a, has_b = clades & a[x], clades & b[x]
            one = (has_a == a[x]).all(axis=2) & (has_b == 0).all(axis=2)
            other = (has_b == b[x]).all(axis=2) & (has_a == 0).all(axis=2)
            found[first : first + _AT_ONCE, x] = (one | other).any(axis=1)
    return found


def clade_constraint(
    taxa: Sequence[str], members: Sequence[int], others: Sequence[int] | None = None, *, name: str = ""
) -> Constraint:
    """The constraint that some taxa are on one side of an edge and others on the other side.

    Arguments:
        taxa: (N,) names.
        members: indices of the taxa on one side.
        others: indices of those on the other; all the rest if not given.
        name: name for tables; the members' names if not given.

    Raises:
        InputError: a taxon is on both sides.
    """
    inside = np.zeros((1, len(taxa)), dtype=bool)
    inside[0, list(members)] = True
    outside = ~inside
    if others is not None:
        outside = np.zeros_like(inside)
        outside[0, list(others)] = True
    label = name or ",".join(taxa[i] for i in members)
    return Constraint(taxa=tuple(taxa), inside=inside, outside=outside, name=label)


def topology_constraint(taxa: Sequence[str], topologies: TopologyBatch, *, name: str = "") -> Constraint:
    """The constraint that only the first topology of a batch satisfies."""
    n = topologies.n_taxa
    inside = bits.members(topologies.clades()[0, n:], n)
    return Constraint(taxa=tuple(taxa), inside=inside, outside=~inside, name=name)
