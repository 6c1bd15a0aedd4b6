"""Neighbouring topologies against the definition: distances between clade sets, and counts."""

import numpy as np
import pytest

from vbpi_mix.phylo import all_topologies, from_neighbours, random_topologies
from vbpi_mix.phylo.neighbours import nni_neighbours, spr_neighbours


def clade_sets(batch):
    return [{tuple(row) for row in tree} for tree in batch.clades().tolist()]


def keys(batch):
    return {tree.children.tobytes() for tree in batch}


def by_definition(topology, *, most_nodes):
    """Every clade, either side of every edge, moved to every edge; with the nodes between old and new place."""
    n = topology.n_taxa
    edges = [(0, 2 * n - 3)] + [(n + i, int(c)) for i, pair in enumerate(topology.children) for c in pair]
    found = {}
    for a, b in edges:
        for root, joint in ((a, b), (b, a)):  # the part at `root` is pruned; `joint` leaves the tree with it
            if joint < n:
                continue
            near = [x if y == joint else y for x, y in edges if joint in (x, y) and root not in (x, y)]
            rest = [e for e in edges if joint not in e]
            rest.append((near[0], near[1]))
            pruned = {root}
            while True:
                more = {y for x, y in rest if x in pruned} | {x for x, y in rest if y in pruned}
                if more <= pruned:
                    break
                pruned |= more
            distance = {near[0]: 0, near[1]: 0}
            todo = list(near)
            while todo:
                node = todo.pop()
                for x, y in rest:
                    other = y if x == node else x if y == node else None
                    if other is not None and other not in distance and other not in pruned:
                        distance[other] = distance[node] + 1
                        todo.append(other)
            for x, y in rest:
                if x in pruned or (x, y) == (near[0], near[1]):
                    continue
                nodes = min(distance[x], distance[y]) + 1
                if nodes > most_nodes:
                    continue
                tree = [e for e in rest if e != (x, y)] + [(x, joint), (joint, y), (joint, root)]
                neighbours = [[] for _ in range(2 * n - 2)]
                for u, v in tree:
                    neighbours[u].append(v)
                    neighbours[v].append(u)
                key = from_neighbours(neighbours, n)[0].children.tobytes()
                found[key] = min(found.get(key, 99), nodes)
    found.pop(topology.children.tobytes(), None)
    return found


@pytest.mark.parametrize("n_taxa", [4, 5, 8, 20, 70])
def test_interchanges_change_one_split(n_taxa):
    topologies = random_topologies(3, n_taxa, np.random.default_rng(n_taxa))
    found = nni_neighbours(topologies)
    each = 2 * (n_taxa - 3)
    assert found.n_trees == 3 * each
    own = clade_sets(topologies)
    for i, clades in enumerate(clade_sets(found)):
        assert len(clades - own[i // each]) == 1
    for i in range(3):
        assert len(keys(found[i * each : (i + 1) * each])) == each


def test_interchanges_are_canonical_and_symmetric():
    everything = all_topologies(6)
    known = keys(everything)
    near = {t.children.tobytes(): keys(nni_neighbours(t.batch())) for t in everything}
    for key, found in near.items():
        assert found <= known
        assert len(found) == 6
        assert all(key in near[other] for other in found)


def test_three_taxa_have_no_neighbours():
    assert nni_neighbours(all_topologies(3)).n_trees == 0


@pytest.mark.parametrize("n_taxa", [5, 7, 11])
@pytest.mark.parametrize("radius", [2, 3, 30])
def test_regrafted_clades_are_those_of_the_definition(n_taxa, radius):
    for topology in random_topologies(4, n_taxa, np.random.default_rng(n_taxa + radius)):
        found = keys(spr_neighbours(topology.batch(), radius=radius))
        near = keys(nni_neighbours(topology.batch()))
        wanted = by_definition(topology, most_nodes=radius)
        assert {key for key, nodes in wanted.items() if nodes == 1} == near
        # some moves over two nodes are interchanges as well
        assert found | near == set(wanted)
        assert topology.children.tobytes() not in found


def test_several_trees_at_once_are_regrafted_like_each_alone():
    topologies = random_topologies(5, 12, np.random.default_rng(1))
    together = keys(spr_neighbours(topologies, radius=4))
    assert together == set().union(*(keys(spr_neighbours(t.batch(), radius=4)) for t in topologies))
