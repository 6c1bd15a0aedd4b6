"""Trees in the forms of other programs."""

import warnings

import dendropy

from vbpi_mix.phylo.topology import Topology

with warnings.catch_warnings():  # of its own deprecated imports
    warnings.simplefilter("ignore")
    import ete3


def adjacency(topology: Topology) -> list[list[int]]:
    """Neighbours of every node of a canonical topology."""
    n = topology.n_taxa
    neighbours = [[] for _ in range(2 * n - 2)]
    edges = [(n + i, int(child)) for i, pair in enumerate(topology.children) for child in pair] + [(0, 2 * n - 3)]
    for a, b in edges:
        neighbours[a].append(b)
        neighbours[b].append(a)
    return neighbours


def scrambled(topology: Topology, generator) -> tuple[list[list[int]], list[int]]:
    """The same tree with its inner nodes renumbered and all lists shuffled; and the new number of each node."""
    n = topology.n_taxa
    number = list(range(n)) + (n + generator.permutation(n - 2)).tolist()
    result = [[] for _ in number]
    for node, row in enumerate(adjacency(topology)):
        result[number[node]] = [number[x] for x in generator.permutation(row).tolist()]
    return result, number


def names(n_taxa: int) -> tuple[str, ...]:
    return tuple(f"t{i}" for i in range(n_taxa))


def in_dendropy(topology: Topology, namespace: dendropy.TaxonNamespace) -> dendropy.Tree:
    text = topology.newick(names(topology.n_taxa))
    tree = dendropy.Tree.get(data=text, schema="newick", taxon_namespace=namespace, rooting="force-unrooted")
    tree.encode_bipartitions()
    return tree


def in_ete3(topology: Topology) -> ete3.Tree:
    return ete3.Tree(topology.newick(names(topology.n_taxa)))
