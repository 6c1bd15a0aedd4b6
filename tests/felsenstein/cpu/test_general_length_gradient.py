"""Gradients in the branch lengths of models with constant parameters."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.felsenstein import length_log_likelihood, set_threads, tree_log_likelihood


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def through_lengths(lengths, model, topologies, patterns, backend):
    leaf = lengths.clone().requires_grad_()
    matrices, frequencies, weights = model.arguments(lengths.numpy())
    generators = torch.from_numpy(model.rates[:, None, None] * model.q)
    values = length_log_likelihood(
        leaf, matrices, generators, frequencies, weights, topologies, patterns, backend=backend
    )
    factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64)
    return values.detach(), torch.autograd.grad((values * factors).sum(), leaf)[0]


def through_matrices(lengths, model, topologies, patterns):
    """By the chain rule from the gradient in every entry of the matrices."""
    matrices, frequencies, weights = model.arguments(lengths.numpy())
    leaf = matrices.clone().requires_grad_()
    values = tree_log_likelihood(leaf, frequencies, weights, topologies, patterns)
    factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64)
    (gradient,) = torch.autograd.grad((values * factors).sum(), leaf)
    slopes = torch.from_numpy(model.rates[:, None, None] * model.q) @ matrices
    return values.detach(), (gradient * slopes).sum(dim=(2, 3, 4))


@pytest.mark.parametrize("n_taxa", [3, 4, 9, 60])
@pytest.mark.parametrize("n_categories", [1, 4])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_equal_to_the_gradient_through_the_matrices(n_taxa, n_categories, n_threads):
    set_threads(n_threads)
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(1 if n_taxa == 4 else 3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 130, generator)
    lengths = examples.lengths(topologies, generator)
    model = examples.random_model(n_categories, generator)
    values, gradient = through_matrices(lengths, model, topologies, patterns)
    for backend in ("numba", "reference"):
        ours = through_lengths(lengths, model, topologies, patterns, backend)
        torch.testing.assert_close(ours[0], values, rtol=1e-12, atol=0)
        torch.testing.assert_close(ours[1], gradient, rtol=1e-9, atol=1e-11 * float(gradient.abs().max()))


def test_scaled():
    """300 taxa: below 1e-250 in some blocks of patterns and not in others."""
    generator = np.random.default_rng(0)
    topologies = examples.shapes(3, 300, generator)
    patterns = examples.patterns(300, 150, generator, codes="plain")
    patterns.state_sets[:, 60:125] = 1
    lengths = torch.from_numpy(generator.exponential(0.05, size=(3, topologies.n_edges)))
    model = examples.random_model(2, generator)
    values, gradient = through_matrices(lengths, model, topologies, patterns)
    assert (values < -1e4).all()
    ours = through_lengths(lengths, model, topologies, patterns, "numba")
    torch.testing.assert_close(ours[0], values, rtol=1e-12, atol=0)
    torch.testing.assert_close(ours[1], gradient, rtol=1e-9, atol=1e-11 * float(gradient.abs().max()))


def test_finite_differences():
    generator = np.random.default_rng(1)
    topologies = examples.shapes(2, 200, generator)
    patterns = examples.patterns(200, 20, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)))
    model = examples.random_model(3, generator)
    direction = torch.from_numpy(generator.normal(size=lengths.shape)) * lengths
    factors = torch.linspace(0.5, 2.0, 2, dtype=torch.float64)
    _, gradient = through_lengths(lengths, model, topologies, patterns, "numba")
    step = 1e-5
    values = [
        tree_log_likelihood(*model.arguments((lengths + s * step * direction).numpy()), topologies, patterns)
        for s in (-1, 1)
    ]
    slope = factors * (values[1] - values[0]) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(dim=1), slope, rtol=1e-6, atol=1e-3)


def test_impossible_data_have_no_gradient():
    generator = np.random.default_rng(2)
    topologies = examples.shapes(2, 6, generator)
    patterns = examples.patterns(6, 10, generator, codes="plain")
    lengths = torch.full((2, topologies.n_edges), 0.1, dtype=torch.float64)
    lengths[0] = 0.0
    values, gradient = through_lengths(lengths, examples.random_model(2, generator), topologies, patterns, "numba")
    assert values[0] == -torch.inf
    assert not gradient[0].any()
    assert torch.isfinite(values[1])
    assert gradient[1].any()


def test_errors():
    generator = np.random.default_rng(3)
    topologies = examples.shapes(2, 6, generator)
    patterns = examples.patterns(6, 10, generator)
    lengths = examples.lengths(topologies, generator)
    model = examples.random_model(2, generator)
    arguments = model.arguments(lengths.numpy())
    rates = torch.from_numpy(model.rates[:, None, None] * model.q)
    with pytest.raises(InputError, match="generators has shape"):
        length_log_likelihood(lengths, arguments[0], rates[:1], *arguments[1:], topologies, patterns)
    with pytest.raises(NumericalError, match="generators must be finite"):
        length_log_likelihood(lengths, arguments[0], rates * torch.inf, *arguments[1:], topologies, patterns)
    with pytest.raises(NumericalError, match="edge 0 of tree 0 is -"):
        length_log_likelihood(lengths - 1e9, arguments[0], rates, *arguments[1:], topologies, patterns)
