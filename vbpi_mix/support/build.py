"""From topologies to their support: every distinct split, tripartition and adjacency, numbered canonically."""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import clades
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.support.hashing import empty_slots, filled_slots, intern, pack, pack_pair, set_tips
from vbpi_mix.support.subsplit_support import SubsplitSupport

_LARGEST = 2**31 - 1


def build_support(topologies: TopologyBatch) -> SubsplitSupport:
    """The smallest support that gives every rooting of every given topology positive probability.

    One compiled pass over the trees, O(T N W); memory grows with the distinct splits, tripartitions and
    adjacencies only. The result does not depend on the order or the multiplicity of the topologies.

    Arguments:
        topologies: T >= 1 topologies of N >= 3 taxa.

    Raises:
        SupportError: no topology, or more distinct items than 32-bit ids can number.
    """
    if topologies.n_trees == 0:
        raise SupportError("cannot build a support from no trees: give at least one topology")
    n_taxa = topologies.n_taxa
    single = clades.singletons(n_taxa)
    first = single.copy()  # row i: the clade of pendant split i
    first[0] = clades.full_set(n_taxa) ^ single[0]
    tables = [_Table(4 * n_taxa, first), _Table(8 * n_taxa, None), _Table(8 * n_taxa, None)]
    splits, tripartitions, adjacencies = tables
    right = np.empty(len(tripartitions.keys), dtype=np.int32)
    children = np.ascontiguousarray(topologies.children, dtype=np.int32)
    counts = np.array([table.count for table in tables], dtype=np.int64)
    done = 0
    while True:
        done = _collect(
            children, done, single,
            splits.slots, splits.keys, tripartitions.slots, tripartitions.keys, right,
            adjacencies.slots, adjacencies.keys, counts,
        )  # fmt: skip
        if done == len(children):
            break
        for table, count in zip(tables, counts.tolist(), strict=True):
            table.grow(count, n_taxa)
        right = np.concatenate([right, np.empty(len(tripartitions.keys) - len(right), dtype=np.int32)])
    return canonical_support(
        n_taxa,
        splits.keys[: counts[0]],
        tripartitions.keys[: counts[1], 0],
        right[: counts[1]],
        adjacencies.keys[: counts[2], 0],
    )


class _Table:
    """A hash table that grows."""

    def __init__(self, capacity: int, keys: np.ndarray | None) -> None:
        self.count = 0 if keys is None else len(keys)
        self.keys = np.empty((capacity, 1 if keys is None else keys.shape[1]), dtype=np.uint64)
        if keys is not None:
            self.keys[: len(keys)] = keys
        self.slots = filled_slots(self.keys, self.count, capacity) if self.count else empty_slots(capacity)

    def grow(self, count: int, n_taxa: int) -> None:
        capacity = len(self.keys)
        if count + n_taxa <= capacity:  # one more tree fits
            return
        if count > _LARGEST // 8:
            raise SupportError(f"the trees hold more than {count} distinct subsplits: use fewer or likelier trees")
        self.keys = np.concatenate([self.keys, np.empty_like(self.keys)])
        self.slots = filled_slots(self.keys, count, 2 * capacity)


def canonical_support(
    n_taxa: int, splits: np.ndarray, tripartitions: np.ndarray, right: np.ndarray, adjacencies: np.ndarray
) -> SubsplitSupport:
    """The support of distinct items, numbered anew in sorted order.

    Arguments:
        n_taxa: N.
        splits: (n_splits, W) clades; the first N are the pendant ones, in the order of the taxa.
        tripartitions: (n_tripartitions,) uint64, `pack_pair` of the splits of first child and node itself.
        right: (n_tripartitions,) split of the second child.
        adjacencies: (n_adjacencies,) uint64, `pack_pair` of the tripartitions above and below.
    """
    half = np.uint64(32)
    order = np.concatenate([np.arange(n_taxa), n_taxa + np.lexsort(splits[n_taxa:].T)])
    new_split = np.argsort(order)
    low = np.uint64(2**32 - 1)
    trips = np.stack([new_split[tripartitions >> half], new_split[right], new_split[tripartitions & low]], axis=1)
    trip_order = np.lexsort((trips[:, 0], trips[:, 2]))
    new_trip = np.argsort(trip_order)
    trips = trips[trip_order].astype(np.int32)
    above, below = new_trip[adjacencies >> half], new_trip[adjacencies & low]
    adjacency_order = np.argsort(pack(above, below)[:, 0])
    above, below = above[adjacency_order], below[adjacency_order]
    side = trips[above, 1] == trips[below, 2]
    return SubsplitSupport(
        n_taxa=n_taxa,
        splits=np.ascontiguousarray(splits[order]),
        tripartitions=trips,
        adjacencies=np.stack([above, below, side], axis=1).astype(np.int32),
    )


@kernel()
def _collect(
    children: np.ndarray,
    start: int,
    single: np.ndarray,
    split_slots: np.ndarray,
    split_keys: np.ndarray,
    trip_slots: np.ndarray,
    trip_keys: np.ndarray,
    trip_right: np.ndarray,
    adjacency_slots: np.ndarray,
    adjacency_keys: np.ndarray,
    counts: np.ndarray,
) -> int:
    """Enter trees from `start` on until one might not fit; return the number of trees done."""
    n_inner = children.shape[1]
    n_taxa, n_words = single.shape
    words, split = np.empty((2 * n_taxa - 2, n_words), dtype=np.uint64), np.empty(2 * n_taxa - 2, dtype=np.int64)
    set_tips(single, words, split)
    trip = np.empty(2 * n_taxa - 2, dtype=np.int64)
    key = np.empty(1, dtype=np.uint64)
    for t in range(start, len(children)):
        if (
            counts[0] + n_taxa > len(split_keys)
            or counts[1] + n_taxa > len(trip_keys)
            or counts[2] + n_taxa > len(adjacency_keys)
        ):
            return t
        for i in range(n_inner):
            node, left, right = n_taxa + i, children[t, i, 0], children[t, i, 1]
            for w in range(n_words):
                words[node, w] = words[left, w] | words[right, w]
            split[node] = intern(split_slots, split_keys, counts, 0, words[node])
            key[0] = pack_pair(split[left], split[node])
            trip[node] = intern(trip_slots, trip_keys, counts, 1, key)
            trip_right[trip[node]] = split[right]
            for c in range(2):
                child = children[t, i, c]
                if child >= n_taxa:
                    key[0] = pack_pair(trip[node], trip[child])
                    intern(adjacency_slots, adjacency_keys, counts, 2, key)
    return len(children)
