"""Annealing: unbiased evidence and exact topologies on five taxa, from references that are far off."""

import numpy as np
import pytest

from tests.anneal.examples import GENERAL, TYPICAL, exact_posterior, small_model
from tests.statistics import assert_mean
from vbpi_mix.anneal.bridge import acceptance_ratio, bridged_log_ml
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.path_moves import LocalMoves
from vbpi_mix.anneal.smc import AnnealSettings, anneal, heat, pooled_log_ml, systematic
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.phylo import all_topologies


def narrow_reference(topologies, trees, seed=1):
    """Fitted to few trees of few topologies, with lengths that are far from the posterior's."""
    generator = np.random.default_rng(seed)
    chosen = np.repeat(np.arange(len(trees)), trees)
    x = generator.normal(-2.5, 1.0, (len(chosen), topologies.n_edges))
    few = Particles(
        topologies=topologies[chosen], log_lengths=x, coordinates=np.zeros((len(chosen), 0)),
        log_likelihood=np.zeros(len(chosen)),
    )  # fmt: skip
    return TreeReference(few, np.ones(len(chosen)))


@pytest.mark.parametrize("text", ["JC69", GENERAL])
def test_evidence_is_unbiased_and_topologies_are_exact_from_a_support_that_lacks_mass(text):
    model = small_model(model=text)
    topologies = all_topologies(model.n_taxa)
    log_ml, _ = exact_posterior(model)
    total = np.logaddexp.reduce(log_ml)
    worst = np.argsort(log_ml)[:2]
    times = np.zeros(topologies.n_trees, dtype=int)
    times[worst] = 3  # the best topologies are not in it at all
    reference = narrow_reference(topologies, times)
    moves = LocalMoves(Walker(model), Scaling(model), reference, TYPICAL)
    settings = AnnealSettings(n_particles=24)
    pilot, *seeds = np.random.SeedSequence(5).spawn(101)
    betas = anneal(moves, seed=pilot, settings=settings).betas
    groups = [anneal(moves, seed=s, settings=settings, betas=betas) for s in seeds]
    weights = np.exp([g.log_ml - total for g in groups])
    assert_mean(weights, 1.0, slack=0.01)
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    found = np.zeros((len(groups), topologies.n_trees))
    for i, group in enumerate(groups):
        for row in group.particles.topologies.children:
            found[i, number[row.tobytes()]] += weights[i] / settings.n_particles
    assert_mean(found, np.exp(log_ml - total), slack=0.006)


def test_the_estimate_pools_groups_on_the_natural_scale():
    value, error = pooled_log_ml([-10.0, -10.0 + np.log(3)])
    assert value == pytest.approx(-10 + np.log(2))
    assert error == pytest.approx(np.sqrt(2) / 2 / np.sqrt(2))


def test_systematic_resampling_takes_the_floor_or_the_ceiling():
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(20))
    for _ in range(50):
        times = np.bincount(systematic(shares, generator), minlength=20)
        assert times.sum() == 20
        assert (np.abs(times - 20 * shares) < 1).all()


def test_evidence_by_particles_of_both_directions():
    model = small_model(model="JC69")
    topologies = all_topologies(model.n_taxa)
    log_ml, _ = exact_posterior(model)
    total = np.logaddexp.reduce(log_ml)
    reference = narrow_reference(topologies, np.full(topologies.n_trees, 3))
    moves = LocalMoves(Walker(model), Scaling(model), reference, TYPICAL)
    settings = AnnealSettings(n_particles=24)
    pilot, *seeds = np.random.SeedSequence(6).spawn(61)
    betas = anneal(moves, seed=pilot, settings=settings).betas
    groups = [anneal(moves, seed=s, settings=settings, betas=betas) for s in seeds[:30]]
    one_way = np.array([g.log_ml for g in groups])
    weights = np.exp(one_way - total)
    posterior = join_particles([g.particles for g in groups])
    shares = np.repeat(weights / weights.sum() / settings.n_particles, settings.n_particles)
    generator = np.random.default_rng(2)
    both_ways = np.empty(len(groups))
    for i, (group, seed) in enumerate(zip(groups, seeds[30:], strict=True)):
        start = posterior.take(generator.choice(len(shares), settings.n_particles, p=shares))
        back = heat(moves, start, group, seed=seed, settings=settings)
        assert back.gains.shape == back.log_weights.shape == group.passage.gains.shape == (len(betas), 24)
        both_ways[i] = bridged_log_ml(group, back)
    assert_mean(both_ways, total, slack=0.02)
    assert both_ways.std() < one_way.std()


def test_acceptance_ratio_of_normal_densities():
    """Constants sqrt(2 pi) and 3 sqrt(2 pi); half of the draws are of a wider density, and weighted."""
    generator = np.random.default_rng(3)
    n = 40_000

    def draws(sd):
        plain, wide = sd * generator.standard_normal(n // 2), 2 * sd * generator.standard_normal(n // 2)
        return np.concatenate([plain, wide]), np.concatenate([np.zeros(n // 2), -0.375 * (wide / sd) ** 2])

    def log_ratio(x):
        return -(x**2) / 18 + x**2 / 2

    (x, log_x), (y, log_y) = draws(1.0), draws(3.0)
    log_x, log_y = log_x - np.logaddexp.reduce(log_x), log_y - np.logaddexp.reduce(log_y)
    assert acceptance_ratio(log_ratio(x), log_x, log_ratio(y), log_y) == pytest.approx(np.log(3), abs=0.03)


def test_draws_where_the_other_density_is_zero_count_for_nothing_but_their_weight():
    at = np.array([0.0, -np.inf])
    even = np.log([0.5, 0.5])
    assert acceptance_ratio(at, even, np.zeros(2), even) == pytest.approx(np.log(0.5), abs=0.35)
