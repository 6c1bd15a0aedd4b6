"""The texts are read back by DendroPy."""

import math

import dendropy
import pytest

from tests.posterior.examples import PRIMATES, made_up_draws
from vbpi_mix.posterior.consensus import consensus_tree
from vbpi_mix.posterior.export.consensus_files import consensus_newick, consensus_nexus
from vbpi_mix.posterior.summaries import summarise_splits


@pytest.fixture(params=[False, True], ids=["majority", "extended"])
def consensus(request):
    return consensus_tree(summarise_splits(made_up_draws()), extended=request.param)


def below(node):
    return frozenset(leaf.taxon.label for leaf in node.leaf_iter())


def expected_nodes(consensus):
    """Taxa below every node but the top: (support, length, node number)."""
    names = [{name} for name in consensus.taxa] + [set() for _ in range(consensus.n_nodes - consensus.n_taxa)]
    for node, parent in enumerate(consensus.parents[:-1].tolist()):
        names[parent] |= names[node]
    return {frozenset(names[i]): i for i in range(consensus.n_nodes - 1)}


def test_newick_with_supports_as_labels(consensus):
    tree = dendropy.Tree.get(data=consensus_newick(consensus), schema="newick", preserve_underscores=True)
    expected = expected_nodes(consensus)
    seen = 0
    for node in tree.preorder_node_iter(lambda n: n.parent_node is not None):
        number = expected[below(node)]
        assert node.edge.length == pytest.approx(consensus.lengths[number], rel=1e-5)
        if not node.is_leaf():
            assert float(node.label) == pytest.approx(consensus.supports[number], rel=1e-5)
        seen += 1
    assert seen == consensus.n_nodes - 1
    assert {leaf.taxon.label for leaf in tree.leaf_node_iter()} == set(PRIMATES)


def test_nexus_with_annotations(consensus):
    text = consensus_nexus(consensus)
    tree = dendropy.Tree.get(data=text, schema="nexus", extract_comment_metadata=True, preserve_underscores=True)
    expected = expected_nodes(consensus)
    assert tree.is_rooted is False
    assert [t.label for t in tree.taxon_namespace] == list(PRIMATES)
    for node in tree.preorder_node_iter(lambda n: n.parent_node is not None):
        number = expected[below(node)]
        notes = {a.name: float(a.value) for a in node.annotations}
        assert node.edge.length == pytest.approx(consensus.lengths[number], rel=1e-5)
        assert notes["length_mean"] == pytest.approx(consensus.lengths[number], rel=1e-5)
        assert notes["length_sd"] == pytest.approx(consensus.length_sds[number], rel=1e-5)
        if node.is_leaf():
            assert "prob" not in notes
        else:
            assert notes["prob"] == pytest.approx(consensus.supports[number], rel=1e-5)
            assert notes["prob_stddev"] == pytest.approx(consensus.support_errors[number], rel=1e-5)


def test_precision():
    consensus = consensus_tree(summarise_splits(made_up_draws()))
    assert len(consensus_newick(consensus, precision=3)) < len(consensus_newick(consensus, precision=12))
    assert not any(math.isnan(float(x)) for x in consensus.supports[:-1])
    assert "nan" not in consensus_newick(consensus)
    assert "nan" not in consensus_nexus(consensus)
