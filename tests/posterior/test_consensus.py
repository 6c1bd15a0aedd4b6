from itertools import combinations

import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.phylo import all_topologies
from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.summaries import summarise_splits


def splits_of(tree: ConsensusTree) -> dict[frozenset[int], int]:
    """Taxa below every inner node but the top, and the node."""
    below = [{i} if i < tree.n_taxa else set() for i in range(tree.n_nodes)]
    for node, parent in enumerate(tree.parents[:-1].tolist()):
        assert parent > node or node == 0
        below[parent] |= below[node]
    assert below[tree.top] == set(range(tree.n_taxa))
    return {frozenset(below[node]): node for node in range(tree.n_taxa, tree.top)}


def named(splits, i):
    return frozenset(splits.taxa.index(name) for name in splits.members(i))


def compatible(a, b):
    return a <= b or b <= a or not a & b


@pytest.mark.parametrize("n_taxa", [4, 7, 12, 70, 140])
@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_majority_rule_has_exactly_the_frequent_splits(n_taxa, threshold):
    splits = summarise_splits(made_up_draws(60, n_taxa, n_topologies=2 if n_taxa > 20 else 4))
    tree = consensus_tree(splits, threshold=threshold)
    expected = {named(splits, i): i for i in range(splits.n_splits) if splits.frequency[i] > threshold}
    found = splits_of(tree)
    assert found.keys() == expected.keys()
    for names, node in found.items():
        i = expected[names]
        assert tree.supports[node] == splits.frequency[i]
        assert tree.support_errors[node] == splits.standard_error[i]
        assert tree.lengths[node] == splits.mean_length[i]
        assert tree.length_sds[node] == splits.length_sd[i]
    np.testing.assert_array_equal(tree.lengths[:n_taxa], splits.pendant_mean_length)
    assert np.isnan(tree.lengths[tree.top])
    if n_taxa >= 7 and threshold == 0.5:
        assert expected, "a consensus without any split tests nothing"


def test_extended_consensus_is_greedy_by_frequency():
    splits = summarise_splits(made_up_draws(200, 10, n_topologies=12, ratio=0.9))
    chosen = []
    for i in range(splits.n_splits):
        if all(compatible(named(splits, i), other) for other in chosen):
            chosen.append(named(splits, i))
    plain, extended = consensus_tree(splits), consensus_tree(splits, extended=True)
    assert splits_of(extended).keys() == set(chosen)
    assert splits_of(plain).keys() < splits_of(extended).keys()
    assert all(compatible(a, b) for a, b in combinations(splits_of(extended), 2))
    assert "extended" in extended.describe()


def test_one_topology_is_its_own_consensus():
    draws = made_up_draws(5, 15, n_topologies=1)
    tree = consensus_tree(summarise_splits(draws))
    topology = next(iter(draws.topologies))
    clades = topology.batch().clades()[0, 15:]
    expected = {frozenset(t for t in range(15) if int(w[0]) >> t & 1) for w in clades}
    assert splits_of(tree).keys() == expected
    np.testing.assert_allclose(tree.supports[:-1], 1)


def test_two_conflicting_halves_are_both_left_out():
    """Weights of one half each may sum to a little more than one half by rounding."""
    pair = all_topologies(4)[:2]
    for n in (2, 6, 10, 14, 22, 30):
        draws = PosteriorDraws(
            taxa=tuple("abcd"),
            topologies=pair[np.arange(n) % 2],
            branch_lengths=np.ones((n, 5)),
            log_weights=np.full(n, -0.1),
            components=np.zeros(n, dtype=int),
        )
        assert splits_of(consensus_tree(summarise_splits(draws))) == {}
        assert len(splits_of(consensus_tree(summarise_splits(draws), extended=True))) == 1


def test_three_taxa_are_a_star():
    tree = consensus_tree(summarise_splits(made_up_draws(3, 3)))
    assert tree.n_nodes == 4
    assert tree.parents.tolist() == [3, 3, 3, -1]
    assert tree.children()[3] == [0, 1, 2]


def test_children_are_ordered_by_their_lowest_taxon():
    tree = consensus_tree(summarise_splits(made_up_draws(50, 12)))
    below = {node: names for names, node in splits_of(tree).items()} | {i: frozenset([i]) for i in range(12)}
    for node, row in enumerate(tree.children()):
        assert all(tree.parents[child] == node for child in row)
        firsts = [min(below[child]) for child in row]
        assert firsts == sorted(firsts)


@pytest.mark.parametrize("threshold", [0.49, 1.0, -1])
def test_thresholds_out_of_range(threshold):
    with pytest.raises(InputError, match=r"at least 0\.5"):
        consensus_tree(summarise_splits(made_up_draws(5)), threshold=threshold)
