import math

import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.posterior.consensus import consensus_tree
from vbpi_mix.posterior.drawing.rooting import display_tree
from vbpi_mix.posterior.summaries import summarise_splits


def consensus(n_taxa=12, seed=3, **options):
    return consensus_tree(summarise_splits(made_up_draws(100, n_taxa, seed=seed)), **options)


def tip_distances(parents, lengths, n_taxa):
    """(N, N) path lengths between tips, from the parent of every node."""

    def to_root(node):
        path = {}
        total = 0.0
        while node >= 0:
            path[node] = total
            total += lengths[node]
            node = parents[node]
        return path

    paths = [to_root(i) for i in range(n_taxa)]
    return np.array([[min(a[x] + b[x] for x in a.keys() & b.keys()) for b in paths] for a in paths])


def display_parents(display):
    parents = [-1] * display.n_nodes
    for node, row in enumerate(display.children):
        for child in row:
            parents[child] = node
    return parents


@pytest.mark.parametrize("outgroup", [None, 0, 1, 5, 11])
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_rooting_changes_no_distance_between_tips(seed, outgroup):
    tree = consensus(seed=seed)
    display = display_tree(tree, outgroup=None if outgroup is None else tree.taxa[outgroup])
    lengths = np.where(np.isnan(tree.lengths), 0.0, tree.lengths)
    before = tip_distances(tree.parents.tolist(), lengths, 12)
    after = tip_distances(display_parents(display), display.lengths, 12)
    np.testing.assert_allclose(after, before, atol=1e-12)
    assert (display.lengths >= 0).all()
    assert sorted(display.pre_order()) == list(range(display.n_nodes))


@pytest.mark.parametrize("seed", range(8))
def test_midpoint_halves_the_longest_path(seed):
    tree = consensus(n_taxa=9, seed=seed, extended=seed % 2 == 0)
    display = display_tree(tree)
    parents = display_parents(display)

    def depth(node):
        return 0.0 if node == display.root else display.lengths[node] + depth(parents[node])

    def tips(node):
        return {node} if node < 9 else set().union(*(tips(child) for child in display.children[node]))

    longest = tip_distances(parents, display.lengths, 9).max()
    first, second = display.children[display.root]
    assert max(depth(t) for t in tips(first)) == pytest.approx(longest / 2)
    assert max(depth(t) for t in tips(second)) == pytest.approx(longest / 2)
    assert "midpoint-rooted for display" in display.rooting


def test_every_inner_edge_keeps_one_support():
    for seed in range(6):
        tree = consensus(seed=seed, extended=True)
        display = display_tree(tree)
        shown = sorted(s for s in display.supports if math.isfinite(s))
        assert shown == sorted(tree.supports[tree.n_taxa : tree.top])
        assert np.isnan(display.supports[: tree.n_taxa]).all()
        assert np.isnan(display.supports[display.root])


def test_supports_stay_with_their_splits():
    tree = consensus(seed=4, extended=True)
    splits = summarise_splits(made_up_draws(100, 12, seed=4))
    frequency = {frozenset(splits.members(i)): splits.frequency[i] for i in range(splits.n_splits)}
    display = display_tree(tree, outgroup=tree.taxa[7])

    def names(node):
        below = (names(child) for child in display.children[node])
        return frozenset([display.taxa[node]]) if node < 12 else frozenset().union(*below)

    labelled = [node for node in range(display.n_nodes) if math.isfinite(display.supports[node])]
    assert len(labelled) == 9
    for node in labelled:
        side = names(node)
        if tree.taxa[0] in side:
            side = frozenset(tree.taxa) - side
        assert display.supports[node] == frequency[side]


def test_outgroup_is_a_child_of_the_root():
    tree = consensus()
    display = display_tree(tree, outgroup="Pan")
    assert 3 in display.children[display.root]
    assert display.rooting == "rooted at Pan for display"


def test_a_tree_without_lengths_has_a_root_too():
    draws = made_up_draws(10, 6)
    draws.branch_lengths[:] = 0
    display = display_tree(consensus_tree(summarise_splits(draws)))
    assert sorted(display.pre_order()) == list(range(display.n_nodes))
    assert not display.lengths.any()


def test_unknown_outgroup():
    with pytest.raises(InputError, match="no taxon 'Bos'"):
        display_tree(consensus(), outgroup="Bos")
