"""Topologies near given ones: nearest-neighbour interchanges, and subtrees pruned and regrafted."""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.phylo.topology import TopologyBatch


def nni_neighbours(topologies: TopologyBatch) -> TopologyBatch:
    """The 2 (N-3) nearest neighbours of each topology: two subtrees swapped across an internal edge.

    Arguments:
        topologies: T topologies.

    Returns:
        2 T (N-3) canonical topologies, those of one topology next to each other, in the order of its internal edges
        N..2N-4. Neighbours of different topologies may be equal.
    """
    given = np.ascontiguousarray(topologies.children)
    n_trees, n_inner, _ = given.shape
    found = np.empty((n_trees * 2 * (n_inner - 1), n_inner, 2), dtype=np.int32)
    _interchange(given, found)
    return TopologyBatch(found)


def spr_neighbours(topologies: TopologyBatch, *, radius: int) -> TopologyBatch:
    """Topologies made by pruning either part at an edge and regrafting it 2 to `radius` nodes away.

    Regrafted one node away it would be a nearest-neighbour interchange, see `nni_neighbours`.

    Arguments:
        topologies: T topologies.
        radius: the largest number of nodes between the old and the new place, at least 2.

    Returns:
        Canonical topologies in no particular order; equal ones occur.
    """
    given = np.ascontiguousarray(topologies.children)
    counts = np.zeros(len(given), dtype=np.int64)
    empty = np.empty((0, *given.shape[1:]), dtype=np.int32)
    _regraft(given, radius, counts, empty)
    _turn(given, radius, counts, empty)
    found = np.empty((int(counts.sum()), *given.shape[1:]), dtype=np.int32)
    done = _regraft(given, radius, counts, found)
    _turn(given, radius, counts, found[done:])
    return TopologyBatch(found)


@kernel(inner=True, allocates=True)
def canonical_form(kids: np.ndarray, top: int, children: np.ndarray) -> None:
    """Number the nodes of a tree that hangs from taxon 0 canonically (see `phylo.topology`).

    Arguments:
        kids: (2N-2, 2) the children of each node, used for internal ones: N..2N-3 in any order.
        top: the node next to taxon 0.
        children: (N-2, 2) result.
    """
    n_taxa = len(children) + 2
    order = np.empty(2 * n_taxa - 3, dtype=np.int32)
    lowest = np.empty(2 * n_taxa - 2, dtype=np.int32)
    size = np.empty(2 * n_taxa - 2, dtype=np.int32)
    number = np.empty(2 * n_taxa - 2, dtype=np.int32)
    order[0] = top
    count = 1
    for i in range(2 * n_taxa - 3):  # parents before children
        node = order[i]
        if node >= n_taxa:
            order[count], order[count + 1] = kids[node, 0], kids[node, 1]
            count += 2
    for i in range(count - 1, -1, -1):
        node = order[i]
        if node < n_taxa:
            lowest[node], size[node] = node, 0
        else:
            lowest[node] = min(lowest[kids[node, 0]], lowest[kids[node, 1]])
            size[node] = size[kids[node, 0]] + size[kids[node, 1]] + 1
    # post-order: the right subtree ends just before its parent, the left one before that
    number[top] = 2 * n_taxa - 3
    for i in range(count):
        node = order[i]
        if node < n_taxa:
            continue
        left, right = kids[node, 0], kids[node, 1]
        if lowest[left] > lowest[right]:
            left, right = right, left
        number[right] = right if right < n_taxa else number[node] - 1
        number[left] = left if left < n_taxa else number[node] - 1 - size[right]
        row = number[node] - n_taxa
        children[row, 0], children[row, 1] = number[left], number[right]


@kernel(inner=True)
def _load(given: np.ndarray, tree: int, kids: np.ndarray, up: np.ndarray) -> None:
    n_inner = given.shape[1]
    n_taxa = n_inner + 2
    up[0], up[2 * n_taxa - 3] = -1, 0
    for i in range(n_inner):
        for side in range(2):
            kids[n_taxa + i, side] = given[tree, i, side]
            up[given[tree, i, side]] = n_taxa + i


@kernel()
def _interchange(given: np.ndarray, found: np.ndarray) -> None:
    n_inner = given.shape[1]
    n_taxa = n_inner + 2
    kids, up = np.empty((2 * n_taxa - 2, 2), np.int32), np.empty(2 * n_taxa - 2, np.int32)
    row = 0
    for tree in range(len(given)):
        _load(given, tree, kids, up)
        for node in range(n_taxa, 2 * n_taxa - 3):
            above = up[node]
            side = 1 if kids[above, 0] == node else 0  # where the sibling is
            sibling = kids[above, side]
            for c in range(2):
                child = kids[node, c]
                kids[above, side], kids[node, c] = child, sibling
                canonical_form(kids, 2 * n_taxa - 3, found[row])
                kids[above, side], kids[node, c] = sibling, child
                row += 1


