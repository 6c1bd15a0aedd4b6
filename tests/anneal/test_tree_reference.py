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


def of_groups(visited, unseen=None):
    """A reference for trees of six taxa, each group of which has visited topologies of these numbers."""
    topologies = all_topologies(6)[np.concatenate(visited)]
    trees = Particles(
        topologies=topologies, log_lengths=np.full((topologies.n_trees, 9), -2.5),
        coordinates=np.zeros((topologies.n_trees, 0)), log_likelihood=np.zeros(topologies.n_trees),
    )  # fmt: skip
    groups = np.repeat(np.arange(len(visited)), [len(v) for v in visited])
    return TreeReference(trees, np.ones(topologies.n_trees), groups, unseen=unseen)


def of_seen(reference):
    """Shares of the uniform distribution for clades of more than two taxa."""
    return reference.reference.floor[reference.reference.clades != 0]


def test_groups_that_find_other_trees_than_the_rest_say_how_many_are_unseen():
    generator = np.random.default_rng(5)
    alike = of_groups([np.array([3, 3, 17, 40])] * 4)
    np.testing.assert_allclose(of_seen(alike), 0.3 / 4)  # the least
    # 105 topologies, all equally probable, of which each group meets a few again and again
    visited = [np.repeat(generator.choice(105, 4), 10) for _ in range(5)]
    apart = of_groups(visited)
    assert np.median(of_seen(apart)) > 0.4
    fresh = all_topologies(6)
    found = np.exp(apart.describe(fresh).log_topology)
    assert found.sum() == pytest.approx(1.0)
    assert np.log(found).mean() > of_groups(visited, 0.3).describe(fresh).log_topology.mean() + 0.5


def test_shares_of_unseen_subsplits_make_further_trees_more_probable_than_any_common_share():
    """Clades of the first topology are met by all groups, those of ninety others by few."""
    generator = np.random.default_rng(6)

    def visit():
        return np.where(generator.random(40) < 0.6, 3, generator.choice(90, 40))

    visited = [visit() for _ in range(6)]
    further = all_topologies(6)[np.concatenate([visit() for _ in range(100)])]
    found = of_groups(visited).describe(further).log_topology.mean()
    for unseen in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2):
        assert found > of_groups(visited, unseen).describe(further).log_topology.mean() - 0.01


def test_draws_follow_a_density_whose_shares_of_unseen_subsplits_differ_by_clade():
    generator = np.random.default_rng(7)
    made = of_groups([np.where(generator.random(30) < 0.5, 3, generator.choice(105, 30)) for _ in range(4)])
    assert len(np.unique(of_seen(made))) > 3
    topologies = all_topologies(6)
    drawn = made.draw(20_000, generator)
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    counts = np.bincount([number[row.tobytes()] for row in drawn.topologies.children], minlength=topologies.n_trees)
    assert_frequencies(counts, np.exp(made.describe(topologies).log_topology))


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
