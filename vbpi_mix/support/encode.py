"""Topologies as the ids of a support."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import clades
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.support.hashing import find, pack_pair, set_tips
from vbpi_mix.support.subsplit_support import SubsplitSupport


@dataclass(frozen=True, kw_only=True)
class EncodedTopologies:
    """T topologies and their ids in one support; -1 where the support lacks an item.

    Arguments:
        support: the support whose ids these are.
        topologies: the T topologies.
        split_ids: (T, E) int32, the split of each edge.
        tripartition_ids: (T, N-2) int32, of each internal node N, N+1, ..., 2N-3.
        adjacency_ids: (T, N-3) int32, of the edge above each internal node below the top: N, ..., 2N-4.
    """

    support: SubsplitSupport
    topologies: TopologyBatch
    split_ids: np.ndarray
    tripartition_ids: np.ndarray
    adjacency_ids: np.ndarray

    @property
    def n_trees(self) -> int:
        return self.topologies.n_trees

    def __len__(self) -> int:
        return self.n_trees

    def __getitem__(self, index: slice | np.ndarray | Sequence[int]) -> "EncodedTopologies":
        """The trees at a slice, an index array or a mask."""
        return EncodedTopologies(
            support=self.support,
            topologies=self.topologies[index],
            split_ids=self.split_ids[index],
            tripartition_ids=self.tripartition_ids[index],
            adjacency_ids=self.adjacency_ids[index],
        )

    def require(self, support: SubsplitSupport) -> None:
        """Refuse ids of another support: compiled code would read beyond its tables.

        Raises:
            SupportError: the topologies were encoded in a support that is not equal to this one.
        """
        require_equal(self.support, support)

    def n_represented_rootings(self) -> np.ndarray:
        """(T,) int64, how many of the 2N-3 rootings have all their pairs in the support.

        Every rooting uses every tripartition and, but for the one on its own edge, every adjacency. So all
        rootings are represented if nothing is missing, one if a single adjacency is, else none.
        """
        complete = (self.tripartition_ids >= 0).all(axis=1)
        missing = (self.adjacency_ids < 0).sum(axis=1)
        return np.where(complete & (missing == 0), self.topologies.n_edges, complete & (missing == 1)).astype(np.int64)


def require_equal(used: SubsplitSupport, support: SubsplitSupport) -> None:
    """Raise SupportError unless the support that topologies were encoded in is equal to the one in use."""
    if used is not support and used != support:
        raise SupportError("topologies were encoded in another support: encode them again in the one in use")


def represented(support: SubsplitSupport, topologies: TopologyBatch) -> np.ndarray:
    """(T,) bool: the trees that a subsplit Bayesian network on the support can give positive probability,
    because at least one rooting has all its pairs there.

    Raises:
        SupportError: see `encode`.
    """
    return encode(support, topologies).n_represented_rootings() > 0


def encode(support: SubsplitSupport, topologies: TopologyBatch) -> EncodedTopologies:
    """Look up the ids of T topologies, O(T N W).

    Raises:
        SupportError: the topologies have another number of taxa than the support.
    """
    n_taxa = support.n_taxa
    if topologies.n_taxa != n_taxa:
        raise SupportError(f"topologies of {topologies.n_taxa} taxa do not fit a support of {n_taxa} taxa")
    n_trees = topologies.n_trees
    split_ids = np.empty((n_trees, 2 * n_taxa - 3), dtype=np.int32)
    tripartition_ids = np.empty((n_trees, n_taxa - 2), dtype=np.int32)
    adjacency_ids = np.empty((n_trees, n_taxa - 3), dtype=np.int32)
    tables = support.lookup
    _encode(
        np.ascontiguousarray(topologies.children, dtype=np.int32), clades.singletons(n_taxa),
        tables.split_slots, support.splits, tables.tripartition_slots, tables.tripartition_keys,
        tables.adjacency_slots, tables.adjacency_keys, split_ids, tripartition_ids, adjacency_ids,
    )  # fmt: skip
    return EncodedTopologies(
        support=support,
        topologies=topologies,
        split_ids=split_ids,
        tripartition_ids=tripartition_ids,
        adjacency_ids=adjacency_ids,
    )


@kernel()
def _encode(
    children: np.ndarray,
    single: np.ndarray,
    split_slots: np.ndarray,
    split_keys: np.ndarray,
    trip_slots: np.ndarray,
    trip_keys: np.ndarray,
    adjacency_slots: np.ndarray,
    adjacency_keys: np.ndarray,
    split_ids: np.ndarray,
    trip_ids: np.ndarray,
    adjacency_ids: np.ndarray,
) -> None:
    n_inner = children.shape[1]
    n_taxa, n_words = single.shape
    words, split = np.empty((2 * n_taxa - 2, n_words), dtype=np.uint64), np.empty(2 * n_taxa - 2, dtype=np.int64)
    set_tips(single, words, split)
    key = np.empty(1, dtype=np.uint64)
    for t in range(len(children)):
        for i in range(n_inner):
            node, left, right = n_taxa + i, children[t, i, 0], children[t, i, 1]
            for w in range(n_words):
                words[node, w] = words[left, w] | words[right, w]
            split[node] = find(split_slots, split_keys, words[node])
            trip = -1
            if split[left] >= 0 and split[node] >= 0:
                key[0] = pack_pair(split[left], split[node])
                trip = find(trip_slots, trip_keys, key)
            trip_ids[t, i] = trip
            for c in range(2):
                child = children[t, i, c]
                if child >= n_taxa:
                    adjacency = -1
                    below = trip_ids[t, child - n_taxa]
                    if trip >= 0 and below >= 0:
                        key[0] = pack_pair(trip, below)
                        adjacency = find(adjacency_slots, adjacency_keys, key)
                    adjacency_ids[t, child - n_taxa] = adjacency
        for node in range(2 * n_taxa - 3):
            split_ids[t, node] = split[node]
