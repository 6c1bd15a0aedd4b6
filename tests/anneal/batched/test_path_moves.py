"""Annealing by moves of all particles at once: parameters, unbiased evidence, seeds, and the kernels of a device."""

import importlib.util

import numpy as np
import pytest
import torch

from tests.anneal.examples import TAXA, exact_posterior, no_data, small_model
from tests.anneal.test_smc import narrow_reference
from tests.statistics import assert_mean
from vbpi_mix.anneal.batched.path_moves import BatchedMoves, BatchedSettings
from vbpi_mix.anneal.chains import Scaling
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.smc import AnnealSettings, anneal
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.errors import ConfigError
from vbpi_mix.phylo import SitePatterns, all_topologies

FEW = BatchedSettings(fewest=4, regrafts=1, trajectories=2, n_steps=2)


def far_reference():
    """Fitted to topologies that are not the best ones, with lengths far from the posterior's."""
    log_ml, _ = exact_posterior(small_model(), n_draws=2_000)
    times = np.zeros(len(log_ml), dtype=int)
    times[np.argsort(log_ml)[:2]] = 3
    return narrow_reference(all_topologies(TAXA), times)


def test_evidence_is_unbiased_and_topologies_are_exact_from_a_support_that_lacks_mass():
    model = small_model()
    topologies = all_topologies(TAXA)
    log_ml, _ = exact_posterior(model)
    total = np.logaddexp.reduce(log_ml)
    moves = BatchedMoves(model, Scaling(model), far_reference(), settings=FEW, scalings=1)
    settings = AnnealSettings(n_particles=100)
    pilot, *seeds = np.random.SeedSequence(5).spawn(31)
    first = anneal(moves, seed=pilot, settings=settings)
    assert first.tuned.shape == (len(first.betas), 1)
    assert len(np.unique(first.tuned)) > 1  # the first group tunes the moves ...
    groups = [anneal(moves, seed=s, settings=settings, betas=first.betas, tuned=first.tuned) for s in seeds]
    np.testing.assert_array_equal(groups[0].tuned, first.tuned)  # ... of all others
    weights = np.exp([g.log_ml - total for g in groups])
    assert_mean(weights, 1.0, slack=0.01)
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    found = np.zeros((len(groups), topologies.n_trees))
    for i, group in enumerate(groups):
        for row in group.particles.topologies.children:
            found[i, number[row.tobytes()]] += weights[i] / settings.n_particles
    assert_mean(found, np.exp(log_ml - total), slack=0.006)


def test_equal_seeds_give_equal_groups():
    model = small_model()
    moves = BatchedMoves(model, Scaling(model), far_reference(), settings=FEW, scalings=1)
    one, other, third = (
        anneal(moves, seed=np.random.SeedSequence(seed), settings=AnnealSettings(n_particles=8)) for seed in (3, 3, 4)
    )
    assert (one.log_ml, one.betas) == (other.log_ml, other.betas)
    assert one.log_ml != third.log_ml
    np.testing.assert_array_equal(one.particles.log_lengths, other.particles.log_lengths)
    np.testing.assert_array_equal(one.tuned, other.tuned)


def prior_sample(model, n, generator):
    """Particles of the prior; parameters come from steps of their own."""
    topologies = all_topologies(TAXA)
    particles = Particles(
        topologies=topologies[generator.integers(topologies.n_trees, size=n)],
        log_lengths=np.log(generator.exponential(0.1, (n, topologies.n_edges))),
        coordinates=np.zeros((n, model.parameters.n_coordinates)),
        log_likelihood=np.zeros(n),
    )
    scaling = Scaling(model)
    return scaling.move(particles, generator, steps=50), scaling


def test_the_moves_of_a_temperature_keep_the_prior_of_lengths_and_parameters():
    model = small_model(no_data(), model="HKY+G4")
    generator = np.random.default_rng(2)
    particles, scaling = prior_sample(model, 300, generator)
    reference = TreeReference(particles, np.ones(len(particles)))
    moves = BatchedMoves(model, scaling, reference, settings=FEW, scalings=5)
    step = np.array([0.3])
    for _ in range(6):
        particles, found = moves.move(particles, generator, [], beta=1.0, tuned=step, adapting=False)
        assert found == step
    values = model.parameters.values(torch.from_numpy(particles.coordinates)).numpy()
    kappa = values[:, model.parameters.names.index("kappa")]
    assert_mean(kappa / (1 + kappa), 0.5)
    assert_mean(np.exp(particles.log_lengths), 0.1)
    lengths, u = torch.from_numpy(np.exp(particles.log_lengths)), torch.from_numpy(particles.coordinates)
    expected = model.log_likelihood(lengths, particles.topologies, u).numpy()
    np.testing.assert_allclose(particles.log_likelihood, expected, rtol=1e-11)
    assert (moves.accepted > 0.1).all()


@pytest.mark.parametrize("n_taxa", [3, 4])
def test_few_taxa(n_taxa):
    """Three taxa have one topology, and four no place for a regraft of most clades."""
    model = small_model(no_data(n_taxa))
    topologies = all_topologies(n_taxa)
    reference = narrow_reference(topologies, np.full(topologies.n_trees, 3))
    moves = BatchedMoves(model, Scaling(model), reference)
    seeds = np.random.SeedSequence(1).spawn(12)
    groups = [anneal(moves, seed=s, settings=AnnealSettings(n_particles=50)) for s in seeds]
    assert_mean(np.exp([g.log_ml for g in groups]), 1.0, slack=0.05)  # temperatures are not given


@pytest.mark.gpu
@pytest.mark.parametrize("text", ["JC69", "HKY+G4"])
def test_the_kernels_of_a_device_give_the_same_particles(text):
    """One temperature on a GPU, whose draws are other ones, or in Triton's interpreter."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("Triton is not installed: pip install 'vbpi_mix[gpu]'")
    generator = np.random.default_rng(0)
    sets = (1 << generator.integers(4, size=(6, 5))).astype(np.uint8)
    compiled = small_model(SitePatterns(state_sets=sets, weights=np.ones(5)), model=text)
    topologies = all_topologies(6)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    d = compiled.parameters.n_coordinates
    sample = Particles(
        topologies=topologies[[3, 40, 77]],
        log_lengths=generator.normal(-2.0, 0.5, (3, 9)),
        coordinates=generator.normal(0.0, 0.2, (3, d)),
        log_likelihood=np.zeros(3),
    )
    reference = TreeReference(sample, np.ones(3))
    one = BatchedSettings(interchanges=0.0, fewest=2, regrafts=1, trajectories=1, n_steps=1)
    found = []
    for model in (compiled, compiled.placed("triton", device)):
        moves = BatchedMoves(model, Scaling(model), reference, settings=one, scalings=1)
        moved, _ = moves.move(sample, np.random.default_rng(1), [], beta=0.5, tuned=None, adapting=True)
        lengths, u = torch.from_numpy(np.exp(moved.log_lengths)), torch.from_numpy(moved.coordinates)
        expected = compiled.log_likelihood(lengths, moved.topologies, u).numpy()
        np.testing.assert_allclose(moved.log_likelihood, expected, rtol=1e-10)
        found.append(moved)
    if device.type == "cpu":
        np.testing.assert_array_equal(found[0].topologies.children, found[1].topologies.children)
        np.testing.assert_allclose(found[0].log_lengths, found[1].log_lengths, rtol=1e-9)


def test_settings_out_of_range():
    for given in ({"regrafts": -1}, {"trajectories": 0}, {"n_steps": 0}):
        with pytest.raises(ConfigError, match="out of range"):
            BatchedSettings(**given)
