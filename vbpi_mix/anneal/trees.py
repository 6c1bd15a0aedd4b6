"""Trees between the canonical arrays of topologies and the changing ones of the moves."""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.tree import MovingTree
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.phylo.neighbours import canonical_form


def taxon_keys(n_taxa: int) -> np.ndarray:
    """(N,) uint64 random keys of taxa, the same on every machine."""
    return np.random.Generator(np.random.PCG64(20_260)).integers(1, 2**63, size=n_taxa, dtype=np.uint64) | np.uint64(1)


def moving_tree(children: np.ndarray, lengths: np.ndarray, keys: np.ndarray) -> MovingTree:
    """A tree that can be changed, from canonical children (N-2, 2) and lengths (E,)."""
    n = len(children) + 2
    kids = np.zeros((2 * n - 2, 2), dtype=np.int32)
    kids[n:] = children
    up = TopologyBatch(children[None]).parents()[0]
    above = np.empty(2 * n - 2)
    above[1 : 2 * n - 3] = lengths[1:]
    above[-1], above[0] = lengths[0], 0.0
    clades, sizes = np.zeros(2 * n - 2, dtype=np.uint64), np.ones(2 * n - 2, dtype=np.int32)
    clades[:n] = keys
    return MovingTree(kids, up, above, clades, sizes, np.array([2 * n - 3], dtype=np.int64))


def canonical_tree(tree: MovingTree) -> tuple[np.ndarray, np.ndarray]:
    """Canonical children (N-2, 2) and lengths (E,)."""
    children, lengths = canonical_trees(tree.kids[None], tree.top, tree.lengths[None])
    return children[0], lengths[0]


