"""A root for drawing. The posterior is over unrooted trees: nothing here says where the real root is."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.posterior.consensus import ConsensusTree


@dataclass(frozen=True, kw_only=True)
class DisplayTree:
    """A consensus tree with a root put in for drawing.

    Arguments:
        taxa: (N,) names; node i < N is the tip of taxon i.
        root: the root's node number.
        children: children of every node, those with fewer tips first.
        lengths: (n_nodes,) branch above each node; 0 for the root.
        supports: (n_nodes,) posterior probability of the split above each inner node; NaN for tips, for the root, and
            for the smaller half of the edge that the root cuts (so that each split is labelled once).
        rooting: description of the choice of the root, for captions.
    """

    taxa: tuple[str, ...]
    root: int
    children: tuple[tuple[int, ...], ...]
    lengths: np.ndarray
    supports: np.ndarray
    rooting: str

    @property
    def n_nodes(self) -> int:
        return len(self.children)

    def pre_order(self) -> list[int]:
        """All nodes, parents before children, in drawing order."""
        order, todo = [], [self.root]
        while todo:
            node = todo.pop()
            order.append(node)
            todo.extend(reversed(self.children[node]))
        return order


def display_tree(consensus: ConsensusTree, *, outgroup: str | None = None) -> DisplayTree:
    """Root a consensus tree for drawing.

    Arguments:
        consensus: the unrooted tree.
        outgroup: a taxon; the root is put in the middle of its pendant edge. If not given, the root is put half-way
            between the two tips that lie farthest apart.

    Raises:
        InputError: no taxon has the outgroup's name.
    """
    if outgroup is not None:
        if outgroup not in consensus.taxa:
            raise InputError(
                f"there is no taxon {outgroup!r} to root the drawing at; taxa: {', '.join(consensus.taxa)}"
            )
        edge = consensus.taxa.index(outgroup)
        return _cut(consensus, edge, float(consensus.lengths[edge]) / 2, f"rooted at {outgroup} for display")
    edge, above = _midpoint(consensus)
    return _cut(consensus, edge, above, "midpoint-rooted for display")


def tree_layout(display: DisplayTree) -> tuple[np.ndarray, np.ndarray]:
    """(n_nodes,) distance from the root, and row: tips one below the other, inner nodes amid their children."""
    x, y = np.zeros(display.n_nodes), np.zeros(display.n_nodes)
    order = display.pre_order()
    for node in order:
        for child in display.children[node]:
            x[child] = x[node] + display.lengths[child]
    tips = [node for node in order if not display.children[node]]
    y[tips] = np.arange(len(tips))
    for node in reversed(order):
        if display.children[node]:
            y[node] = (y[display.children[node][0]] + y[display.children[node][-1]]) / 2
    return x, y


def _neighbours(consensus: ConsensusTree) -> list[list[int]]:
    neighbours: list[list[int]] = [[] for _ in range(consensus.n_nodes)]
    for node, parent in enumerate(consensus.parents[:-1].tolist()):
        neighbours[node].append(parent)
        neighbours[parent].append(node)
    return neighbours


def _edge(consensus: ConsensusTree, a: int, b: int) -> int:
    """The edge between two neighbours, named by its lower node."""
    return a if consensus.parents[a] == b else b


def _walk(consensus: ConsensusTree, start: int) -> tuple[np.ndarray, list[int]]:
    """(n_nodes,) distances from a node, and the step before each node on the way from it."""
    neighbours = _neighbours(consensus)
    distance = np.zeros(consensus.n_nodes)
    previous = [-1] * consensus.n_nodes
    todo = [start]
    while todo:
        node = todo.pop()
        for other in neighbours[node]:
            if other != previous[node]:
                previous[other] = node
                distance[other] = distance[node] + consensus.lengths[_edge(consensus, node, other)]
                todo.append(other)
    return distance, previous


def _midpoint(consensus: ConsensusTree) -> tuple[int, float]:
    """The edge with the middle of the longest path between tips, and how far above its lower node that is."""
    tips = slice(0, consensus.n_taxa)
    start = int(_walk(consensus, 0)[0][tips].argmax())  # the tip farthest from any node ends a longest path
    distance, previous = _walk(consensus, start)
    node = int(distance[tips].argmax())
    if distance[node] == 0:  # no branch has a length: every place is the middle
        return 0, 0.0
    half = float(distance[node]) / 2
    while distance[previous[node]] > half:
        node = previous[node]
    edge = _edge(consensus, node, previous[node])
    beyond = float(distance[node]) - half  # from the middle to the far end of the edge
    return edge, beyond if edge == node else float(consensus.lengths[edge]) - beyond


def _cut(consensus: ConsensusTree, edge: int, above: float, rooting: str) -> DisplayTree:
    """Hang the tree from a new node on `edge`, `above` its lower node."""
    root, other = consensus.n_nodes, int(consensus.parents[edge])
    neighbours = _neighbours(consensus)
    n_nodes = consensus.n_nodes + 1
    children: list[tuple[int, ...]] = [()] * n_nodes
    lengths = np.zeros(n_nodes)
    supports = np.full(n_nodes, np.nan)
    children[root] = (edge, other)
    lengths[edge], lengths[other] = above, float(consensus.lengths[edge]) - above
    order = [(edge, other), (other, edge)]  # (node, the neighbour it hangs from)
    for node, parent in order:  # grows while it is read
        below = [x for x in neighbours[node] if x != parent]
        children[node] = tuple(below)
        for child in below:
            e = _edge(consensus, node, child)
            lengths[child] = consensus.lengths[e]
            if e >= consensus.n_taxa and child >= consensus.n_taxa:
                supports[child] = consensus.supports[e]
            order.append((child, node))
    n_tips = np.zeros(n_nodes, dtype=np.int64)
    n_tips[: consensus.n_taxa] = 1
    for node, _ in reversed(order):
        n_tips[node] += sum(n_tips[child] for child in children[node])
    if edge >= consensus.n_taxa:
        supports[max(edge, other, key=lambda node: n_tips[node])] = consensus.supports[edge]
    return DisplayTree(
        taxa=consensus.taxa,
        root=root,
        children=tuple(tuple(sorted(row, key=lambda node: n_tips[node])) for row in children),
        lengths=lengths,
        supports=supports,
        rooting=rooting,
    )
