import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from vbpi_mix.evaluate.distances.lengths import length_agreement, wasserstein
from vbpi_mix.phylo import all_topologies
from vbpi_mix.phylo.tree_sample import TreesWithLengths

TAXA = tuple("abcd")


def trees(lengths, which=None, weights=None):
    n = len(lengths)
    which = np.zeros(n, dtype=int) if which is None else which
    weights = np.full(n, 1 / n) if weights is None else weights / weights.sum()
    return TreesWithLengths(taxa=TAXA, topologies=all_topologies(4)[which], branch_lengths=lengths, weights=weights)


@pytest.mark.parametrize("seed", range(5))
def test_the_distance_is_scipys(seed):
    generator = np.random.default_rng(seed)
    x, y = generator.gamma(2, size=40), generator.gamma(2.5, size=70).round(1)  # with ties
    u, v = generator.random(40), generator.random(70)
    assert wasserstein(x, u, y, v) == pytest.approx(wasserstein_distance(x, y, u, v), rel=1e-12)


def test_a_shift_is_its_size():
    generator = np.random.default_rng(1)
    lengths = generator.gamma(2, 0.05, size=(200, 5))
    shifted = lengths.copy()
    shifted[:, 3] += 0.1
    found = length_agreement(trees(shifted), trees(lengths))
    assert found.distance.sum() == pytest.approx(0.1)
    assert found.mean_distance == pytest.approx(0.1 / 5)
    worst = int(found.distance.argmax())
    assert found.relative[worst] == pytest.approx(0.1 / lengths[:, 3].std())
    assert found.means[0, worst] - found.means[1, worst] == pytest.approx(0.1)


def test_an_inner_edge_is_compared_over_the_trees_that_have_it():
    generator = np.random.default_rng(2)
    lengths = generator.gamma(2, 0.05, size=(100, 5))
    which = np.arange(100) % 2
    found = length_agreement(trees(lengths, which), trees(lengths[::-1], which[::-1]))
    assert sorted(found.weight) == pytest.approx([0.5, 0.5, 1, 1, 1, 1])
    assert found.mean_distance == pytest.approx(0, abs=1e-15)
    rare = np.where(np.arange(100) < 5, 1, 0)
    assert len(length_agreement(trees(lengths, rare), trees(lengths, which)).weight) == 5  # 0.05 is too rare