def canonical_trees(kids: np.ndarray, tops: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical children (T, N-2, 2) of T changing trees, and values (T, E) of edges from those above nodes.

    Arguments:
        kids: (T, 2N-2, 2) int32, see `MovingTree`.
        tops: (T,) int64.
        values: (T, 2N-2) of the edge above each node; that of taxon 0 stands at the top node.
    """
    n_trees, n_nodes = values.shape
    children, of_edges = np.empty((n_trees, n_nodes // 2 - 1, 2), dtype=np.int32), np.empty((n_trees, n_nodes - 1))
    _canonical_all(kids, tops, values, children, of_edges)
    return children, of_edges


def clade_hashes(topologies: TopologyBatch) -> np.ndarray:
    """(T, 2N-2) uint64 hashes of the taxa below every node, equal for equal clades; of taxon 0: 0."""
    found = np.zeros((topologies.n_trees, 2 * topologies.n_taxa - 2), dtype=np.uint64)
    _hash_clades(np.ascontiguousarray(topologies.children), taxon_keys(topologies.n_taxa), found)
    return found


def distinct_subsplits(topologies: TopologyBatch, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct subsplits (X, 3), a clade and its two parts, in their order, and (T (N-2),) which of them each node has.

    Arguments:
        topologies: T topologies.
        number: (T, 2N-2) number of the clade below each node.
    """
    children, rows = topologies.children, np.arange(topologies.n_trees)[:, None]
    parts = np.sort(np.stack([number[rows, children[:, :, 0]], number[rows, children[:, :, 1]]], axis=2), axis=2)
    subsplits = np.concatenate([number[:, topologies.n_taxa :, None], parts], axis=2).reshape(-1, 3)
    keys = subsplits[:, 0] * (number.max() + 1) + subsplits[:, 1]  # a clade and one of its parts tell the other part
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    return subsplits[first], which.reshape(-1)


def split_hashes(topologies: TopologyBatch) -> np.ndarray:
    """(T, N-3) uint64 hashes of the inner splits of T topologies, equal for equal splits."""
    return clade_hashes(topologies)[:, topologies.n_taxa : -1]


def radius_of(topologies: TopologyBatch, n_places: int) -> int:
    """The radius round an edge, in edges, within which there are `n_places` edges on average, itself included.

    Of fewer edges in all, the radius that holds them from any of them.
    """
    most = min(n_places, topologies.n_edges)
    counts = np.zeros(topologies.n_edges)
    _count_by_distance(np.ascontiguousarray(topologies.children), topologies.parents(), counts)
    within = counts.cumsum() / (topologies.n_trees * topologies.n_edges)
    return int(np.searchsorted(within, most - 1e-9))


def mixed(hashes: np.ndarray) -> np.ndarray:
    """Hashes whose sums are not related as exclusive ors of their taxa's keys are (the finaliser of SplitMix64)."""
    x = hashes.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x ^= x >> np.uint64(shift)
        x *= np.uint64(factor)
    return x ^ (x >> np.uint64(31))


@kernel()
def _count_by_distance(children: np.ndarray, parents: np.ndarray, counts: np.ndarray) -> None:
    """Add to counts (E,) how many pairs of edges, named by their lower nodes, are how many edges apart."""
    n_nodes = parents.shape[1]
    n_taxa = (n_nodes + 2) // 2
    queue, distance = np.empty(n_nodes, np.int64), np.empty(n_nodes, np.int64)
    for t in range(len(children)):
        for origin in range(1, n_nodes):
            distance[:] = -1
            queue[0], distance[origin] = origin, 0
            count, i = 1, 0
            while i < count:
                edge = queue[i]
                i += 1
                counts[distance[edge]] += 1
                parent = parents[t, edge]
                for j in range(4):  # two below, the one beside, the one above
                    if j < 2:
                        other = children[t, edge - n_taxa, j] if edge >= n_taxa else edge
                    elif parent < n_taxa:  # taxon 0
                        other = edge
                    elif j == 2:
                        first = children[t, parent - n_taxa, 0]
                        other = children[t, parent - n_taxa, 1] if first == edge else first
                    else:
                        other = parent
                    if distance[other] < 0:
                        distance[other] = distance[edge] + 1
                        queue[count] = other
                        count += 1


@kernel()
def _hash_clades(children: np.ndarray, keys: np.ndarray, found: np.ndarray) -> None:
    n_taxa = len(keys)
    for t in range(len(children)):
        for taxon in range(1, n_taxa):
            found[t, taxon] = keys[taxon]
        for i in range(n_taxa - 2):
            found[t, n_taxa + i] = found[t, children[t, i, 0]] ^ found[t, children[t, i, 1]]


@kernel()
def _canonical_all(
    kids: np.ndarray, tops: np.ndarray, values: np.ndarray, children: np.ndarray, of_edges: np.ndarray
) -> None:
    for t in range(len(kids)):
        _canonical(kids[t], tops[t], values[t], children[t], of_edges[t])


@kernel(inner=True, allocates=True)
def _canonical(kids: np.ndarray, top: int, above: np.ndarray, children: np.ndarray, lengths: np.ndarray) -> None:
    n_taxa = len(children) + 2
    # `canonical_form` takes the top node to be any number, but walks from it
    canonical_form(kids, top, children)
    number = np.empty(2 * n_taxa - 2, dtype=np.int64)
    stack = np.empty((2 * n_taxa, 2), dtype=np.int64)
    stack[0, 0], stack[0, 1] = top, 2 * n_taxa - 3
    count = 1
    lowest = np.empty(2 * n_taxa - 2, dtype=np.int64)
    order = np.empty(2 * n_taxa - 3, dtype=np.int64)
    order[0] = top
    filled = 1
    for i in range(2 * n_taxa - 3):
        node = order[i]
        if node >= n_taxa:
            order[filled], order[filled + 1] = kids[node, 0], kids[node, 1]
            filled += 2
    for i in range(filled - 1, -1, -1):
        node = order[i]
        lowest[node] = node if node < n_taxa else min(lowest[kids[node, 0]], lowest[kids[node, 1]])
    while count > 0:
        count -= 1
        node, place = stack[count, 0], stack[count, 1]
        number[node] = place
        if node < n_taxa:
            continue
        left, right = kids[node, 0], kids[node, 1]
        if lowest[left] > lowest[right]:
            left, right = right, left
        stack[count, 0], stack[count, 1] = left, children[place - n_taxa, 0]
        stack[count + 1, 0], stack[count + 1, 1] = right, children[place - n_taxa, 1]
        count += 2
    for i in range(2 * n_taxa - 3):
        node = order[i]
        if node == top:
            lengths[0] = above[node]
        else:
            lengths[number[node]] = above[node]
