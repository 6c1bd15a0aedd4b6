"""Excursions of chains: nothing new where the chains have been everywhere, and the mode that they lack where not."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.calibration.simulate_model import simulate_model
from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.excursions import ExcursionSettings, make_excursions, with_excursions
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.anneal.trees import split_hashes
from vbpi_mix.model import JC69, PhyloModel
from vbpi_mix.phylo import random_topologies, site_patterns, stack

TAXA = 8


@pytest.fixture(scope="module")
def peaked():
    """A sample of chains where the posterior has one topology, the topology, and what moves it."""
    generator = np.random.default_rng(5)
    true, *others = random_topologies(5, TAXA, generator)
    alignment = simulate_model(JC69(), true, np.full(2 * TAXA - 3, 0.1), 2000, generator)
    walker = Walker(PhyloModel(site_patterns(alignment), TAXA))
    topologies = stack([true, *others[:3]])
    n = topologies.n_trees
    starts = Particles(
        topologies=topologies,
        log_lengths=np.full((n, topologies.n_edges), -2.5),
        coordinates=np.zeros((n, 0)),
        log_likelihood=np.zeros(n),
    )
    chains = Chains(walker, starts, seed=np.random.SeedSequence(1), settings=SamplerSettings(n_chains=n))
    chains.run(40)
    return chains.sample(), true, walker, others


def test_chains_that_have_been_everywhere_lack_nothing(peaked):
    sample, _, walker, _ = peaked
    found = make_excursions(walker, sample, seed=np.random.SeedSequence(2))
    assert (found.n_tried, found.n_elsewhere, len(found.particles)) == (4, 0, 0)


def test_the_mode_that_chains_lack_is_found(peaked):
    sample, true, walker, others = peaked
    n = len(sample.particles)
    wrong = stack([others[i % len(others)] for i in range(n)])
    elsewhere = replace(sample, particles=replace(sample.particles, topologies=wrong))
    found = make_excursions(walker, elsewhere, seed=np.random.SeedSequence(2))
    assert found.n_elsewhere == 4
    assert set(split_hashes(true.batch()).ravel()) <= set(split_hashes(found.particles.topologies).ravel())
    whole = with_excursions(elsewhere, found, share=8.0)
    assert not whole.converged
    assert whole.n_elsewhere == len(whole.particles) - n
    assert whole.n_elsewhere == pytest.approx(8 * n, rel=0.3)
    np.testing.assert_array_equal(np.bincount(whole.chains)[4:], np.full(4, whole.n_elsewhere // 4))
    assert len(whole.log_joint) == len(whole.chains) == len(whole.particles)


def test_copies_are_heated_to_both_powers_in_turns(peaked, monkeypatch):
    sample, _, walker, _ = peaked
    settings = ExcursionSettings(betas=(0.5, 0.3), hot=2, cooling=1, watched=1)
    begun_at = {row.tobytes(): chain for chain, row in enumerate(sample.particles.log_lengths[-4:])}
    moved, plain = [], Walker.move

    def move(self, particles, generators, **options):
        chains = [begun_at.get(row.tobytes()) for row in particles.log_lengths]
        moved.append((options["beta"], chains))
        return plain(self, particles, generators, **options)

    monkeypatch.setattr(Walker, "move", move)
    make_excursions(walker, sample, seed=np.random.SeedSequence(2), settings=settings)
    assert [beta for beta, _ in moved] == [0.5, 0.5, 0.3, 0.3, 1.0, 1.0]
    assert [chains for _, chains in moved[:4:2]] == [[0, 2], [1, 3]]
