"""All topologies of a few taxa: the oracle of small problems."""

import math

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.topology import TopologyBatch, from_neighbours, stack

_MOST_TAXA = 9


def log_n_topologies(n_taxa: int) -> float:
    """log (2N-5)!!, the log number of unrooted binary topologies of N >= 3 taxa."""
    return float(sum(math.log(k) for k in range(3, 2 * n_taxa - 4, 2)))


def all_topologies(n_taxa: int) -> TopologyBatch:
    """The (2N-5)!! topologies of 3 <= N <= 9 taxa, by inserting one taxon after the other on every edge.

    Raises:
        InputError: N outside that range (10 taxa have two million topologies).
    """
    if not 3 <= n_taxa <= _MOST_TAXA:
        raise InputError(f"cannot enumerate the topologies of {n_taxa} taxa: 3 to {_MOST_TAXA} are possible")
    # a tree of the first m taxa is its list of edges; inner nodes are numbered from n_taxa on
    trees = [[(0, n_taxa), (1, n_taxa), (2, n_taxa)]]
    for taxon in range(3, n_taxa):
        inner = n_taxa + taxon - 2
        trees = [
            [*tree[:i], *tree[i + 1 :], (a, inner), (inner, b), (taxon, inner)]
            for tree in trees
            for i, (a, b) in enumerate(tree)
        ]
    result = []
    for tree in trees:
        neighbours: list[list[int]] = [[] for _ in range(2 * n_taxa - 2)]
        for a, b in tree:
            neighbours[a].append(b)
            neighbours[b].append(a)
        result.append(from_neighbours(neighbours, n_taxa)[0])
    return stack(result)


def random_topologies(n_trees: int, n_taxa: int, generator: np.random.Generator) -> TopologyBatch:
    """Topologies drawn from the uniform distribution over unrooted binary topologies (N >= 3)."""
    result = []
    for _ in range(n_trees):
        edges = [(0, n_taxa), (1, n_taxa), (2, n_taxa)]
        for taxon in range(3, n_taxa):
            inner = n_taxa + taxon - 2
            a, b = edges.pop(int(generator.integers(len(edges))))
            edges += [(a, inner), (inner, b), (taxon, inner)]
        neighbours: list[list[int]] = [[] for _ in range(2 * n_taxa - 2)]
        for a, b in edges:
            neighbours[a].append(b)
            neighbours[b].append(a)
        result.append(from_neighbours(neighbours, n_taxa)[0])
    return stack(result)
