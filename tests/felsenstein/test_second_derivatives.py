"""Second derivatives: against autograd twice through the definition, and against differences of the gradient."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import BackendError, InputError, NumericalError
from vbpi_mix.felsenstein import jc69_log_likelihood, reference, set_threads
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.felsenstein.second_derivatives import (
    jc69_hessian,
    jc69_hessian_vector,
    jc69_second_derivatives,
    tree_second_derivatives,
)
from vbpi_mix.phylo import SitePatterns, all_topologies, merge_relabelled, stack


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def hessian_by_definition(lengths, topologies, patterns):
    def function(t):
        return lambda x: reference.jc69_log_likelihood(x[None], topologies[[t]], patterns)[0]

    return torch.stack([torch.autograd.functional.hessian(function(t), x) for t, x in enumerate(lengths)])


def gradient(lengths, topologies, patterns):
    leaf = lengths.clone().requires_grad_()
    values = jc69_log_likelihood(leaf, topologies, patterns)
    return values.detach(), torch.autograd.grad(values.sum(), leaf)[0]


def everything(lengths, topologies, patterns, vectors):
    """Value, gradient, diagonal, Hessian, product with vectors."""
    return (
        *jc69_second_derivatives(lengths, topologies, patterns),
        jc69_hessian(lengths, topologies, patterns),
        jc69_hessian_vector(lengths, topologies, patterns, vectors),
    )


def assert_all_follow(lengths, topologies, patterns, hessian, *, tolerance=1e-11):
    """Everything computed here, given the Hessian (T, E, E)."""
    vectors = torch.from_numpy(np.random.default_rng(0).normal(size=lengths.shape))
    values, first, diagonal, ours, product = everything(lengths, topologies, patterns, vectors)
    expected_values, expected_first = gradient(lengths, topologies, patterns)
    torch.testing.assert_close(values, expected_values, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(first, expected_first, rtol=1e-11, atol=1e-11 * float(expected_first.abs().max()))
    for t in range(len(lengths)):
        atol = tolerance * float(hessian[t].abs().max())
        torch.testing.assert_close(ours[t], hessian[t], rtol=tolerance, atol=atol)
        torch.testing.assert_close(diagonal[t], hessian[t].diagonal(), rtol=tolerance, atol=atol)
        torch.testing.assert_close(product[t], hessian[t] @ vectors[t], rtol=tolerance, atol=10 * atol)
        assert torch.equal(ours[t], ours[t].T)


@pytest.mark.parametrize("n_taxa", [3, 4, 5, 8, 12])
def test_hessian_by_autograd_twice(n_taxa):
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 67, generator)
    usual = torch.from_numpy(generator.exponential(0.1, size=(3, topologies.n_edges)))
    assert_all_follow(usual, topologies, patterns, hessian_by_definition(usual, topologies, patterns))
    # tiny and very long branches: entries of very different size
    mixed = examples.lengths(topologies, generator)
    assert_all_follow(mixed, topologies, patterns, hessian_by_definition(mixed, topologies, patterns))


def test_zero_lengths():
    """Equal tips of a cherry with no length between them and the rest."""
    generator = np.random.default_rng(2)
    topologies = examples.shapes(3, 7, generator)
    patterns = examples.patterns(7, 40, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(3, topologies.n_edges)))
    lengths[:, ::4] = 0.0
    assert_all_follow(lengths, topologies, patterns, hessian_by_definition(lengths, topologies, patterns))


def test_hessian_by_differences_of_the_gradient():
    """60 taxa, more than one block, real-sized branches; patterns merged by relabelling."""
    generator = np.random.default_rng(4)
    topologies = examples.shapes(2, 60, generator)
    patterns = merge_relabelled(examples.patterns(60, 90, generator, codes="plain"))
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)) + 0.01)
    step, n_edges = 1e-5, topologies.n_edges
    columns = []
    for edge in range(n_edges):
        shift = torch.zeros(n_edges, dtype=torch.float64)
        shift[edge] = step
        up, down = (gradient(lengths + s * shift, topologies, patterns)[1] for s in (1, -1))
        columns.append((up - down) / (2 * step))
    differences = torch.stack(columns, dim=2)
    # step^2 / 6 times fourth derivatives, which grow with the inverse fourth power of the length
    assert_all_follow(lengths, topologies, patterns, differences, tolerance=1e-5)


def test_deep_trees_are_rescaled():
    """Site likelihoods below 1e-250; products with vectors against differences, all else against products."""
    n_taxa = 400
    generator = np.random.default_rng(n_taxa)
    topologies = stack([examples.caterpillar(n_taxa, generator), examples.balanced(n_taxa, generator)])
    patterns = examples.patterns(n_taxa, 70, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)) + 0.01)
    direction = torch.from_numpy(generator.normal(size=lengths.shape))
    values, _, diagonal, hessian, product = everything(lengths, topologies, patterns, direction)
    assert (values < -260 * np.log(10) * patterns.weights[:-1].sum()).all()
    scale = float(hessian.abs().max())
    torch.testing.assert_close(product, (hessian @ direction[:, :, None])[..., 0], rtol=1e-9, atol=1e-11 * scale)
    torch.testing.assert_close(diagonal, hessian.diagonal(dim1=1, dim2=2), rtol=1e-9, atol=1e-11 * scale)
    step = 1e-6
    up, down = (gradient(lengths + s * direction, topologies, patterns)[1] for s in (step, -step))
    differences = (up - down) / (2 * step)
    torch.testing.assert_close(product, differences, rtol=1e-4, atol=1e-5 * float(differences.abs().max()))


@pytest.mark.parametrize("n_trees", [1, 5])
def test_the_number_of_threads_does_not_change_results(n_trees):
    generator = np.random.default_rng(n_trees)
    topologies = examples.shapes(n_trees, 12, generator)
    patterns = examples.patterns(12, 200, generator)
    lengths = examples.lengths(topologies, generator)
    vectors = torch.from_numpy(generator.normal(size=lengths.shape))
    set_threads(1)
    one = everything(lengths, topologies, patterns, vectors)
    set_threads(3)
    for ours, alone in zip(everything(lengths, topologies, patterns, vectors), one, strict=True):
        # one tree is shared by patterns: sums in another order
        tolerance = 0.0 if n_trees > 1 else 1e-12
        torch.testing.assert_close(ours, alone, rtol=tolerance, atol=tolerance * float(alone.abs().max()))


def test_every_cell_of_the_workspace_is_written_before_it_is_read(monkeypatch):
    generator = np.random.default_rng(6)
    topologies = examples.shapes(2, 9, generator)
    patterns = examples.patterns(9, 70, generator)
    lengths = examples.lengths(topologies, generator)
    vectors = torch.from_numpy(generator.normal(size=lengths.shape))
    clean = everything(lengths, topologies, patterns, vectors)
    allocate = numba_backend.aligned_array

    def poison(*shape):
        work = allocate(*shape)
        work[:] = np.nan
        return work

    monkeypatch.setattr("vbpi_mix.felsenstein.second_derivatives.aligned_array", poison)
    for ours, expected in zip(everything(lengths, topologies, patterns, vectors), clean, strict=True):
        assert torch.equal(ours, expected)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_impossible_data(n_threads):
    """Different states at the ends of zero-length branches: -inf, zeros, other trees untouched."""
    set_threads(n_threads)
    topologies = all_topologies(4)[np.array([0, 0])]
    sets = np.full((4, 130), 2, dtype=np.uint8)
    sets[:, 0] = [1, 2, 4, 8]
    patterns = SitePatterns(state_sets=sets, weights=np.ones(130))
    lengths = torch.tensor([[0.0] * 5, [0.1] * 5], dtype=torch.float64)
    values, *derivatives = everything(lengths, topologies, patterns, torch.ones_like(lengths))
    assert values[0] == -torch.inf
    assert torch.isfinite(values[1])
    for derivative in derivatives:
        assert (derivative[0] == 0).all()
        assert torch.isfinite(derivative[1]).all()
        assert (derivative[1] != 0).any()


def test_sites_without_data_add_nothing():
    topologies = all_topologies(5)[:2]
    empty = SitePatterns(state_sets=np.full((5, 2), 15, dtype=np.uint8), weights=np.array([3.0, 1.0]))
    lengths = torch.full((2, 7), 0.1, dtype=torch.float64)
    for result in everything(lengths, topologies, empty, torch.ones_like(lengths)):
        torch.testing.assert_close(result, torch.zeros_like(result), rtol=0, atol=1e-13)


def general_arguments(model, lengths):
    """Transition matrices with both derivatives in the lengths, frequencies, category weights."""
    matrices, frequencies, weights = model.arguments(lengths.numpy())
    q, rates = torch.from_numpy(model.q), torch.from_numpy(model.rates)[:, None, None]
    return matrices, rates * (q @ matrices), rates**2 * (q @ q @ matrices), frequencies, weights


@pytest.mark.parametrize("n_categories", [1, 4])
def test_general_diagonal_by_autograd_twice(n_categories):
    generator = np.random.default_rng(n_categories)
    topologies = examples.shapes(3, 7, generator)
    patterns = examples.patterns(7, 67, generator)
    lengths = torch.from_numpy(generator.exponential(0.2, size=(3, topologies.n_edges)))
    model = examples.random_model(n_categories, generator)
    arguments = general_arguments(model, lengths)
    values, first, diagonal = tree_second_derivatives(*arguments, topologies, patterns)
    q, rates = torch.from_numpy(model.q), torch.from_numpy(model.rates)

    def function(t):
        def value(x):
            matrices = torch.linalg.matrix_exp((x[:, None] * rates)[None, ..., None, None] * q)
            return reference.tree_log_likelihood(matrices, *arguments[3:], topologies[[t]], patterns)[0]

        return value

    for t, x in enumerate(lengths):
        leaf = x.clone().requires_grad_()
        value = function(t)(leaf)
        assert float(values[t]) == pytest.approx(float(value.detach()), rel=1e-12)
        torch.testing.assert_close(first[t], torch.autograd.grad(value, leaf)[0], rtol=1e-9, atol=1e-8)
        expected = torch.autograd.functional.hessian(function(t), x).diagonal()
        torch.testing.assert_close(diagonal[t], expected, rtol=1e-8, atol=1e-8 * float(expected.abs().max()))


@pytest.mark.parametrize("n_taxa", [9, 300])
def test_general_diagonal_equals_that_of_jc69(n_taxa):
    """JC69 written as a general model with two equal categories; 300 taxa are rescaled."""
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(2, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 70, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)) + 0.01)
    quarter = np.full(4, 0.25)
    model = examples.Model(
        q=examples.gtr(np.ones(6), quarter), frequencies=quarter, rates=np.ones(2), weights=np.array([0.3, 0.7])
    )
    general = tree_second_derivatives(*general_arguments(model, lengths), topologies, patterns)
    for ours, special in zip(general, jc69_second_derivatives(lengths, topologies, patterns), strict=True):
        torch.testing.assert_close(ours, special, rtol=1e-9, atol=1e-10 * float(special.abs().max()))


def test_errors_name_what_is_wrong():
    topologies = all_topologies(4)
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    lengths = torch.full((3, 5), 0.1, dtype=torch.float64)
    with pytest.raises(InputError, match="branch_lengths has shape"):
        jc69_hessian(lengths[:, :4], topologies, patterns)
    wrong = lengths.clone()
    wrong[2, 3] = -1.0
    with pytest.raises(NumericalError, match="edge 3 of tree 2"):
        jc69_second_derivatives(wrong, topologies, patterns)
    with pytest.raises(InputError, match=r"vectors has shape \(5,\), expected \(3, 5\)"):
        jc69_hessian_vector(lengths, topologies, patterns, lengths[0])
    with pytest.raises(NumericalError, match="vectors must be finite"):
        jc69_hessian_vector(lengths, topologies, patterns, lengths * torch.nan)
    with pytest.raises(BackendError, match="cpu, not on meta"):
        jc69_hessian_vector(lengths, topologies, patterns, lengths.to("meta"))
