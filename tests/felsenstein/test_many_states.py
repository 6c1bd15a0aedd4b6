"""Any number of states: the compiled kernels against the definition, differentiated by autograd."""

import pytest
import torch

from tests.felsenstein.examples import example_of_states as example
from vbpi_mix.errors import BackendError
from vbpi_mix.felsenstein import (
    length_log_likelihood,
    parametric_log_likelihood,
    spectral_hessian,
    spectral_log_likelihood,
    tree_log_likelihood,
    tree_second_derivatives,
)
from vbpi_mix.felsenstein.parametric import reversible_spectra
from vbpi_mix.felsenstein.reference import tree_log_likelihood as definition

SIZES = [2, 3, 20, 61]


@pytest.mark.parametrize("n_states", SIZES)
def test_value_and_all_derivatives_equal_those_of_the_definition(n_states):
    model, topologies, patterns = example(n_states)
    found = []
    for backend in ("numba", "reference"):
        leaves = [x.clone().requires_grad_() for x in model]
        value = parametric_log_likelihood(*leaves, topologies, patterns, backend=backend)
        value.sum().backward()
        found.append((value.detach(), [x.grad for x in leaves]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-12, atol=0)
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8 * float(theirs.abs().max()))


@pytest.mark.parametrize("n_states", SIZES)
def test_derivatives_in_transition_matrices_equal_those_of_the_definition(n_states):
    (lengths, matrices, frequencies, rates, weights), topologies, patterns = example(n_states)
    times = lengths[:, :, None] * rates[:, None, :]
    transition = torch.linalg.matrix_exp(matrices[:, None, None] * times[..., None, None])
    found = []
    for compute in (tree_log_likelihood, definition):
        leaves = [x.clone().requires_grad_() for x in (transition, frequencies, weights)]
        value = compute(*leaves, topologies, patterns)
        value.sum().backward()
        found.append((value.detach(), [x.grad for x in leaves]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-12, atol=0)
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10 * float(theirs.abs().max()))


@pytest.mark.parametrize("n_states", SIZES)
def test_one_model_for_all_trees_and_its_hessian(n_states):
    (lengths, matrices, frequencies, rates, weights), topologies, patterns = example(n_states)
    values, left, right = (
        torch.from_numpy(x) for x in reversible_spectra(matrices[:1].numpy(), frequencies[:1].numpy())
    )
    products = torch.einsum("ik,kj->kij", left[0], right[0])
    eigenvalues = rates[0][:, None] * values[0]
    model = eigenvalues, products, frequencies[0], weights[0]
    leaf = lengths.clone().requires_grad_()
    value = spectral_log_likelihood(leaf, *model, topologies, patterns)
    value.sum().backward()
    generators = torch.tensordot(eigenvalues, products, 1)

    def plainly(at: torch.Tensor) -> torch.Tensor:
        transition = torch.linalg.matrix_exp(generators * at[..., None, None, None])
        return definition(transition, frequencies[0], weights[0], topologies, patterns)

    again = lengths.clone().requires_grad_()
    expected = plainly(again)
    expected.sum().backward()
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(leaf.grad, again.grad, rtol=1e-9, atol=1e-9)
    transition = torch.linalg.matrix_exp(generators * lengths[..., None, None, None])
    third = lengths.clone().requires_grad_()
    length_log_likelihood(
        third, transition, generators, frequencies[0], weights[0], topologies, patterns
    ).sum().backward()
    torch.testing.assert_close(third.grad, again.grad, rtol=1e-9, atol=1e-9)
    density, gradient, hessian = spectral_hessian(lengths, *model, topologies, patterns)
    torch.testing.assert_close(density, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, again.grad, rtol=1e-9, atol=1e-9)
    if n_states > 20:
        return  # autograd's Hessian of the definition takes long
    of_all = torch.autograd.functional.hessian(lambda x: plainly(x).sum(), lengths)
    for t in range(len(lengths)):
        torch.testing.assert_close(hessian[t], of_all[t, :, t], rtol=1e-8, atol=1e-7)


def test_many_taxa_do_not_underflow():
    """The definition rescales at every node; 700 taxa have site likelihoods far below 1e-308."""
    model, topologies, patterns = example(20, n_taxa=700, n_patterns=3, n_trees=1)
    leaves = [x.clone().requires_grad_() for x in model]
    value = parametric_log_likelihood(*leaves, topologies, patterns)
    value.sum().backward()
    with torch.no_grad():
        expected = parametric_log_likelihood(*model, topologies, patterns, backend="reference")
    assert float(expected) < -3 * 708
    torch.testing.assert_close(value.detach(), expected, rtol=1e-11, atol=0)
    step = 1e-6
    moved = [model[0].clone(), *model[1:]]
    moved[0][0, 5] += step
    raised = float(parametric_log_likelihood(*moved, topologies, patterns))
    moved[0][0, 5] -= 2 * step
    lowered = float(parametric_log_likelihood(*moved, topologies, patterns))
    assert float(leaves[0].grad[0, 5]) == pytest.approx((raised - lowered) / (2 * step), rel=1e-4)


def test_impossible_data_have_no_gradient():
    model, topologies, patterns = example(20, n_patterns=5)
    model[0][0] = 0.0
    leaf = model[0].clone().requires_grad_()
    value = parametric_log_likelihood(leaf, *model[1:], topologies, patterns)
    value[1].backward()
    assert value[0] == -torch.inf
    assert torch.isfinite(value[1])
    assert torch.equal(leaf.grad[0], torch.zeros_like(leaf.grad[0]))


def test_what_four_states_alone_have_is_refused_for_others():
    (lengths, matrices, frequencies, _, _), topologies, patterns = example(20)
    transition = torch.linalg.matrix_exp(matrices[:, None, None] * lengths[..., None, None, None])
    one = torch.ones(1, dtype=torch.float64)
    with pytest.raises(BackendError, match="float64 only"):
        tree_log_likelihood(transition, frequencies, one, topologies, patterns, dtype=torch.float32)
    with pytest.raises(BackendError, match="spectral_hessian"):
        tree_second_derivatives(transition, transition, transition, frequencies[0], one, topologies, patterns)
