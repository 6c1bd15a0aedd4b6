"""Trees as tree-building programs write them, polytomies resolved at random."""

import numpy as np

from vbpi_mix.errors import BackendError, InputError
from vbpi_mix.io.newick import read_nodes
from vbpi_mix.phylo.topology import Topology, from_neighbours


def resolve_newick(text: str, n_taxa: int, generator: np.random.Generator) -> Topology:
    """An unrooted binary topology from Newick text whose tips are the integers 0..N-1.

    Lengths are ignored and a root with two neighbours is removed. A node with more than three neighbours becomes a
    binary subtree, drawn uniformly from all of those on its neighbours: programs write such nodes where sequences
    are equal, and one fixed resolution would put all weight on an arbitrary topology.

    Raises:
        BackendError: the text is not a tree of these tips.
    """
    neighbours = _read(text, n_taxa)
    for node in range(n_taxa, len(neighbours)):
        around = neighbours[node]
        if len(around) == 2:
            a, b = around
            neighbours[a][neighbours[a].index(node)] = b
            neighbours[b][neighbours[b].index(node)] = a
            neighbours[node] = []
        elif len(around) > 3:
            _resolve(neighbours, node, generator)
    kept = [i for i, around in enumerate(neighbours) if around]
    number = {old: new for new, old in enumerate(kept)}
    return from_neighbours([[number[x] for x in neighbours[i]] for i in kept], n_taxa)[0]


def _resolve(neighbours: list[list[int]], node: int, generator: np.random.Generator) -> None:
    """Attach the neighbours of `node` beyond the third one after the other to a random edge between them."""
    around = neighbours[node]
    neighbours[node] = around[:3]
    edges = [(x, node) for x in around[:3]]
    for x in around[3:]:
        a, b = edges.pop(int(generator.integers(len(edges))))
        inner = len(neighbours)
        neighbours.append([a, b, x])
        neighbours[a][neighbours[a].index(b)] = inner
        neighbours[b][neighbours[b].index(a)] = inner
        neighbours[x][neighbours[x].index(node)] = inner
        edges += [(a, inner), (inner, b), (x, inner)]


def _read(text: str, n_taxa: int) -> list[list[int]]:
    """Neighbours of every node: tips 0..N-1, then inner nodes as their brackets open."""
    try:
        root = read_nodes(text, "tree", with_lengths=False)
    except InputError as error:
        raise BackendError(f"the tree builder wrote no complete tree of {n_taxa} tips: {error}") from error
    neighbours: list[list[int]] = [[] for _ in range(n_taxa)]
    todo = [(root, -1)]
    while todo:
        node, parent = todo.pop()
        number = len(neighbours) if node.kids else _tip(node.label, neighbours[:n_taxa])
        if node.kids:
            neighbours.append([])
        if parent >= 0:
            neighbours[number].append(parent)
            neighbours[parent].append(number)
        todo.extend((kid, number) for kid in reversed(node.kids))
    if not all(neighbours[:n_taxa]):
        raise BackendError(f"the tree builder wrote no complete tree of {n_taxa} tips: {text[:80]!r}")
    return neighbours


def _tip(label: str, tips: list[list[int]]) -> int:
    if not (label.isascii() and label.isdigit() and int(label) < len(tips) and not tips[int(label)]):
        raise BackendError(f"the tree builder wrote a tree with tip {label!r}, expected 0..{len(tips) - 1} once")
    return int(label)
