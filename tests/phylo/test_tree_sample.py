import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import all_topologies, collect

TAXA = tuple("abcde")


def test_equal_topologies_merge_heaviest_first():
    pool = all_topologies(5)
    sample = collect(TAXA, pool[[3, 8, 3, 1, 8, 8]])
    np.testing.assert_array_equal(sample.topologies.children, pool.children[[8, 3, 1]])
    assert sample.weights.tolist() == [3, 2, 1]
    np.testing.assert_allclose(sample.probabilities(), [1 / 2, 1 / 3, 1 / 6])
    assert sample.taxa == TAXA
    assert sample.n_trees == 3


def test_weights_add_and_zeros_are_dropped():
    pool = all_topologies(5)
    sample = collect(TAXA, pool[[0, 1, 2, 0]], np.array([0.25, 0.0, 2.0, 0.5]))
    np.testing.assert_array_equal(sample.topologies.children, pool.children[[2, 0]])
    assert sample.weights.tolist() == [2.0, 0.75]


def test_ties_keep_their_order():
    pool = all_topologies(5)
    sample = collect(TAXA, pool[[9, 4, 6]])
    np.testing.assert_array_equal(sample.topologies.children, pool.children[[9, 4, 6]])


def test_head():
    sample = collect(TAXA, all_topologies(5), np.arange(15.0))
    head = sample.head(3)
    assert head.weights.tolist() == [14, 13, 12]
    assert head.n_trees == 3
    assert head.probabilities().sum() == pytest.approx(1)


def test_no_trees():
    with pytest.raises(InputError, match="no trees"):
        collect(TAXA, all_topologies(5)[:0])


@pytest.mark.parametrize("weights", [[1, -1], [1, np.nan], [np.inf, 1], [0, 0]])
def test_bad_weights(weights):
    with pytest.raises(InputError, match="tree weights"):
        collect(TAXA, all_topologies(5)[:2], np.array(weights, dtype=float))
