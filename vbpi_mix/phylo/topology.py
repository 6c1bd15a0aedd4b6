"""Unrooted binary tree topologies as integer arrays.

Every topology of N taxa is stored in one canonical form, so equal arrays mean equal unrooted topologies:

* The tree hangs from taxon 0. Nodes 0..N-1 are the tips, nodes N..2N-3 the internal ones, numbered in
  post-order (children before parents), so that the *top* node 2N-3 is the neighbour of taxon 0.
* `children[i]` holds the two children of node N+i; the one whose clade has the lowest-ranked taxon is first.
* Edge e, 1 <= e <= 2N-4, is the edge above node e; edge 0 is the pendant edge of taxon 0, above the top node.
  Edges 0..N-1 are thus the pendant edges, in taxon order, and edges N..2N-4 the internal ones: E = 2N-3 in all.
* The split of an edge is named by its clade: the side without taxon 0 (edge 0: all taxa but taxon 0).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import clades


@dataclass(frozen=True)
class TopologyBatch:
    """T canonical topologies on the same N >= 3 taxa.

    Arguments:
        children: (T, N-2, 2) int32, see the module's description. Not checked: build it with
            `from_neighbours`, `stack` or a reader.
    """

    children: np.ndarray

    @property
    def n_trees(self) -> int:
        return int(self.children.shape[0])

    @property
    def n_taxa(self) -> int:
        return int(self.children.shape[1]) + 2

    @property
    def n_edges(self) -> int:
        return 2 * self.n_taxa - 3

    def __len__(self) -> int:
        return self.n_trees

    def __getitem__(self, index: slice | np.ndarray | Sequence[int]) -> "TopologyBatch":
        """The topologies at a slice, an index array or a mask; always a batch."""
        return TopologyBatch(self.children[index])

    def __iter__(self) -> Iterator["Topology"]:
        return (Topology(row) for row in self.children)

    def parents(self) -> np.ndarray:
        """(T, 2N-2) int32, the parent of every node; of the top node: 0, the tip it hangs from; of tip 0: -1."""
        n = self.n_taxa
        parents = np.full((self.n_trees, 2 * n - 2), -1, dtype=np.int32)
        rows = np.arange(self.n_trees)[:, None]
        internal = np.arange(n, 2 * n - 2, dtype=np.int32)
        parents[rows, self.children[:, :, 0]] = internal
        parents[rows, self.children[:, :, 1]] = internal
        parents[:, -1] = 0
        return parents

    def clades(self) -> np.ndarray:
        """(T, E, W) uint64 bit sets: the clade without taxon 0 on each edge (W words, see `phylo.clades`)."""
        words = self.node_clades()
        words[:, 0] = words[:, -1]
        return words[:, : self.n_edges]

    def node_clades(self) -> np.ndarray:
        """(T, 2N-2, W) uint64 bit sets: the taxa below each node; none below taxon 0."""
        n, rows = self.n_taxa, np.arange(self.n_trees)
        words = np.zeros((self.n_trees, 2 * n - 2, clades.n_words(n)), dtype=np.uint64)
        words[:, 1:n] = clades.singletons(n)[1:]
        for i in range(n - 2):
            left, right = self.children[:, i, 0], self.children[:, i, 1]
            words[:, n + i] = words[rows, left] | words[rows, right]
        return words

    def unique(self) -> tuple["TopologyBatch", np.ndarray]:
        """The distinct topologies, in order of first appearance, and (T,) the position of each tree among them."""
        rows = np.ascontiguousarray(self.children).reshape(self.n_trees, -1)
        keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first, kind="stable"), kind="stable")
        return self[np.sort(first)], rank[inverse.reshape(-1)]


@dataclass(frozen=True)
class Topology:
    """One canonical topology; `children` is (N-2, 2) int32."""

    children: np.ndarray

    @property
    def n_taxa(self) -> int:
        return int(self.children.shape[0]) + 2

    def batch(self) -> TopologyBatch:
        return TopologyBatch(self.children[None])

    def newick(self, taxa: Sequence[str], lengths: Sequence[float] | None = None, *, precision: int = 10) -> str:
        """Newick text `(taxon 0,...,...);` in canonical order, with branch lengths if given.

        Arguments:
            taxa: (N,) labels, written as they are (quote them before where the format needs it).
            lengths: (E,) branch lengths in expected substitutions per site.
            precision: significant digits of a length.
        """
        n = self.n_taxa

        def length(edge: int) -> str:
            return "" if lengths is None else f":{lengths[edge]:.{precision}g}"

        text = [f"{name}{length(i)}" for i, name in enumerate(taxa)] + [""] * (n - 2)
        for i, (left, right) in enumerate(self.children.tolist()):
            node = n + i
            inner = f"{text[left]},{text[right]}"
            text[node] = inner if node == 2 * n - 3 else f"({inner}){length(node)}"
            text[left] = text[right] = ""
        return f"({text[0]},{text[-1]});"


def stack(topologies: Sequence[Topology]) -> TopologyBatch:
    """A batch of topologies on the same number of taxa."""
    return TopologyBatch(np.stack([t.children for t in topologies]))


def from_neighbours(neighbours: Sequence[Sequence[int]], n_taxa: int) -> tuple[Topology, np.ndarray]:
    """The canonical form of an unrooted binary tree given by its adjacency lists.

    Arguments:
        neighbours: for each of the 2N-2 nodes (tips 0..N-1 first), the nodes that it touches.
        n_taxa: N >= 3.

    Returns:
        The topology, and (2N-2,) the canonical node of every given node.

    Raises:
        InputError: the lists are not those of an unrooted binary tree.
    """
    n = n_taxa
    degrees = [len(x) for x in neighbours]
    if len(neighbours) != 2 * n - 2 or degrees != [1] * n + [3] * (n - 2):
        raise InputError(f"not an unrooted binary tree of {n} taxa: nodes must touch one (tips) or three others")
    order: list[tuple[int, int]] = [(neighbours[0][0], 0)]
    for node, parent in order:  # grows while it is read: parents before children
        order.extend((x, node) for x in neighbours[node] if x != parent)
        if len(order) > 2 * n - 3:
            break
    if len(order) != 2 * n - 3 or len({node for node, _ in order}) != 2 * n - 3:
        raise InputError(f"not an unrooted binary tree of {n} taxa: the edges do not connect all of its nodes")
    lowest = list(range(n)) + [n] * (n - 2)
    for node, parent in reversed(order):
        if parent >= n:
            lowest[parent] = min(lowest[parent], lowest[node])
    canonical = np.arange(2 * n - 2)
    children = np.empty((n - 2, 2), dtype=np.int32)
    count = 0
    todo: list[tuple[int, int, bool]] = [(neighbours[0][0], 0, False)]
    while todo:
        node, parent, seen = todo.pop()
        if node < n:
            continue
        left, right = sorted((x for x in neighbours[node] if x != parent), key=lowest.__getitem__)
        if seen:
            children[count] = canonical[left], canonical[right]
            canonical[node] = n + count
            count += 1
        else:
            todo += [(node, parent, True), (right, node, False), (left, node, False)]
    return Topology(children), canonical
