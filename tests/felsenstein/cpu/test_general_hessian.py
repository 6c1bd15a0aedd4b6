"""Hessians and their products with vectors under any model, against autograd twice through the definition."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.felsenstein import (
    jc69_hessian,
    reference,
    set_threads,
    spectral_log_likelihood,
    tree_hessian,
    tree_hessian_vector,
    tree_second_derivatives,
)
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.model import PhyloModel, substitution_model
from vbpi_mix.model.site_scores import site_log_likelihoods
from vbpi_mix.phylo import SitePatterns, all_topologies, stack

GTR = "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}"


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def model_of(text):
    return substitution_model(text, examples.patterns(3, 2, np.random.default_rng(0)))


def arguments(model, lengths):
    return *model.transition_derivatives(lengths), model.root_frequencies(), model.category_weights()


def everything(model, lengths, topologies, patterns, vectors):
    """Hessian, product with vectors, diagonal."""
    inputs = (*arguments(model, lengths), topologies, patterns)
    return tree_hessian(*inputs), tree_hessian_vector(*inputs, vectors), tree_second_derivatives(*inputs)[2]


def directions(lengths):
    return torch.from_numpy(np.random.default_rng(0).normal(size=tuple(lengths.shape)))


def hessian_by_definition(model, lengths, topologies, patterns):
    values, products = model.constant_spectrum()

    def function(t):
        def value(x):
            change = (x[:, None, None] * values).expm1() @ products.reshape(4, 16)
            matrices = change.reshape(1, *change.shape[:-1], 4, 4) + torch.eye(4).double()
            rest = (model.root_frequencies(), model.category_weights(), topologies[[t]], patterns)
            return reference.tree_log_likelihood(matrices, *rest)[0]

        return value

    return torch.stack([torch.autograd.functional.hessian(function(t), x) for t, x in enumerate(lengths)])


def assert_all_follow(model, lengths, topologies, patterns, expected, *, tolerance=1e-9):
    vectors = directions(lengths)
    hessian, product, diagonal = everything(model, lengths, topologies, patterns, vectors)
    for t in range(len(lengths)):
        # autograd's own rounding, about 1e-16 a site, is all that it finds where every branch is saturated
        atol = max(tolerance * float(expected[t].abs().max()), 1e-12)
        assert torch.equal(hessian[t], hessian[t].T)
        torch.testing.assert_close(hessian[t], expected[t], rtol=tolerance, atol=atol)
        torch.testing.assert_close(product[t], expected[t] @ vectors[t], rtol=tolerance, atol=10 * atol)
        torch.testing.assert_close(diagonal[t], expected[t].diagonal(), rtol=tolerance, atol=atol)


@pytest.mark.parametrize("rates", ["", "+I{0.2}", "+G4{0.4}", "+I{0.2}+G4{0.4}"])
@pytest.mark.parametrize("n_taxa", [3, 7])
def test_by_autograd_twice(n_taxa, rates):
    """Ambiguity codes; then branches of length zero, tiny and very long ones."""
    generator = np.random.default_rng(n_taxa)
    model = model_of(GTR + rates)
    topologies = examples.shapes(2, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 67, generator)
    usual = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)) + 1e-3)
    zeros = usual.clone()
    zeros[:, ::4] = 0.0
    for lengths in (usual, zeros, examples.lengths(topologies, generator)):
        expected = hessian_by_definition(model, lengths, topologies, patterns)
        assert_all_follow(model, lengths, topologies, patterns, expected)


@pytest.mark.parametrize("n_taxa", [9, 300])
def test_jc69_as_a_general_model(n_taxa):
    """300 taxa are rescaled."""
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(2, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 70, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)) + 0.01)
    model = model_of("GTR{1,1,1,1,1}+F{0.25,0.25,0.25,0.25}")
    assert_all_follow(model, lengths, topologies, patterns, jc69_hessian(lengths, topologies, patterns))


@pytest.mark.parametrize("n_taxa", [200, 500])
def test_large_trees_by_differences_of_the_gradient(n_taxa):
    """Site likelihoods below 1e-110 and, with 500 taxa, below 1e-250: rescaled, by other factors in each category."""
    generator = np.random.default_rng(n_taxa)
    topologies = stack([examples.caterpillar(n_taxa, generator), examples.balanced(n_taxa, generator)])
    patterns = examples.patterns(n_taxa, 66, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.05, size=(2, topologies.n_edges)) + 0.01)
    model = model_of(GTR + "+I{0.2}+G4{0.2}")
    vectors = directions(lengths)
    hessian, product, diagonal = everything(model, lengths, topologies, patterns, vectors)

    def gradient(at):
        leaf = at.clone().requires_grad_()
        rest = (model.root_frequencies(), model.category_weights(), topologies, patterns)
        value = spectral_log_likelihood(leaf, *model.constant_spectrum(), *rest)
        return torch.autograd.grad(value.sum(), leaf)[0]

    differences = (gradient(lengths + 1e-6 * vectors) - gradient(lengths - 1e-6 * vectors)) / 2e-6
    scale = float(hessian.abs().max())
    torch.testing.assert_close(product, differences, rtol=1e-4, atol=1e-5 * float(differences.abs().max()))
    torch.testing.assert_close(product, (hessian @ vectors[:, :, None])[..., 0], rtol=1e-9, atol=1e-11 * scale)
    torch.testing.assert_close(diagonal, hessian.diagonal(dim1=1, dim2=2), rtol=1e-9, atol=1e-11 * scale)


def test_categories_that_are_impossible_for_rescaled_patterns():
    """Rates near 1e-200 make some categories' partial likelihoods zero; the others' derivatives stay finite."""
    generator = np.random.default_rng(1)
    topologies = examples.shapes(2, 600, generator)
    patterns = examples.patterns(600, 20, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)) + 0.01)
    model = model_of(GTR + "+G4{0.002}")
    hessian, product, diagonal = everything(model, lengths, topologies, patterns, directions(lengths))
    scale = float(hessian.abs().max())
    assert np.isfinite(scale)
    likelihoods = site_log_likelihoods(PhyloModel(patterns, 600, substitution_model=model), lengths.numpy(), topologies)
    assert (likelihoods[:, :-1] < -250 * np.log(10)).all()
    expected = (hessian @ directions(lengths)[:, :, None])[..., 0]
    torch.testing.assert_close(product, expected, rtol=1e-9, atol=1e-11 * scale)
    torch.testing.assert_close(diagonal, hessian.diagonal(dim1=1, dim2=2), rtol=1e-9, atol=1e-11 * scale)


@pytest.mark.parametrize("n_trees", [1, 5])
def test_threads_and_workspace_do_not_change_results(n_trees, monkeypatch):
    generator = np.random.default_rng(n_trees)
    topologies = examples.shapes(n_trees, 12, generator)
    patterns = examples.patterns(12, 200, generator)
    lengths = examples.lengths(topologies, generator)
    model = model_of(GTR + "+I{0.2}+G4{0.4}")
    set_threads(1)
    one = everything(model, lengths, topologies, patterns, directions(lengths))
    allocate = numba_backend.aligned_array

    def poison(*shape):
        work = allocate(*shape)
        work[:] = np.nan
        return work

    monkeypatch.setattr("vbpi_mix.felsenstein.second_derivatives.aligned_array", poison)
    for n_threads in (1, 3):
        set_threads(n_threads)
        for ours, alone in zip(everything(model, lengths, topologies, patterns, directions(lengths)), one, strict=True):
            # one tree is shared by patterns: sums in another order
            tolerance = 1e-12 if n_threads > 1 and n_trees == 1 else 0.0
            torch.testing.assert_close(ours, alone, rtol=tolerance, atol=tolerance * float(alone.abs().max()))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_impossible_data(n_threads):
    """Different states at the ends of zero-length branches: zeros, other trees untouched."""
    set_threads(n_threads)
    topologies = all_topologies(4)[np.array([0, 0])]
    sets = np.full((4, 130), 2, dtype=np.uint8)
    sets[:, 0] = [1, 2, 4, 8]
    patterns = SitePatterns(state_sets=sets, weights=np.ones(130))
    lengths = torch.tensor([[0.0] * 5, [0.1] * 5], dtype=torch.float64)
    model = model_of(GTR + "+I{0.2}+G4{0.4}")
    for derivative in everything(model, lengths, topologies, patterns, torch.ones_like(lengths)):
        assert (derivative[0] == 0).all()
        assert torch.isfinite(derivative[1]).all()
        assert (derivative[1] != 0).any()


def test_errors_name_what_is_wrong():
    topologies = all_topologies(4)
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    lengths = torch.full((3, 5), 0.1, dtype=torch.float64)
    matrices, first, second, *rest = arguments(model_of(GTR), lengths)
    with pytest.raises(InputError, match="first_derivatives has shape"):
        tree_hessian(matrices, first[:2], second, *rest, topologies, patterns)
    with pytest.raises(NumericalError, match="second_derivatives must be finite"):
        tree_hessian(matrices, first, second * torch.nan, *rest, topologies, patterns)
    with pytest.raises(InputError, match=r"vectors has shape \(5,\), expected \(3, 5\)"):
        tree_hessian_vector(matrices, first, second, *rest, topologies, patterns, lengths[0])
