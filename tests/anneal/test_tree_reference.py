"""The reference density: normalised over all topologies, and drawn from as it says."""

import numpy as np
import pytest

from tests.anneal.test_smc import narrow_reference
from tests.statistics import assert_frequencies, assert_mean
from vbpi_mix.phylo import all_topologies


@pytest.fixture(scope="module")
def reference():
    topologies = all_topologies(6)
    times = np.zeros(topologies.n_trees, dtype=int)
    times[[3, 17, 40, 77]] = [6, 3, 2, 1]
    return narrow_reference(topologies, times)


def test_topology_probabilities_sum_to_one_and_none_is_zero(reference):
    said = reference.describe(all_topologies(6))
    assert np.exp(said.log_topology).sum() == pytest.approx(1.0)
    assert np.isfinite(said.log_topology).all()


def test_draws_follow_the_density(reference):
    topologies = all_topologies(6)
    drawn = reference.draw(20_000, np.random.default_rng(3))
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    counts = np.bincount([number[row.tobytes()] for row in drawn.topologies.children], minlength=topologies.n_trees)
    assert_frequencies(counts, np.exp(reference.describe(topologies).log_topology))


def test_lengths_are_drawn_by_their_density(reference):
    drawn = reference.draw(20_000, np.random.default_rng(4))
    said = reference.describe(drawn.topologies)
    # by the definition of a density: E[normal(x) / r(x)] is 1 for any other density that is narrower
    x = drawn.log_lengths[:, :3]
    log_r = (said.shapes * (drawn.log_lengths + np.log(said.rates)) - said.rates * np.exp(drawn.log_lengths))[
        :, :3
    ] - _log_gamma(said.shapes[:, :3])
    log_normal = -0.5 * ((x + 2.5) / 0.5) ** 2 - np.log(0.5 * np.sqrt(2 * np.pi))
    assert_mean(np.exp(log_normal - log_r), 1.0)


def _log_gamma(x):
    from scipy.special import gammaln

    return gammaln(x)
