"""Heated companions leave the chains' distribution as it is."""

import numpy as np

from tests.anneal.examples import GENERAL, TAXA, TYPICAL, exact_posterior, small_model
from tests.statistics import assert_mean
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.ladder import Ladder
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.phylo import all_topologies


def start(n_chains):
    topologies = all_topologies(TAXA)
    return Particles(
        topologies=topologies[np.arange(n_chains) % topologies.n_trees],
        log_lengths=np.full((n_chains, topologies.n_edges), -2.0),
        coordinates=np.zeros((n_chains, 0)),
        log_likelihood=np.zeros(n_chains),
    )


def test_chains_with_companions_sample_the_posterior():
    model = small_model(model=GENERAL)
    log_ml, means = exact_posterior(model)
    share = np.exp(log_ml - np.logaddexp.reduce(log_ml))
    n, rounds, burn_in = 20, 320, 40
    walker, scaling = Walker(model), Scaling(model)
    particles = start(n)
    generators = [np.random.default_rng(s) for s in np.random.SeedSequence(1).spawn(n)]
    particles = walker.move(particles, generators, rounds=1.0, typical=TYPICAL)
    ladder = Ladder(walker, scaling, particles, seed=np.random.SeedSequence(2), n_levels=3)
    number = {row.tobytes(): i for i, row in enumerate(all_topologies(TAXA).children)}
    frequencies, lengths = np.zeros((n, 15)), np.zeros((n, 2 * TAXA - 3))
    for i in range(rounds):
        particles = walker.move(particles, generators, rounds=0.5, typical=TYPICAL)
        particles = ladder.round(particles, TYPICAL, adapting=i < burn_in)
        if i >= burn_in:
            rows = [number[row.tobytes()] for row in particles.topologies.children]
            frequencies[np.arange(n), rows] += 1 / (rounds - burn_in)
            lengths += np.exp(particles.log_lengths) / (rounds - burn_in)
    # chains of a group exchange states, so groups are what is independent
    assert_mean(frequencies.reshape(-1, 2, 15).mean(axis=0), share, slack=0.03)
    assert_mean(lengths.reshape(-1, 2, lengths.shape[1]).mean(axis=0), share @ means, slack=0.01)
    assert 0.1 < ladder.accepted / ladder.tried < 0.7


def test_exchanges_conserve_states_within_groups():
    model = small_model()
    walker = Walker(model)
    particles = start(6)
    generators = [np.random.default_rng(i) for i in range(6)]
    particles = walker.move(particles, generators, rounds=1.0, typical=TYPICAL)
    ladder = Ladder(walker, Scaling(model), particles, seed=np.random.SeedSequence(3), n_levels=2)
    other = walker.move(particles, generators, rounds=1.0, typical=TYPICAL)
    levels = [particles, other]
    before = [sorted(np.concatenate([p.log_likelihood[g::2] for p in levels])) for g in (0, 1)]
    ladder._exchange(levels, 0, [1.0, 0.5])
    after = [sorted(np.concatenate([p.log_likelihood[g::2] for p in levels])) for g in (0, 1)]
    assert before == after