@kernel()
def _regraft(given: np.ndarray, radius: int, counts: np.ndarray, found: np.ndarray) -> int:
    """Prune clades without taxon 0. Add their numbers to `counts` (T,), or fill `found` if it has room."""
    n_inner = given.shape[1]
    n_taxa = n_inner + 2
    top = 2 * n_taxa - 3
    kids, up = np.empty((2 * n_taxa - 2, 2), np.int32), np.empty(2 * n_taxa - 2, np.int32)
    near, source, distance = (
        np.empty(4 * n_taxa, np.int32),
        np.empty(4 * n_taxa, np.int32),
        np.empty(4 * n_taxa, np.int32),
    )
    row = 0
    for tree in range(len(given)):
        _load(given, tree, kids, up)
        for clade in range(1, top):
            joint = up[clade]
            side = 0 if kids[joint, 0] == clade else 1
            sibling, above = kids[joint, 1 - side], up[joint]
            # walk over the nodes of the rest of the tree; an edge is named by the node below it
            count = 0
            if sibling >= n_taxa:
                for c in range(2):
                    near[count], source[count], distance[count] = kids[sibling, c], 0, 1
                    count += 1
            if above > 0:
                other = kids[above, 0] if kids[above, 1] == joint else kids[above, 1]
                near[count], source[count], distance[count] = other, 0, 1
                near[count + 1], source[count + 1], distance[count + 1] = above, 1, 1
                count += 2
            i = 0
            while i < count:
                target, from_below, steps = near[i], source[i], distance[i]
                i += 1
                if steps < radius:
                    if from_below == 0 and target >= n_taxa:
                        for c in range(2):
                            near[count], source[count], distance[count] = kids[target, c], 0, steps + 1
                            count += 1
                    if from_below == 1 and up[target] > 0:
                        beyond = up[target]
                        other = kids[beyond, 0] if kids[beyond, 1] == target else kids[beyond, 1]
                        near[count], source[count], distance[count] = other, 0, steps + 1
                        near[count + 1], source[count + 1], distance[count + 1] = beyond, 1, steps + 1
                        count += 2
                if steps < 2:
                    continue
                if len(found) == 0:
                    counts[tree] += 1
                    continue
                # take `joint` out, put it on the edge above `target` together with the clade
                old_top = top
                if above > 0:
                    place = 0 if kids[above, 0] == joint else 1
                    kids[above, place] = sibling
                else:
                    old_top = sibling
                new_above, new_top = up[target], old_top
                if new_above == joint:
                    new_above = above
                new_place = 0
                if target == old_top:
                    new_top = joint
                else:
                    new_place = 0 if kids[new_above, 0] == target else 1
                    kids[new_above, new_place] = joint
                kids[joint, 1 - side] = target
                canonical_form(kids, new_top, found[row])
                kids[joint, 1 - side] = sibling
                if target != old_top:
                    kids[new_above, new_place] = target
                if above > 0:
                    kids[above, 0 if kids[above, 0] == sibling else 1] = joint
                row += 1
    return row


@kernel()
def _turn(given: np.ndarray, radius: int, counts: np.ndarray, found: np.ndarray) -> None:
    """Prune the parts with taxon 0, that is, hang clades by another of their edges; otherwise as `_regraft`."""
    n_inner = given.shape[1]
    n_taxa = n_inner + 2
    top = 2 * n_taxa - 3
    kids, up = np.empty((2 * n_taxa - 2, 2), np.int32), np.empty(2 * n_taxa - 2, np.int32)
    row = 0
    for tree in range(len(given)):
        _load(given, tree, kids, up)
        for target in range(1, top):  # the edge above it becomes the place
            clade, depth = up[target], 1
            while clade != top and depth <= radius:
                clade = up[clade]
                depth += 1
                if depth < 3:
                    continue
                if len(found) == 0:
                    counts[tree] += 1
                    continue
                turned = kids.copy()
                node, below = up[target], target
                turned[clade, 0], turned[clade, 1] = target, node
                while True:
                    sibling = kids[node, 0] if kids[node, 1] == below else kids[node, 1]
                    above = up[node]
                    if above == clade:
                        other = kids[clade, 0] if kids[clade, 1] == node else kids[clade, 1]
                        turned[node, 0], turned[node, 1] = sibling, other
                        break
                    turned[node, 0], turned[node, 1] = sibling, above
                    node, below = above, node
                canonical_form(turned, top, found[row])
                row += 1
