import numpy as np

from tests.posterior.examples import PRIMATES, made_up_draws
from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.drawing.tree_text import draw_consensus
from vbpi_mix.posterior.summaries import summarise_splits


def test_labels_and_supports_are_all_there():
    tree = consensus_tree(summarise_splits(made_up_draws()))
    text = draw_consensus(tree)
    tips = [line.rsplit("-", 1)[1] for line in text.splitlines() if "-" in line and line.rsplit("-", 1)[1] in PRIMATES]
    assert sorted(tips) == sorted(PRIMATES)
    supports = [f"-{s:.2f}" for s in tree.supports[tree.n_taxa : tree.top]]
    assert supports
    for support in set(supports):
        assert text.count(support) == supports.count(support)
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_small_tree_to_the_letter():
    draws = made_up_draws(1, 4, n_topologies=1, seed=1, taxa=("a b", "it's", "c;d", "(e)"))
    draws.branch_lengths[:] = 0.1
    text = draw_consensus(consensus_tree(summarise_splits(draws)), outgroup="a b")
    assert text.splitlines()[0] == "   /-a b"
    assert text.count("-1.00") == 1
    assert {line.split("-")[-1] for line in text.splitlines() if line[-1] not in "|-"} >= {"a b", "it's", "c;d", "(e)"}


def test_supports_of_a_polytomy_do_not_run_together():
    parents = np.array([11, 10, 8, 8, 9, 9, 11, 11, 10, 10, 11, -1])
    supports = np.array([*np.ones(8), 0.84, 0.97, 1.0, np.nan])
    zeros = np.zeros(12)
    tree = ConsensusTree(
        taxa=tuple("abcdefgh"), parents=parents, lengths=np.ones(12), supports=supports, support_errors=zeros,
        length_sds=zeros, threshold=0.5, extended=False,
    )  # fmt: skip
    text = draw_consensus(tree, outgroup="a")
    assert "\\-1.00 0.84" in text
