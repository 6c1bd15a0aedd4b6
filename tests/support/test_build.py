import numpy as np
import pytest

from tests.support.oracle import all_pairs, described_entries
from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import TopologyBatch, all_topologies, clades, random_topologies
from vbpi_mix.support import build_support


def stirling_pairs(n):
    """Numbers of splits and tripartitions of n taxa into 2 and 3 non-empty sets."""
    return 2 ** (n - 1) - 1, (3 ** (n - 1) + 1) // 2 - 2 ** (n - 1)


@pytest.mark.parametrize("n_taxa", [3, 4, 5, 6, 7])
def test_complete_support_has_everything(n_taxa):
    support = build_support(all_topologies(n_taxa))
    assert (support.n_splits, support.n_tripartitions) == stirling_pairs(n_taxa)


@pytest.mark.parametrize(("n_taxa", "n_trees"), [(3, 1), (4, 2), (5, 4), (6, 105), (9, 20), (70, 3)])
def test_entries_are_the_pairs_of_all_rootings(n_taxa, n_trees):
    topologies = random_topologies(n_trees, n_taxa, np.random.default_rng(n_taxa))
    support = build_support(topologies)
    entries = described_entries(support)
    assert len(entries) == len(set(entries)) == support.n_params
    assert set(entries) == all_pairs(topologies)


@pytest.mark.parametrize("n_taxa", [12, 64, 65, 130])
def test_numbering_depends_on_the_set_of_topologies_only(n_taxa):
    rng = np.random.default_rng(2)
    topologies = random_topologies(40, n_taxa, rng)
    support = build_support(topologies)
    shuffled = topologies[rng.integers(40, size=20).tolist() + rng.permutation(40).tolist()]
    again = build_support(shuffled)
    assert again == support
    for name, array in support.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    assert build_support(topologies[:39]) != support


def test_pendant_splits_come_first():
    support = build_support(random_topologies(5, 70, np.random.default_rng(3)))
    np.testing.assert_array_equal(clades.members(support.splits[0], 70), np.arange(70) != 0)
    np.testing.assert_array_equal(support.splits[1:70], clades.singletons(70)[1:])
    assert (clades.sizes(support.splits[70:]) > 1).all()
    assert not clades.members(support.splits[1:], 70)[:, 0].any()


def test_tables_grow():
    # many more distinct items than the first tables hold
    topologies = random_topologies(300, 30, np.random.default_rng(4))
    flat = topologies.clades()[:, 30:].reshape(-1)
    assert build_support(topologies).n_splits == 30 + len(np.unique(flat))


def test_no_trees():
    with pytest.raises(SupportError, match="no trees"):
        build_support(TopologyBatch(np.empty((0, 3, 2), dtype=np.int32)))
