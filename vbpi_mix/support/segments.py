"""The conditional probability tables of a support: which pairs share a parent, and what follows a draw.

Entries are numbered: rootsplits 0..n_splits-1; then the primary subsplit pairs (PSPs), one per subsplit
`3 t + k`: parent = the rootsplit of part k of tripartition t, focal clade = the complement of that part; then four
pairs `4 a + m` per adjacency a. With p the upper node (children c on side j, and d; U = the complement of p's
clade) and c the lower one, the four are, for a root

    m = 0  beyond U:                    sibling d,                      focal c,                 child = split of c
    m = 1  in d's side:                 sibling U,                      focal c,                 child = split of c
    m = 2  in c's first child's side:   sibling c's second child,       focal complement of c,   child = p seen from c
    m = 3  in c's second child's side:  sibling c's first child,        focal complement of c,   child = p seen from c

A segment is a set of entries with one parent (sibling, focal): segment 0 holds the rootsplits.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Tables derived from a support.

    Arguments:
        segment_of_entry: (n_params,) int32.
        pointer: (n_segments + 1,) int32; the entries of segment s are `entries[pointer[s]:pointer[s + 1]]`.
        entries: (n_params,) int32.
        child_of_entry: (n_params,) int32, the subsplit that an entry draws; of a rootsplit -1.
        after_rootsplit: (n_splits, 2) int32, the segments to draw from after a rootsplit, for the clade without
            taxon 0 and for its complement; -1 where the clade is one taxon.
        after_subsplit: (3 * n_tripartitions, 2) int32, the same after a subsplit, for its two clades.
    """

    segment_of_entry: np.ndarray
    pointer: np.ndarray
    entries: np.ndarray
    child_of_entry: np.ndarray
    after_rootsplit: np.ndarray
    after_subsplit: np.ndarray

    @property
    def n_segments(self) -> int:
        return len(self.pointer) - 1

    def sizes(self) -> np.ndarray:
        """(n_segments,) number of entries of each segment."""
        return np.diff(self.pointer)


def segments_of(n_taxa: int, n_splits: int, tripartitions: np.ndarray, adjacencies: np.ndarray) -> Segments:
    """Derive the tables; arguments as in `SubsplitSupport`."""
    parts = 2 * tripartitions.astype(np.int64) + np.array([0, 0, 1])
    upper, lower, side = adjacencies.astype(np.int64).T
    clade = parts[lower, 2] ^ 1
    subsplits = np.arange(3 * len(tripartitions)).reshape(-1, 3)
    sibling = np.stack([parts[upper, 1 - side], parts[upper, 2], parts[lower, 1], parts[lower, 0]], axis=1)
    focal = np.stack([clade, clade, clade ^ 1, clade ^ 1], axis=1)
    below, above = subsplits[lower, 2], subsplits[upper, side]
    child = np.stack([below, below, above, above], axis=1)

    n_clades = 2 * n_splits
    psp_keys = (parts * n_clades + (parts ^ 1)).reshape(-1)
    keys = np.concatenate([psp_keys, (sibling * n_clades + focal).reshape(-1)])
    parents, position = np.unique(keys, return_inverse=True)
    segment_of_entry = np.concatenate([np.zeros(n_splits, dtype=np.int64), position.reshape(-1) + 1])
    sizes = np.bincount(segment_of_entry, minlength=len(parents) + 1)

    def segments(sibling: np.ndarray, focal: np.ndarray) -> np.ndarray:
        one_taxon = (focal < 2 * n_taxa) & (((focal & 1 == 0) & (focal > 0)) | (focal == 1))
        found = np.searchsorted(parents, sibling * n_clades + focal)
        return np.where(one_taxon, -1, found + 1).astype(np.int32)

    split_clades = 2 * np.arange(n_splits)
    after_rootsplit = [segments(split_clades + 1, split_clades), segments(split_clades, split_clades + 1)]
    first, second = (parts[:, [1, 2, 0]].reshape(-1), parts[:, [2, 0, 1]].reshape(-1))
    return Segments(
        segment_of_entry=segment_of_entry.astype(np.int32),
        pointer=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        entries=np.argsort(segment_of_entry, kind="stable").astype(np.int32),
        child_of_entry=np.concatenate([np.full(n_splits, -1), subsplits.reshape(-1), child.reshape(-1)]).astype(
            np.int32
        ),
        after_rootsplit=np.stack(after_rootsplit, axis=1),
        after_subsplit=np.stack([segments(second, first), segments(first, second)], axis=1),
    )
