"""The reference density: normalised over all topologies, and drawn from as it says."""

import numpy as np
import pytest

from tests.anneal.test_smc import narrow_reference
from tests.statistics import assert_frequencies, assert_mean
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.tree_reference import TreeReference
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


def of_groups(visited):
    """A reference for trees of six taxa, each group of which has visited topologies of these numbers."""
    topologies = all_topologies(6)[np.concatenate(visited)]
    trees = Particles(
        topologies=topologies, log_lengths=np.full((topologies.n_trees, 9), -2.5),
        coordinates=np.zeros((topologies.n_trees, 0)), log_likelihood=np.zeros(topologies.n_trees),
    )  # fmt: skip
    groups = np.repeat(np.arange(len(visited)), [len(v) for v in visited])
    return TreeReference(trees, np.ones(topologies.n_trees), groups)


def test_groups_that_find_other_trees_than_the_rest_say_how_many_are_unseen():
    generator = np.random.default_rng(5)
    alike = of_groups([np.array([3, 3, 17, 40])] * 4)
    assert alike.reference.floor[0] == pytest.approx(0.3 / 4)  # the least
    # 105 topologies, all equally probable, of which each group meets a few again and again
    apart = of_groups([np.repeat(generator.choice(105, 4), 10) for _ in range(5)])
    assert apart.reference.floor[0] > 0.4
    fresh = all_topologies(6)
    found = np.exp(apart.describe(fresh).log_topology)
    assert found.sum() == pytest.approx(1.0)
    apart.reference.floor[0] = alike.reference.floor[0]
    assert np.log(found).mean() > apart.describe(fresh).log_topology.mean() + 0.5


def test_the_share_of_unseen_subsplits_makes_left_out_groups_most_probable():
    generator = np.random.default_rng(6)
    visited = [generator.choice(30, 12) for _ in range(4)]
    whole = of_groups(visited)
    topologies = all_topologies(6)

    def left_out(floor):
        total = 0.0
        for i, own in enumerate(visited):
            rest = of_groups([v for j, v in enumerate(visited) if j != i])
            rest.reference.floor[0] = floor
            total += rest.describe(topologies[own]).log_topology.sum()
        return total

    floor = whole.reference.floor[0]
    assert 0.3 / 4 < floor < 0.9
    assert left_out(floor) > max(left_out(0.7 * floor), left_out(min(0.95, 1.4 * floor)))


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
