"""Ancestral sampling of topologies in compiled code."""

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.support.hashing import Id


@kernel()
def draw(values: np.ndarray, entries: np.ndarray, uniform: float, cumulative: np.ndarray, ready: bool) -> int:
    """One entry of a segment with probability proportional to exp(values[entry]).

    Arguments:
        values: (n_params,) of one component.
        entries: the segment's entries.
        uniform: uniform number in [0, 1).
        cumulative: (at least len(entries),) scratch; kept, it serves again for the same segment.
        ready: whether it was filled before.
    """
    n = len(entries)
    if n == 1:
        return entries[0]
    if not ready:
        largest = -np.inf
        for entry in entries:
            largest = max(largest, values[entry])
        total = 0.0
        for i in range(n):
            total += math.exp(values[entries[i]] - largest)
            cumulative[i] = total
    # the first whose cumulative sum exceeds the target; rounding must not lead beyond the last possible one
    target = min(uniform * cumulative[n - 1], np.nextafter(cumulative[n - 1], 0.0))
    low, high = 0, n - 1
    while low < high:
        middle = (low + high) // 2
        if cumulative[middle] > target:
            high = middle
        else:
            low = middle + 1
    return entries[low]


@kernel()
def sample_topologies(
    values: np.ndarray,
    component_of_tree: np.ndarray,
    uniforms: np.ndarray,
    tables: tuple[np.ndarray, ...],
    after: tuple[np.ndarray, ...],
    tripartitions: np.ndarray,
    adjacencies: np.ndarray,
    trees: tuple[np.ndarray, ...],
) -> None:
    """Draw a rooted tree from the tables, then write it as the unrooted topology that hangs from taxon 0.

    Arguments:
        values: (A, n_params) logits or log-probabilities.
        component_of_tree: (T,).
        uniforms: (T, N-1) in [0, 1), one per drawn subsplit.
        tables: (segment_of_entry, pointer, entries) of the support's segments.
        after: (child_of_entry, after_rootsplit, after_subsplit) of the support's segments.
        tripartitions: (n_tripartitions, 3).
        adjacencies: (n_adjacencies, 3), sorted.
        trees: (children, split_ids, tripartition_ids, adjacency_ids) to be filled, see `EncodedTopologies`.
    """
    _, pointer, entries = tables
    child_of_entry, after_rootsplit, after_subsplit = after
    children, split_ids, tripartition_ids, adjacency_ids = trees
    n_inner = children.shape[1]
    n_taxa, n_splits = n_inner + 2, len(after_rootsplit)
    first_adjacency = n_splits + len(after_subsplit)
    n_largest = 1
    for segment in range(len(pointer) - 1):
        n_largest = max(n_largest, pointer[segment + 1] - pointer[segment])
    cumulative = np.empty(n_largest)
    root_cumulative = np.empty(pointer[1])
    tripartition_of_split = np.empty(n_splits, dtype=np.int32)
    adjacency_of_split = np.empty(n_splits, dtype=np.int32)
    todo = np.empty((n_taxa, 3), dtype=np.int32)
    for t in range(len(children)):
        component = values[component_of_tree[t]]
        same = t > 0 and component_of_tree[t] == component_of_tree[t - 1]
        root = draw(component, entries[: pointer[1]], uniforms[t, 0], root_cumulative, same)
        n_todo = 0
        for segment in after_rootsplit[root]:
            if segment >= 0:
                todo[n_todo, 0] = segment
                n_todo += 1
        n_drawn = 1
        while n_todo > 0:
            n_todo -= 1
            segment = todo[n_todo, 0]
            span = entries[pointer[segment] : pointer[segment + 1]]
            entry = draw(component, span, uniforms[t, n_drawn], cumulative, False)
            n_drawn += 1
            subsplit = child_of_entry[entry]
            tripartition_of_split[tripartitions[subsplit // 3, 2]] = subsplit // 3
            if entry >= first_adjacency:
                adjacency = (entry - first_adjacency) // 4
                adjacency_of_split[tripartitions[adjacencies[adjacency, 1], 2]] = adjacency
            for following in after_subsplit[subsplit]:
                if following >= 0:
                    todo[n_todo, 0] = following
                    n_todo += 1
        # post-order backwards: a node, then its second child's subtree, then its first child's
        for tip in range(n_taxa):
            split_ids[t, tip] = tip
        todo[0, 0], todo[0, 1] = 0, -1
        n_todo = 1
        for i in range(n_inner - 1, -1, -1):
            n_todo -= 1
            split, parent, side = todo[n_todo]
            tripartition = tripartition_of_split[split]
            tripartition_ids[t, i] = tripartition
            if parent >= 0:
                children[t, parent, side] = n_taxa + i
                split_ids[t, n_taxa + i] = split
                if split == root:
                    adjacency_ids[t, i] = find_adjacency(adjacencies, tripartition_ids[t, parent], tripartition)
                else:
                    adjacency_ids[t, i] = adjacency_of_split[split]
            for c in range(2):
                below = tripartitions[tripartition, c]
                if below < n_taxa:
                    children[t, i, c] = below
                else:
                    todo[n_todo, 0], todo[n_todo, 1], todo[n_todo, 2] = below, i, c
                    n_todo += 1


@kernel()
def find_adjacency(adjacencies: np.ndarray, above: Id, below: Id) -> Id:
    """The number of the adjacency (above, below) among the sorted ones, -1 if it is not there.

    Only the edge on which the root was drawn can lack it: its two sides were drawn independently.
    """
    low, high = 0, len(adjacencies)
    while low < high:
        middle = (low + high) // 2
        if adjacencies[middle, 0] < above or (adjacencies[middle, 0] == above and adjacencies[middle, 1] < below):
            low = middle + 1
        else:
            high = middle
    if low < len(adjacencies) and adjacencies[low, 0] == above and adjacencies[low, 1] == below:
        return low
    return -1
