import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.distances.topologies import (
    LOWEST_PROBABILITY,
    credible_size,
    density_distance,
    entropy,
    kl_divergence,
    sample_distance,
)
from vbpi_mix.phylo import TreeSample, all_topologies

TAXA = tuple("abcde")
TREES = all_topologies(5)


def sample(*weights):
    """Weights of the first topologies of five taxa; zeros are left out."""
    index = np.flatnonzero(weights)
    return TreeSample(taxa=TAXA, topologies=TREES[index], weights=np.array(weights, dtype=float)[index])


def test_entropy_and_credible_sets():
    assert entropy(np.full(8, 0.125)) == pytest.approx(np.log(8))
    assert entropy(np.array([1.0, 0.0])) == 0
    p = np.array([0.05, 0.5, 0.3, 0.15])
    assert [credible_size(p, level) for level in (0.4, 0.5, 0.51, 0.8, 0.95, 1.0)] == [1, 1, 2, 2, 3, 4]


def test_kl_of_two_distributions():
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert kl_divergence(p, np.log(q)) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))
    floored = 0.5 * np.log(0.5) + 0.5 * (np.log(0.5) - np.log(LOWEST_PROBABILITY))
    assert kl_divergence(p, np.array([0.0, -np.inf])) == pytest.approx(floored)


def test_samples_with_different_topologies():
    distance = sample_distance(sample(6, 3, 1), sample(5, 0, 2, 3))
    assert distance.unseen == pytest.approx(0.3)
    assert distance.total_variation == pytest.approx((0.1 + 0.3 + 0.1 + 0.3) / 2)
    expected = 0.6 * np.log(0.6 / 0.5) + 0.3 * np.log(0.3 / LOWEST_PROBABILITY) + 0.1 * np.log(0.1 / 0.2)
    assert distance.kl == pytest.approx(expected)
    same = sample_distance(sample(6, 3, 1), sample(12, 6, 2))
    assert (same.kl, same.total_variation, same.unseen) == pytest.approx((0, 0, 0), abs=1e-15)


def test_exact_probabilities_count_what_the_reference_lacks():
    distance = density_distance(sample(1, 1), np.log([0.4, 0.4]))
    assert distance.total_variation == pytest.approx((0.1 + 0.1 + 0.2) / 2)
    assert distance.kl == pytest.approx(np.log(0.5 / 0.4))
    with pytest.raises(InputError, match="3 log-probabilities for 2"):
        density_distance(sample(1, 1), np.zeros(3))
