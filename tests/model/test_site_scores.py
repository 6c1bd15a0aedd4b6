import numpy as np
import pytest
import torch

from vbpi_mix.errors import ConfigError, NumericalError
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.site_scores import site_log_likelihoods
from vbpi_mix.phylo import Alignment, random_topologies, site_patterns


def problem(model, n_taxa=6, n_sites=80):
    generator = np.random.default_rng(3)
    sets = generator.choice([1, 2, 4, 8, 15, 5, 10], (n_taxa, n_sites)).astype(np.uint8)
    taxa = tuple(f"t{i}" for i in range(n_taxa))
    target = PhyloModel(site_patterns(Alignment(taxa=taxa, state_sets=sets)), n_taxa, substitution_model=model)
    lengths = generator.exponential(0.2, (300, 2 * n_taxa - 3))  # more trees than are done at once
    return target, lengths, random_topologies(300, n_taxa, generator)


@pytest.mark.parametrize("model", ["JC69", "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.1,0.4}+I{0.1}+G4{0.5}"])
def test_they_add_up_to_the_log_likelihood(model):
    target, lengths, topologies = problem(model)
    sites = site_log_likelihoods(target, lengths, topologies)
    expected = target.log_likelihood(torch.from_numpy(lengths), topologies).numpy()
    np.testing.assert_allclose(sites @ target.patterns.weights, expected, rtol=1e-12)


def test_branches_without_length_make_a_varying_site_impossible():
    target, lengths, topologies = problem("JC69")
    sites = site_log_likelihoods(target, np.zeros_like(lengths[:1]), topologies[:1])
    assert (sites == -np.inf).any()
    assert not np.isnan(sites).any()


def test_a_negative_branch_length():
    target, lengths, topologies = problem("JC69")
    with pytest.raises(NumericalError, match="not negative"):
        site_log_likelihoods(target, -lengths, topologies)


@pytest.mark.parametrize("n_parts", [1, 3])
def test_they_add_up_with_parameters_of_every_tree(n_parts):
    """Parts one after the other, each with its own model and rate, one of them fixed."""
    generator = np.random.default_rng(4)
    parts = []
    for i in range(n_parts):
        sets = generator.choice([1, 2, 4, 8, 15, 5], (6, 20 + 7 * i)).astype(np.uint8)
        parts.append(site_patterns(Alignment(taxa=tuple("abcdef"), state_sets=sets)))
    models = ["HKY+G4", "JC", "GTR{1,2,3,4,5}+I"][:n_parts]
    target = PhyloModel(parts, 6, substitution_model=models)
    lengths, topologies = generator.exponential(0.2, (5, 9)), random_topologies(5, 6, generator)
    u = target.parameters.start() + torch.from_numpy(generator.normal(size=(5, target.parameters.n_coordinates)))
    sites = site_log_likelihoods(target, lengths, topologies, u.numpy())
    expected = target.log_likelihood(torch.from_numpy(lengths), topologies, u).numpy()
    assert sites.shape == (5, len(target.pattern_weights))
    np.testing.assert_allclose(sites @ target.pattern_weights, expected, rtol=1e-11)
    # under constant parameters, where every part has a rate of its own
    fixed = site_log_likelihoods(target.at(u[2]), lengths[[2]], topologies[[2]])
    np.testing.assert_allclose(fixed[0], sites[2], rtol=1e-11)
    with pytest.raises(ConfigError, match="parameters: give their coordinates"):
        site_log_likelihoods(target, lengths, topologies)
