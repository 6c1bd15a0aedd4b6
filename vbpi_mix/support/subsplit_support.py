"""The support of a subsplit Bayesian network, numbered once and never changed.

A topology is three kinds of integers (edges and nodes as in `phylo.topology`):

* the *split* of each edge, named by its clade without taxon 0. Splits 0..N-1 are the pendant ones (0: all taxa
  but taxon 0; i: taxon i alone), the others follow in the order of their bit sets. The oriented clade
  `2 * split + side` is that clade (side 0) or its complement (side 1);
* the *tripartition* of each internal node: (split of the first child, of the second child, of the node itself).
  Its parts 0, 1, 2 are the oriented clades (first child, 0), (second child, 0), (own, 1). Seen from part k the node
  is the subsplit of the complement of part k into the two other parts: subsplit `3 * tripartition + k`;
* the *adjacency* of each internal edge: (tripartition above, tripartition below).

All parent-child subsplit pairs of all rootings of a set of trees follow from the distinct integers, see `segments`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import clades
from vbpi_mix.support.hashing import filled_slots, pack
from vbpi_mix.support.segments import Segments, segments_of

_ARRAYS = {"splits": (np.uint64, None), "tripartitions": (np.int32, 3), "adjacencies": (np.int32, 3)}


@dataclass(frozen=True, kw_only=True, eq=False)
class SubsplitSupport:
    """Splits, subsplits and parent-child subsplit pairs that have positive probability.

    Build one with `build_support`, or from saved arrays with `SubsplitSupport.from_arrays`.

    Arguments:
        n_taxa: N >= 3.
        splits: (n_splits, W) uint64 bit sets of the clades without taxon 0.
        tripartitions: (n_tripartitions, 3) int32 splits (first child, second child, own), sorted by own and first.
        adjacencies: (n_adjacencies, 3) int32 (tripartition above, tripartition below, which child of the upper
            node the lower one is), sorted.
    """

    n_taxa: int
    splits: np.ndarray
    tripartitions: np.ndarray
    adjacencies: np.ndarray

    @property
    def n_splits(self) -> int:
        return len(self.splits)

    @property
    def n_rootsplits(self) -> int:
        """Pendant splits included: a root may be drawn on any edge."""
        return self.n_splits

    @property
    def n_tripartitions(self) -> int:
        return len(self.tripartitions)

    @property
    def n_adjacencies(self) -> int:
        return len(self.adjacencies)

    @property
    def n_pcsps(self) -> int:
        """Parent-child subsplit pairs over all rootings, those with a rootsplit as parent included."""
        return 3 * self.n_tripartitions + 4 * self.n_adjacencies

    @property
    def n_params(self) -> int:
        """Entries of the conditional probability tables: rootsplits, then the pairs."""
        return self.n_splits + self.n_pcsps

    @cached_property
    def segments(self) -> Segments:
        """The tables: which entries share a parent, and what follows a draw."""
        return segments_of(self.n_taxa, self.n_splits, self.tripartitions, self.adjacencies)

    @cached_property
    def lookup(self) -> "SupportLookup":
        """Hash tables from bit sets to ids."""
        tripartition_keys = pack(self.tripartitions[:, 0], self.tripartitions[:, 2])
        adjacency_keys = pack(self.adjacencies[:, 0], self.adjacencies[:, 1])
        return SupportLookup(
            split_slots=filled_slots(self.splits, self.n_splits, self.n_splits),
            tripartition_slots=filled_slots(tripartition_keys, self.n_tripartitions, self.n_tripartitions),
            tripartition_keys=tripartition_keys,
            adjacency_slots=filled_slots(adjacency_keys, self.n_adjacencies, self.n_adjacencies),
            adjacency_keys=adjacency_keys,
        )

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the number of taxa and the arrays: equal for equal supports on any machine."""
        digest = hashlib.sha256(f"subsplit support 1, {self.n_taxa} taxa".encode())
        for name, array in self.arrays().items():
            digest.update(f"; {name} {array.shape}".encode())
            digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SubsplitSupport) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which the same support can be made again."""
        state = {"n_taxa": np.array(self.n_taxa, dtype=np.int64)}
        return state | {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "SubsplitSupport":
        """The support that `arrays` was taken from.

        Raises:
            SupportError: an array is missing, has another type or shape, or refers to ids that do not exist.
        """
        missing = [name for name in ("n_taxa", *_ARRAYS) if name not in arrays]
        if missing:
            raise SupportError(f"saved support lacks {', '.join(missing)}: it was written by something else")
        n_taxa = int(arrays["n_taxa"])
        fields = {}
        for name, (dtype, width) in _ARRAYS.items():
            array = np.ascontiguousarray(arrays[name])
            wanted = width or clades.n_words(n_taxa)
            if array.dtype != dtype or array.ndim != 2 or array.shape[1] != wanted:
                found = f"{array.dtype} {array.shape}"
                raise SupportError(f"saved support: {name} is {found}, expected {np.dtype(dtype)} (n, {wanted})")
            fields[name] = array
        support = cls(n_taxa=n_taxa, **fields)
        for name, array, limit in (
            ("tripartitions", support.tripartitions, support.n_splits),
            ("adjacencies", support.adjacencies[:, :2], support.n_tripartitions),
        ):
            if array.size and not (array.min() >= 0 and array.max() < limit):
                raise SupportError(f"saved support: {name} refer to ids outside 0..{limit - 1}: the file is damaged")
        return support


@dataclass(frozen=True, kw_only=True)
class SupportLookup:
    """Hash tables of one support (`hashing`): splits by bit set, tripartitions by (first child, own),
    adjacencies by (above, below).
    """

    split_slots: np.ndarray
    tripartition_slots: np.ndarray
    tripartition_keys: np.ndarray
    adjacency_slots: np.ndarray
    adjacency_keys: np.ndarray
