"""Chains: agreement of groups, flatness, and the same result in pieces."""

from dataclasses import replace

import numpy as np
import pytest

from tests.anneal.examples import exact_posterior, small_model
from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.flatness import effective_topologies
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.run_chains import run_chains
from vbpi_mix.anneal.sampler import Chains, SamplerSettings
from vbpi_mix.errors import ConfigError
from vbpi_mix.phylo import all_topologies


def begin(model, settings, seed=1):
    topologies = all_topologies(model.n_taxa)
    n, d = settings.n_chains, model.parameters.n_coordinates
    starts = Particles(
        topologies=topologies[np.arange(n)],
        log_lengths=np.full((n, topologies.n_edges), -2.5),
        coordinates=np.zeros((n, d)),
        log_likelihood=np.zeros(n),
    )
    return Chains(Walker(model), starts, seed=np.random.SeedSequence(seed), settings=settings)


def test_chains_end_when_they_agree_and_give_the_posterior():
    model = small_model(model="HKY")
    sample = run_chains(begin(model, SamplerSettings(n_chains=4, fewest=200, asdsf=0.04)))
    assert sample.converged
    assert sample.convergence.r_hat < 1.05
    assert len(sample.chains) == len(sample.particles) == len(sample.log_joint)
    log_ml, _ = exact_posterior(small_model(model="HKY{2.0}+F{0.25,0.25,0.25,0.25}"), n_draws=4000)
    found = effective_topologies(sample.particles.topologies, sample.chains)
    share = np.exp(log_ml - np.logaddexp.reduce(log_ml))
    assert found == pytest.approx(1 / (share**2).sum(), rel=0.6)


def test_chains_in_pieces_are_chains_in_one_go():
    model, settings = small_model(), SamplerSettings(n_chains=2, fewest=10)
    one, two = begin(model, settings), begin(model, settings)
    one.run(30)
    for _ in range(3):
        two.run(10)
    np.testing.assert_array_equal(one.particles.log_lengths, two.particles.log_lengths)


def test_trees_kept_stay_below_the_bound():
    model, settings = small_model(), SamplerSettings(n_chains=2, fewest=10, most_kept=40)
    chains = begin(model, settings)
    chains.run(200)
    sample = chains.sample()
    assert len(sample.particles) <= 40
    np.testing.assert_array_equal(np.bincount(sample.chains), np.full(2, len(sample.particles) // 2))


def test_a_longer_burn_in_leaves_the_last_trees():
    chains = begin(small_model(), SamplerSettings(n_chains=2, fewest=10, burn_in=0.25))
    chains.run(40)
    usual, longer = chains.sample(), chains.sample(burn_in=0.5)
    assert (len(usual.particles), len(longer.particles)) == (60, 40)
    np.testing.assert_array_equal(longer.log_joint, usual.log_joint[-40:])
    assert len(chains.sample(burn_in=0.1).particles) == 60


@pytest.mark.parametrize("wrong", [{"n_chains": 1}, {"fewest": 0}, {"burn_in": 1.0}, {"fewest": 10, "most": 5}])
def test_wrong_settings(wrong):
    with pytest.raises(ConfigError, match="out of range"):
        SamplerSettings(**wrong)


@pytest.mark.parametrize(
    "strict",
    [
        {},
        {"asdsf": 0.0, "effective_trees": 1e12},
        {"largest": 0.0},
        {"r_hat": 0.5},
        {"effective_size": 1e9},
        {"error": 0.0},
    ],
    ids=lambda strict: next(iter(strict), "loose"),
)
def test_chains_agree_only_where_every_number_is_good(strict):
    loose = {"asdsf": 1.0, "r_hat": np.inf, "effective_size": 0.0, "error": 1.0}
    chains = begin(small_model(), SamplerSettings(n_chains=2, fewest=10, **{**loose, **strict}))
    chains.run(40)
    assert chains.sample().converged == (not strict)


@pytest.mark.parametrize("model", ["HKY", "HKY{2.0}+F{0.25,0.25,0.25,0.25}"])
def test_chains_wait_for_parameters_that_move_more_slowly_than_splits(model):
    """Steps of the parameters are a hundredth of what they should be; the tree length alone moves with the lengths."""
    chains = begin(small_model(model=model), SamplerSettings(n_chains=4, fewest=10, adapting=0))
    chains.scaling.factor = 0.01
    chains.run(300)
    found = chains.sample()
    assert found.waiting == (model == "HKY")
    easy = replace(chains.settings, r_hat=np.inf, effective_size=0.0)
    chains.settings = easy
    assert not chains.sample().waiting


def test_hurried_parameters_make_up_to_four_times_as_many_steps():
    chains = begin(small_model(model="HKY"), SamplerSettings(n_chains=2, fewest=10))
    tried = []
    for _ in range(4):
        chains.run(1)
        before = chains.scaling.tried
        chains.run(4)
        tried.append(chains.scaling.tried - before)
        chains.hurry_parameters()
    assert tried == [tried[0], 2 * tried[0], 4 * tried[0], 4 * tried[0]]
