"""Every move leaves its target invariant: against the prior, and against all topologies of five taxa."""

import numpy as np
import pytest
import torch

from tests.anneal.examples import GENERAL, TAXA, TYPICAL, exact_posterior, no_data, small_model, walk_chains
from tests.anneal.test_search import begin
from tests.statistics import assert_mean
from vbpi_mix.anneal.chains import ParameterSpread, Scaling, Walker, WalkSettings
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.model import parse_branch_prior
from vbpi_mix.phylo import random_topologies, stack

MOVES = {
    "edges": WalkSettings(regrafts=0.0),
    "regrafts next door": WalkSettings(regrafts=1.0, radius=1),
    "regrafts far away": WalkSettings(regrafts=0.5, radius=4),
    "regrafts anywhere": WalkSettings(regrafts=0.5, radius=1, far=0.5),
    "regrafts by estimates": WalkSettings(regrafts=0.5, radius=4, far=0.3, middles=1, beyond=2.0),
    "lengths alone at times": WalkSettings(rearrangements=0.4, regrafts=0.1),
    "lengths alone at long edges": WalkSettings(substitutions=0.7, regrafts=0.0),
}


@pytest.mark.parametrize("moves", MOVES.values(), ids=MOVES.keys())
@pytest.mark.parametrize("prior", ["exponential(10)", "gammadir(2,3,1.5,0.5)"])
def test_without_data_the_moves_sample_the_prior(moves, prior):
    model = small_model(no_data(), branch_prior=parse_branch_prior(prior, 10.0))
    frequencies, lengths, _ = walk_chains(model, moves)
    assert_mean(frequencies, 1 / 15)
    if prior.startswith("exponential"):
        assert_mean(lengths, 0.1)
    else:  # mean tree length 2/3; shares 1.5 at tips and 0.75 inside
        tip = 2 / 3 * 1.5 / (TAXA * 1.5 + 2 * 0.75)
        assert_mean(lengths, [tip] * TAXA + [tip / 2] * 2)


@pytest.mark.parametrize("moves", ["edges", "regrafts far away", "regrafts by estimates"])
def test_heated_moves_sample_the_heated_prior(moves):
    frequencies, lengths, _ = walk_chains(small_model(no_data()), MOVES[moves], beta=0.5)
    assert_mean(frequencies, 1 / 15)
    assert_mean(lengths, 0.2)  # the density exp(-10 t) to the power 0.5


def test_heated_moves_depend_on_nothing_but_the_seed():
    """Numbers of taxa below nodes, which regrafts do not keep, once were places in memory beyond an array."""
    n_taxa = 40
    walker = Walker(small_model(no_data(n_taxa)), settings=WalkSettings(regrafts=1.0, radius=6))
    topologies = stack(list(random_topologies(6, n_taxa, np.random.default_rng(3))))
    found = []
    for value in (0.0, 1e3, -1e3):
        particles, generators = begin(topologies)
        junk = [np.full(k, value) for k in range(1, 60) for _ in range(200)]
        del junk  # memory that arrays are made of next
        for _ in range(3):
            particles = walker.move(particles, generators, rounds=1.0, typical=TYPICAL, beta=0.5)
        found.append(particles.log_lengths)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize(
    "moves",
    ["edges", "regrafts far away", "regrafts by estimates", "lengths alone at times", "lengths alone at long edges"],
)
@pytest.mark.parametrize("text", ["JC69", GENERAL])
def test_with_data_the_moves_sample_the_posterior(moves, text):
    model = small_model(model=text)
    log_ml, means = exact_posterior(model)
    share = np.exp(log_ml - np.logaddexp.reduce(log_ml))
    frequencies, lengths, _ = walk_chains(model, MOVES[moves])
    assert_mean(frequencies, share, slack=0.004)  # 20,000 draws know the shares that well
    assert_mean(lengths, share @ means, slack=0.002)


def test_the_likelihood_that_a_walk_ends_with_is_that_of_its_tree():
    model = small_model(model=GENERAL)
    _, _, particles = walk_chains(model, WalkSettings(regrafts=0.7), n_chains=10, n_rounds=20)
    expected = model.log_likelihood(torch.from_numpy(np.exp(particles.log_lengths)), particles.topologies).numpy()
    np.testing.assert_allclose(particles.log_likelihood, expected, rtol=1e-12)


def test_equal_seeds_give_equal_walks():
    model = small_model()
    first, second = (walk_chains(model, n_chains=4, n_rounds=10)[2] for _ in range(2))
    np.testing.assert_array_equal(first.log_lengths, second.log_lengths)
    np.testing.assert_array_equal(first.topologies.children, second.topologies.children)


@pytest.mark.parametrize("renewed", [None, 1.0, 0.5], ids=["tuned", "wrong mean", "wrong mean, part of the way"])
def test_steps_of_parameters_and_tree_length_sample_the_prior(renewed):
    model = small_model(no_data(), model="HKY+G4")
    d = model.parameters.n_coordinates
    n = 400
    generator = np.random.default_rng(2)
    topologies = stack(list(random_topologies(n, TAXA, generator)))
    particles = Particles(
        topologies=topologies,
        log_lengths=np.log(generator.exponential(0.1, (n, 2 * TAXA - 3))),
        coordinates=np.zeros((n, d)),
        log_likelihood=np.zeros(n),
    )
    if renewed is None:
        scaling = Scaling(model)
        for _ in range(20):
            particles = scaling.move(particles, generator, adapting=True, steps=5)
            scaling.learn(particles)
    else:  # log lengths that shift with the parameters, though nothing asks for it
        scaling = Scaling(model, ParameterSpread(np.linspace(-1.0, 1.0, d), 0.6 * np.eye(d) + 0.2))
        scaling.renewed, scaling.root[-1] = renewed, 0.2
    particles = scaling.move(particles, generator, steps=150)
    values = model.parameters.values(torch.from_numpy(particles.coordinates)).numpy()
    columns = dict(zip(model.parameters.names, values.T, strict=True))
    assert_mean(columns["kappa"] / (1 + columns["kappa"]), 0.5)
    assert_mean(columns["alpha"], 1.0)
    assert_mean(np.stack([columns[f"pi({s})"] for s in "ACGT"], axis=1), 0.25)
    assert_mean(np.exp(particles.log_lengths).sum(axis=1), 0.7)


def test_large_trees_do_not_underflow():
    n = 600
    generator = np.random.default_rng(4)
    sets = (1 << generator.integers(4, size=(n, 10))).astype(np.uint8)
    from vbpi_mix.phylo import SitePatterns

    model = small_model(SitePatterns(state_sets=sets, weights=np.ones(10)), model="HKY{2.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}")
    topologies = stack(list(random_topologies(2, n, generator)))
    particles = Particles(
        topologies=topologies,
        log_lengths=np.full((2, 2 * n - 3), np.log(0.1)),
        coordinates=np.zeros((2, 0)),
        log_likelihood=np.zeros(2),
    )
    moved = Walker(model).move(
        particles, [np.random.default_rng(i) for i in range(2)], rounds=0.3, typical=np.array([-2.5, -2.5])
    )
    expected = model.log_likelihood(torch.from_numpy(np.exp(moved.log_lengths)), moved.topologies).numpy()
    assert (expected < -5000).all()
    np.testing.assert_allclose(moved.log_likelihood, expected, rtol=1e-11)
