"""Trees as tree-building programs write them, polytomies resolved at random."""

import re

import numpy as np

from vbpi_mix.errors import BackendError
from vbpi_mix.phylo.topology import Topology, from_neighbours

_TOKEN = re.compile(r"[(),;]|[^(),;]+")


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
    neighbours: list[list[int]] = [[] for _ in range(n_taxa)]
    path: list[int] = []
    after_bracket = False
    for token in _TOKEN.findall(text.strip()):
        if token == "(":
            _join(neighbours, len(neighbours), path)
            path.append(len(neighbours) - 1)
        elif token == ")" and path:
            path.pop()
        elif token not in (",", ";") and not after_bracket:
            label = token.split(":")[0].strip()
            if not (label.isdigit() and int(label) < n_taxa and path and not neighbours[int(label)]):
                raise BackendError(f"the tree builder wrote a tree with tip {label!r}, expected 0..{n_taxa - 1} once")
            _join(neighbours, int(label), path)
        after_bracket = token == ")"
    if path or not all(neighbours[:n_taxa]):
        raise BackendError(f"the tree builder wrote no complete tree of {n_taxa} tips: {text[:80]!r}")
    return neighbours


def _join(neighbours: list[list[int]], node: int, path: list[int]) -> None:
    if node == len(neighbours):
        neighbours.append([])
    if path:
        neighbours[node].append(path[-1])
        neighbours[path[-1]].append(node)
