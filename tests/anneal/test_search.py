"""The search that chains begin with: it finds the hill, and leaves nobody behind."""

import numpy as np
import pytest
import torch

from benchmarks.evolve import evolve_states
from tests.anneal.examples import TAXA, TYPICAL, no_data, small_model
from tests.statistics import assert_mean
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.search import Search
from vbpi_mix.phylo import SitePatterns, all_topologies, random_topologies, stack
from vbpi_mix.start.lengths import optimise_lengths


def evolved(topology, n_sites, generator):
    """State sets (N, n_sites) evolved along a tree, a tenth of the sites changed on every edge."""

    def along(states, _):
        return np.where(generator.random(n_sites) < 0.1, generator.integers(4, size=n_sites), states)

    return (1 << evolve_states(topology, generator.integers(4, size=n_sites), along)).astype(np.uint8)


def begin(topologies, seed=1):
    n = topologies.n_trees
    particles = Particles(
        topologies=topologies,
        log_lengths=np.full((n, topologies.n_edges), np.log(0.05)),
        coordinates=np.zeros((n, 0)),
        log_likelihood=np.zeros(n),
    )
    return particles, [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n)]


def test_from_random_trees_every_chain_comes_to_the_true_one():
    n_taxa, n_chains = 30, 4
    generator = np.random.default_rng(7)
    truth = next(iter(random_topologies(1, n_taxa, generator)))
    sets = evolved(truth, 600, generator)
    model = small_model(SitePatterns(state_sets=sets, weights=np.ones(600)))
    particles, generators = begin(stack(list(random_topologies(n_chains, n_taxa, generator))))
    walker = Walker(model)
    search = Search(walker, Scaling(model), steps=1)
    while not search.done:
        particles = search.move(particles, generators, generator, TYPICAL)
    best = optimise_lengths(model, truth.batch())
    with torch.no_grad():
        top = model.log_likelihood(torch.from_numpy(np.exp(best.log_lengths)), truth.batch()).item()
    # lengths are sampled, not optimised: half a nat for each of 57 edges, and some spread
    assert (particles.log_likelihood > top - 60.0).all()


def test_chains_that_are_far_behind_become_copies():
    model = small_model()
    particles, generators = begin(all_topologies(TAXA)[np.arange(4)])
    search = Search(Walker(model), Scaling(model), steps=1)
    generator = np.random.default_rng(0)
    particles = search.move(particles, generators, generator, TYPICAL)
    particles.log_likelihood[:] = [-100.0, -1000.0, -101.0, -2000.0]
    search._settled, search._idle, search._best, search.rounds = True, 10, 0.0, 4
    chosen = search._select(particles, generators, generator, TYPICAL)
    assert search.done
    assert set(chosen.log_likelihood) == {-100.0, -101.0}
    assert chosen.log_likelihood[[0, 2]].tolist() == [-100.0, -101.0]


@pytest.mark.parametrize("beta", [0.2, 0.6])
def test_a_heated_walk_samples_the_heated_prior(beta):
    model = small_model(no_data())
    walker, n = Walker(model), 60
    topologies = all_topologies(TAXA)
    particles, generators = begin(topologies[np.arange(n) % topologies.n_trees])
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    frequencies, lengths = np.zeros((n, topologies.n_trees)), np.zeros((n, topologies.n_edges))
    for i in range(230):
        particles = walker.move(particles, generators, rounds=0.5, typical=TYPICAL, beta=beta)
        if i >= 30:
            rows = [number[row.tobytes()] for row in particles.topologies.children]
            frequencies[np.arange(n), rows] += 1 / 200
            lengths += np.exp(particles.log_lengths) / 200
    assert_mean(frequencies, 1 / 15)
    assert_mean(lengths, 0.1 / beta)  # exponential(10) to the power beta
