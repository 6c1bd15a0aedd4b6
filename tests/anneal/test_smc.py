"""Annealing: unbiased evidence and exact topologies on five taxa, from references that are far off."""

import numpy as np
import pytest

from tests.anneal.examples import GENERAL, TYPICAL, exact_posterior, small_model
from tests.statistics import assert_mean
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.path_moves import LocalMoves
from vbpi_mix.anneal.smc import AnnealSettings, anneal, pooled_log_ml, systematic
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
