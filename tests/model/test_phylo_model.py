"""The joint density."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import BackendError, ConfigError, InputError, NumericalError
from vbpi_mix.felsenstein import tree_log_likelihood
from vbpi_mix.model import JC69, PhyloModel, ReversibleModel, SiteRates
from vbpi_mix.phylo import all_topologies


class _Other:
    """A GTR model, for which patterns must not be merged by relabelling."""

    exchangeable = False

    def __init__(self, generator):
        self.model = examples.random_model(3, generator)

    def root_frequencies(self):
        return torch.from_numpy(self.model.frequencies)

    def category_weights(self):
        return torch.from_numpy(self.model.weights)

    def transition_matrices(self, branch_lengths):
        return self.model.arguments(branch_lengths.numpy())[0]

    def constant_spectrum(self):
        return None


@pytest.fixture
def problem():
    generator = np.random.default_rng(0)
    topologies = all_topologies(5)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(15, 7)))
    return topologies, lengths, examples.patterns(5, 40, generator, codes="plain")


@pytest.mark.parametrize("backend", ["numba", "reference"])
def test_jc69_with_merged_patterns(problem, backend):
    topologies, lengths, patterns = problem
    model = PhyloModel(patterns, 5, backend=backend)
    assert model.patterns.n_patterns < patterns.n_patterns
    jc69 = JC69()
    expected = tree_log_likelihood(
        jc69.transition_matrices(lengths), jc69.root_frequencies(), jc69.category_weights(), topologies, patterns
    )
    torch.testing.assert_close(model.log_likelihood(lengths, topologies), expected, rtol=1e-12, atol=0)


def test_any_other_model(problem):
    topologies, lengths, patterns = problem
    other = _Other(np.random.default_rng(1))
    model = PhyloModel(patterns, 5, substitution_model=other)
    assert model.patterns is patterns
    expected = tree_log_likelihood(*other.model.arguments(lengths.numpy()), topologies, patterns)
    torch.testing.assert_close(model.log_likelihood(lengths, topologies), expected, rtol=1e-13, atol=0)


def test_gradients_of_constant_parameters_and_of_others(problem):
    """Two ways through the kernels: derivatives in lengths, and in the entries of the transition matrices."""
    topologies, lengths, patterns = problem
    gamma = {"gamma_shape": torch.tensor(0.5, dtype=torch.float64), "n_gamma_categories": 4}
    results = []
    for differentiable in (False, True):
        rates = torch.tensor([1.2, 3.1, 0.7, 0.9, 4.0, 1.0], dtype=torch.float64, requires_grad=differentiable)
        other = ReversibleModel(rates, site_rates=SiteRates(**gamma))
        assert (other.constant_spectrum() is None) == differentiable
        leaf = lengths.clone().requires_grad_()
        values = PhyloModel(patterns, 5, substitution_model=other).log_likelihood(leaf, topologies)
        results.append((values.detach(), torch.autograd.grad(values.sum(), leaf)[0]))
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("substitution_model", ["JC69", "HKY{2}+F"])
def test_float32(problem, substitution_model):
    topologies, lengths, patterns = problem
    exact, ours = (
        PhyloModel(patterns, 5, substitution_model=substitution_model, dtype=dtype).log_likelihood(lengths, topologies)
        for dtype in (torch.float64, torch.float32)
    )
    assert not torch.equal(ours, exact)
    torch.testing.assert_close(ours, exact, rtol=1e-7, atol=0)


def test_many_trees_under_another_model(problem):
    """Their transition matrices are made in parts, with the same values and gradients."""
    topologies, lengths, patterns = problem
    (part,) = PhyloModel(patterns, 5, substitution_model="GTR{1,2,3,4,5}+F+I{0.1}+G4{0.5}").parts
    results = []
    for at_once in (256, 4):
        leaf = lengths.clone().requires_grad_()
        values = replace(part, trees_at_once=at_once).log_likelihood(leaf, topologies)
        results.append((values.detach(), torch.autograd.grad(values.sum(), leaf)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=1e-14, atol=0)


@pytest.mark.parametrize("text", ["JC69", "HKY{2}+F", "GTR{1,2,3,4,5}+F+I{0.1}+G4{0.5}"])
def test_hessian(problem, text):
    """A change of gradients along a direction, for trees in parts."""
    topologies, lengths, patterns = problem
    lengths = lengths + 0.01
    (part,) = PhyloModel(patterns, 5, substitution_model=text).parts
    model = replace(part, trees_at_once=4)
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=lengths.shape))

    def gradient(at):
        leaf = at.clone().requires_grad_()
        return torch.autograd.grad(model.log_likelihood(leaf, topologies).sum(), leaf)[0]

    differences = (gradient(lengths + 1e-6 * direction) - gradient(lengths - 1e-6 * direction)) / 2e-6
    product = (model.hessian(lengths, topologies) @ direction[:, :, None])[..., 0]
    torch.testing.assert_close(product, differences, rtol=1e-5, atol=1e-6 * float(differences.abs().max()))
    with pytest.raises(NumericalError, match="edge 0 of tree 0 is -"):
        model.hessian(-lengths, topologies)


def test_joint_density_and_its_gradient(problem):
    topologies, lengths, patterns = problem
    model = PhyloModel(patterns, 5, branch_prior_rate=4.0)
    prior = 7 * math.log(4.0) - 4.0 * lengths.sum(dim=1) - math.log(15)
    torch.testing.assert_close(model.log_prior(lengths), prior)
    lengths.requires_grad_()
    torch.testing.assert_close(model.log_joint(lengths, topologies), model.log_likelihood(lengths, topologies) + prior)
    assert torch.autograd.gradcheck(lambda x: model.log_joint(x, topologies), (lengths,))


def test_errors(problem):
    topologies, lengths, patterns = problem
    with pytest.raises(InputError, match=r"5 taxa .* 6"):
        PhyloModel(patterns, 6)
    with pytest.raises(ConfigError, match="unknown substitution model"):
        PhyloModel(patterns, 5, substitution_model="K3000")
    with pytest.raises(BackendError, match="unknown likelihood backend"):
        PhyloModel(patterns, 5, backend="abacus").log_likelihood(lengths, topologies)
    for text in ("JC69", "F81+F"):
        model = PhyloModel(patterns, 5, substitution_model=text)
        with pytest.raises(InputError, match=r"branch_lengths has shape \(15, 6\)"):
            model.log_likelihood(lengths[:, :6], topologies)
        with pytest.raises(NumericalError, match="edge 0 of tree 0 is -"):
            model.log_likelihood(-lengths, topologies)
