"""Trees as tensors: there and back, the form for the likelihood, interchanges and regrafts."""

import numpy as np
import pytest
import torch

from vbpi_mix.anneal.batched.trees import (
    Trees,
    below,
    canonical,
    interchange,
    layout,
    make_trees,
    node_lengths,
    regraft,
)
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, random_topologies
from vbpi_mix.phylo.distances import robinson_foulds

CPU = torch.device("cpu")
SIZES = (3, 4, 5, 9, 70)


def random_trees(n_taxa, n_trees=12, seed=0):
    generator = np.random.default_rng(seed)
    topologies = random_topologies(n_trees, n_taxa, generator)
    x = generator.normal(-2.0, 1.0, (n_trees, topologies.n_edges))
    return topologies, x, make_trees(topologies, CPU), node_lengths(x, CPU)


def assert_consistent(trees):
    """All that a tree carries is that of a tree made anew from its children."""
    found, x = canonical(trees, torch.zeros(trees.up.shape, dtype=torch.float64))
    assert not x.any()
    anew = make_trees(found, CPU)
    for mine, fresh in zip((trees.sizes, trees.hashes), (anew.sizes, anew.hashes), strict=True):
        np.testing.assert_array_equal(np.sort(mine.numpy(), axis=1), np.sort(fresh.numpy(), axis=1))
    n = trees.n_taxa
    for t in range(trees.n_trees):
        by_hash = {int(h): s.tolist() for h, s in zip(anew.hashes[t], anew.sets[t], strict=True)}
        assert [by_hash[int(h)] for h in trees.hashes[t]] == trees.sets[t].tolist()
        for node in range(n, 2 * n - 2):
            for kid in trees.kids[t, node].tolist():
                assert trees.up[t, kid] == node
        assert trees.up[t, trees.top[t]] == 0


@pytest.mark.parametrize("n_taxa", SIZES)
def test_trees_come_back_as_they_were(n_taxa):
    topologies, x, trees, at_nodes = random_trees(n_taxa)
    found, lengths = canonical(trees, at_nodes)
    np.testing.assert_array_equal(found.children, topologies.children)
    np.testing.assert_array_equal(lengths, x)
    assert_consistent(trees)


@pytest.mark.parametrize("n_taxa", SIZES[1:])
def test_the_likelihood_does_not_depend_on_the_numbers_of_nodes(n_taxa):
    topologies, x, trees, at_nodes = random_trees(n_taxa)
    generator = np.random.default_rng(1)
    # other numbers for internal nodes, and children the other way round
    n, n_nodes = n_taxa, 2 * n_taxa - 2
    order = torch.from_numpy(np.concatenate([np.arange(n), n + generator.permutation(n - 2)]))
    number = order.argsort()
    renamed = Trees(
        number[trees.kids][:, order].flip(2), number[trees.up][:, order], trees.sizes[:, order],
        trees.hashes[:, order], trees.sets[:, order],
    )  # fmt: skip
    assert_consistent(renamed)
    sets = (1 << generator.integers(4, size=(n, 7))).astype(np.uint8)
    model = PhyloModel(SitePatterns(state_sets=sets, weights=np.ones(7)), n)
    for some, values in ((trees, at_nodes), (renamed, at_nodes[:, order])):
        found = layout(some)
        assert found.nodes.shape == (len(x), n_nodes - 1)
        lengths = values.gather(1, found.nodes).exp()
        torch.testing.assert_close(
            model.log_likelihood(lengths, found.topologies),
            model.log_likelihood(torch.from_numpy(np.exp(x)), topologies),
            rtol=1e-12, atol=0.0,
        )  # fmt: skip


@pytest.mark.parametrize("n_taxa", SIZES[1:])
@pytest.mark.parametrize("way", [0, 1])
def test_an_interchange_changes_one_split_and_undoes_itself(n_taxa, way):
    topologies, _, trees, _ = random_trees(n_taxa)
    rows = range(trees.n_trees)
    inner = [[v for v in range(n_taxa, 2 * n_taxa - 2) if v != trees.top[t]] for t in rows]
    generator = np.random.default_rng(2)
    nodes = torch.tensor([generator.choice(v) for v in inner])
    ways = torch.full_like(nodes, way)
    changed = interchange(trees, nodes, ways)
    assert_consistent(changed)
    assert distances(changed, topologies) == [2] * trees.n_trees
    for mine, before in zip(interchange(changed, nodes, ways), trees, strict=True):
        torch.testing.assert_close(mine, before)


@pytest.mark.parametrize("n_taxa", SIZES[1:])
def test_a_regraft_leaves_the_rest_of_the_tree_and_can_be_undone(n_taxa):
    topologies, _, trees, _ = random_trees(n_taxa, n_trees=60)
    generator = np.random.default_rng(3)
    nodes, places = [], []
    for t in range(trees.n_trees):
        while True:
            v = int(generator.integers(1, 2 * n_taxa - 2))
            if v == trees.top[t]:
                continue
            under = below(trees, torch.full((trees.n_trees,), v))[t]
            free = [w for w in range(1, 2 * n_taxa - 2) if not under[w] and w != trees.up[t, v]]
            if free:
                break
        nodes.append(v)
        places.append(generator.choice(free))
    nodes, places = torch.tensor(nodes), torch.tensor(places)
    siblings = trees.siblings(nodes[:, None])[:, 0]
    changed = regraft(trees, nodes, places)
    assert_consistent(changed)
    far = np.array(distances(changed, topologies))
    np.testing.assert_array_equal(far == 0, (siblings == places).numpy())
    torch.testing.assert_close(changed.siblings(nodes[:, None])[:, 0], places)
    back = regraft(changed, nodes, siblings)
    assert_consistent(back)
    assert distances(back, topologies) == [0] * trees.n_trees


def distances(trees, topologies):
    """Robinson and Foulds's distance of each tree from its topology."""
    found, _ = canonical(trees, torch.zeros(trees.up.shape, dtype=torch.float64))
    return [robinson_foulds(a, b) for a, b in zip(found, topologies, strict=True)]
