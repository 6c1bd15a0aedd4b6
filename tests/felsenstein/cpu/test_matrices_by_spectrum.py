"""Transition matrices from a spectrum, and the likelihood with them."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm

from tests.felsenstein import examples
from vbpi_mix.errors import BackendError, InputError, NumericalError
from vbpi_mix.felsenstein import length_log_likelihood, set_threads, spectral_log_likelihood
from vbpi_mix.felsenstein.cpu.matrices_by_spectrum import expm1, spectral_matrices


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def spectrum(model):
    """(C, 4) eigenvalues and (4, 4, 4) products of an example model."""
    root = np.sqrt(model.frequencies)
    values, vectors = np.linalg.eigh(model.q * root[:, None] / root)
    left, right = vectors / root[:, None], vectors.T * root
    values[-1] = 0.0
    products = np.einsum("ik,kj->kij", left, right)
    return torch.from_numpy(model.rates[:, None] * values), torch.from_numpy(products)


def test_expm1():
    generator = np.random.default_rng(0)
    tiny, usual = 10.0 ** generator.uniform(-300, 3, size=2000), generator.uniform(0, 3, size=2000)
    times = np.concatenate([tiny, usual, [0.0, 707.9, 708.1, 1e300]])
    ours = np.empty_like(times)
    expm1(-1.0, times, ours)
    np.testing.assert_allclose(ours, np.expm1(-times), rtol=1e-15, atol=0)
    expm1(1e-17, times, ours)  # a rounding error of an eigenvalue that is zero
    assert not ours.any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_matrices(dtype):
    generator = np.random.default_rng(1)
    model = examples.random_model(3, generator)
    lengths = 10.0 ** generator.uniform(-12, 2, size=(3, 9))
    values, products = (x.numpy() for x in spectrum(model))
    matrices = np.full((3, 3, 9, 16), np.nan, dtype)
    spectral_matrices(lengths, values, products.reshape(4, 16), (1, 3), matrices)
    assert np.isnan(matrices[0]).all()
    expected = expm(lengths[1:, None, :, None, None] * (model.rates[:, None, None] * model.q)[None, :, None])
    ours = matrices[1:].reshape(expected.shape)
    np.testing.assert_allclose(ours, expected, rtol=1e-11 if dtype == np.float64 else 1e-6, atol=1e-15)
    assert (ours >= 0).all()


@pytest.mark.parametrize("n_taxa", [3, 4, 9, 60])
@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_likelihood_is_that_of_the_same_matrices(n_taxa, n_threads):
    """With more threads than trees several of them work on one tree, whose matrices exist before."""
    set_threads(n_threads)
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(1 if n_taxa == 4 else 3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 400, generator)
    lengths = examples.lengths(topologies, generator)
    model = examples.random_model(4, generator)
    matrices, *rest = model.arguments(lengths.numpy())
    values, products = spectrum(model)
    generators = torch.from_numpy(model.rates[:, None, None] * model.q)
    results = []
    for given, function in (
        ((matrices, generators), length_log_likelihood),
        ((values, products), spectral_log_likelihood),
    ):
        for backend in ("numba", "reference"):
            leaf = lengths.clone().requires_grad_()
            value = function(leaf, *given, *rest, topologies, patterns, backend=backend)
            finite = value.isfinite()
            (gradient,) = torch.autograd.grad(value[finite].sum(), leaf)
            results.append((value.detach(), gradient))
    for value, gradient in results[1:]:
        torch.testing.assert_close(value, results[0][0], rtol=1e-10, atol=0)
        largest = float(results[0][1].abs().max())
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-7, atol=1e-9 * largest)


def test_float32_is_done_again_where_it_loses_digits():
    generator = np.random.default_rng(2)
    topologies = examples.shapes(3, 8, generator)
    patterns = examples.patterns(8, 50, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(3, topologies.n_edges)))
    lengths[1] *= 1e-30
    model = examples.random_model(1, generator)
    _, *rest = model.arguments(lengths.numpy())
    exact, ours = (
        spectral_log_likelihood(lengths, *spectrum(model), *rest, topologies, patterns, dtype=dtype)
        for dtype in (torch.float64, torch.float32)
    )
    torch.testing.assert_close(ours, exact, rtol=1e-6, atol=0)
    assert ours[1] == exact[1]


def test_bad_input():
    generator = np.random.default_rng(3)
    topologies = examples.shapes(1, 4, generator)
    patterns = examples.patterns(4, 5, generator)
    lengths = torch.full((1, 5), 0.1, dtype=torch.float64)
    model = examples.random_model(2, generator)
    _, frequencies, weights = model.arguments(lengths.numpy())
    values, products = spectrum(model)

    def call(lengths=lengths, values=values, products=products, frequencies=frequencies, weights=weights, **options):
        return spectral_log_likelihood(lengths, values, products, frequencies, weights, topologies, patterns, **options)

    for faults, error, message in (
        ({"values": values[:1]}, InputError, r"eigenvalues has shape \(1, 4\), expected \(2, 4\)"),
        ({"values": -values}, NumericalError, "not positive"),
        ({"products": products[:3]}, InputError, "products has shape"),
        ({"products": products * torch.nan}, NumericalError, "products of eigenvectors must be finite"),
        ({"frequencies": -frequencies}, NumericalError, "root_frequencies must be finite and not negative"),
        ({"weights": weights[:, None]}, InputError, r"category_weights has shape \(2, 1\)"),
        ({"lengths": lengths - 1}, NumericalError, "length of edge 0 of tree 0 is -0.9"),
        ({"lengths": lengths.float()}, InputError, "branch_lengths is torch.float32"),
        ({"backend": "abacus"}, BackendError, "unknown likelihood backend 'abacus'"),
        ({"dtype": torch.float16}, InputError, "float16"),
        ({"dtype": torch.float32, "backend": "reference"}, BackendError, "float64 only"),
    ):
        with pytest.raises(error, match=message):
            call(**faults)
