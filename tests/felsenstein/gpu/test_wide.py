"""The GPU kernels for any number of states, in memory that is NaN where nothing was written."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from tests.felsenstein.gpu.agreement import DEVICE, assert_agree, results
from vbpi_mix.felsenstein import (
    length_log_likelihood,
    parametric_log_likelihood,
    spectral_log_likelihood,
    tree_log_likelihood,
)
from vbpi_mix.felsenstein.gpu import backend as triton_backend
from vbpi_mix.felsenstein.gpu.launch import LAUNCH, Launch
from vbpi_mix.phylo import SitePatterns

pytestmark = pytest.mark.gpu
SIZES = [(2, 3, 1), (3, 7, 63), (20, 3, 63), (20, 7, 65), (20, 33, 1), (61, 3, 2)]  # states, taxa, patterns


@pytest.fixture(autouse=True)
def poisoned():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def example(n_states, n_taxa, n_patterns):
    """One or two trees, each with its matrices; the first of three categories is invariant."""
    n_trees = 1 if n_taxa > 10 else 2
    model, topologies, patterns = examples.example_of_states(
        n_states, n_taxa=n_taxa, n_patterns=n_patterns, n_trees=n_trees, seed=n_taxa
    )
    lengths, generators, frequencies, rates, weights = model
    times = lengths[:, :, None] * rates[:, None, :]
    matrices = torch.linalg.matrix_exp(generators[:, None, None] * times[..., None, None])
    return (matrices, frequencies, weights), generators[:, None].expand(-1, 3, -1, -1), topologies, patterns


@pytest.mark.parametrize(("n_states", "n_taxa", "n_patterns"), [*SIZES, (2, 7, 65)])
def test_equal_to_the_definition(n_states, n_taxa, n_patterns):
    """Ambiguity codes, a column without data, an invariant category; derivatives in matrices."""
    arguments, _, topologies, patterns = example(n_states, n_taxa, n_patterns)
    assert_agree(tree_log_likelihood, arguments, topologies, patterns, tolerance=1e-11)


@pytest.mark.parametrize(("n_states", "n_taxa", "n_patterns"), [*SIZES, (2, 33, 65), (4, 7, 63)])
def test_derivatives_in_times_follow_from_those_in_matrices(n_states, n_taxa, n_patterns):
    """dP/dt = G P, by the definition."""
    arguments, generators, topologies, patterns = example(n_states, n_taxa, n_patterns)
    leaves = [x.clone().requires_grad_() for x in arguments]
    expected = tree_log_likelihood(*leaves, topologies, patterns, backend="reference")
    of_matrices, *others = torch.autograd.grad(expected.sum(), leaves)
    of_times = (of_matrices * (generators[:, None] @ arguments[0])).sum(dim=(-1, -2))
    given = [x.to(DEVICE) for x in arguments]
    found = triton_backend.general(
        *given, topologies, patterns, with_gradient=True, generators=generators.to(DEVICE)
    )  # fmt: skip
    for ours, definition in zip(found, (expected.detach(), of_times, *others), strict=True):
        tolerance = 1e-11 * float(definition.abs().max())
        torch.testing.assert_close(ours.cpu(), definition, rtol=1e-10, atol=tolerance)


@pytest.mark.parametrize("n_states", [2, 20])
def test_constant_and_parametric_models(n_states):
    """Every way that a model may be given to the likelihood, with what it is differentiable in."""
    model, topologies, patterns = examples.example_of_states(n_states, n_taxa=5, n_patterns=4)
    assert_agree(parametric_log_likelihood, model, topologies, patterns, other="numba", tolerance=1e-9)
    lengths, q, frequencies, rates, weights = model

    def some_constant(lengths, rates, weights, topologies, patterns, backend):
        of_all = (q, frequencies) if backend == "numba" else (q.to(DEVICE), frequencies.to(DEVICE))
        return parametric_log_likelihood(
            lengths, of_all[0], of_all[1], rates, weights, topologies, patterns, backend=backend
        )  # fmt: skip

    def one_matrix(lengths, rates, weights, topologies, patterns, backend):
        of_all = [x[:1].to(lengths.device).expand(2, *x.shape[1:]) for x in (q, frequencies)]
        return parametric_log_likelihood(lengths, *of_all, rates, weights, topologies, patterns, backend=backend)

    def spectral(lengths, topologies, patterns, backend):
        values, vectors = torch.linalg.eig(q[0])
        right, left = vectors.real, torch.linalg.inv(vectors.real)
        products = right.T[:, :, None] * left[:, None, :]
        of_categories = rates[0][:, None] * values.real.clamp(max=0.0)
        constants = [x.to(lengths.device) for x in (of_categories, products, frequencies[0], weights[0])]
        return spectral_log_likelihood(lengths, *constants, topologies, patterns, backend=backend)

    def by_length(lengths, topologies, patterns, backend):
        generators = rates[0][:, None, None] * q[0]
        matrices = torch.linalg.matrix_exp(generators * lengths.detach().cpu()[..., None, None, None])
        constants = [x.to(lengths.device) for x in (matrices, generators, frequencies[0], weights[0])]
        return length_log_likelihood(lengths, *constants, topologies, patterns, backend=backend)

    for function in (some_constant, one_matrix):
        assert_agree(function, [lengths, rates, weights], topologies, patterns, other="numba", tolerance=1e-9)
    for function in (spectral, by_length):
        assert_agree(function, [lengths], topologies, patterns, other="numba", tolerance=1e-9)


def test_likelihoods_below_the_smallest_double():
    """Changes on every other edge of length 1e-12, in two categories that end at very different powers of two."""
    (_, q, frequencies, _, _), _, patterns = examples.example_of_states(20, n_taxa=48, n_patterns=3, n_trees=1)
    generator = np.random.default_rng(1)
    topologies = examples.balanced(48, generator).batch()
    sets = 1 << generator.integers(0, 20, size=(48, 2))
    plain = SitePatterns(state_sets=sets.astype(np.uint32), weights=np.array([2.0, 1.0]), data_type=patterns.data_type)
    times = 1e-12 * torch.tensor([0.01, 1.0], dtype=torch.float64).expand(1, topologies.n_edges, 2)
    matrices = torch.linalg.matrix_exp(q[:, None, None] * times[..., None, None])
    arguments = (matrices, frequencies, torch.full((2,), 0.5, dtype=torch.float64))
    assert_agree(tree_log_likelihood, arguments, topologies, plain, other="numba", tolerance=1e-10)
    values = tree_log_likelihood(*arguments, topologies, plain)
    assert float(values) < -708 * plain.weights.sum()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter's own arithmetic
def test_impossible_data():
    """Different states at the ends of zero-length branches: -inf, gradient zero, other trees untouched."""
    model, topologies, patterns = examples.example_of_states(20, n_taxa=4, n_patterns=3)
    model[0][0] = 0.0
    found = [results(parametric_log_likelihood, model, topologies, patterns, b) for b in ("triton", "numba")]
    assert found[0][0][0] == -torch.inf
    for ours, compiled in zip(*found, strict=True):
        torch.testing.assert_close(ours, compiled, rtol=1e-8, atol=1e-9 * float(compiled[1:].abs().max()))
    assert (found[0][1][0] == 0).all()


@pytest.mark.parametrize("n_states", [2, 20])
def test_float32(n_states):
    """The error stated in the documentation."""
    arguments, generators, topologies, patterns = example(n_states, 5, 20)
    arguments = [x.to(DEVICE) for x in arguments]
    for further in ({}, {"generators": generators.to(DEVICE)}):
        single, double = (
            triton_backend.general(*arguments, topologies, patterns, with_gradient=True, dtype=dtype, **further)
            for dtype in (torch.float32, torch.float64)
        )
        for rough, exact in zip(single, double, strict=True):
            assert rough.dtype == torch.float64
            error = float((rough - exact).abs().max() / exact.abs().max())
            assert 0 < error < 1e-5


def test_chunks_of_trees_do_not_change_a_bit():
    arguments, generators, topologies, patterns = example(20, 4, 3)
    arguments = [x.to(DEVICE) for x in arguments]
    for further in ({}, {"generators": generators.to(DEVICE)}):
        found = [
            triton_backend.general(*arguments, topologies, patterns, with_gradient=True, launch=launch, **further)
            for launch in (LAUNCH, Launch(workspace_bytes=1000))
        ]
        for one, other in zip(*found, strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize(("n_states", "block", "n_patterns"), [(3, 8, 9), (20, 16, 17), (20, 64, 3)])
def test_other_launches(n_states, block, n_patterns):
    """More and fewer patterns per program, one tree at a time."""
    arguments, generators, topologies, patterns = example(n_states, 4, n_patterns)
    launch = Launch(block=block, workspace_bytes=1000, n_warps_wide=8)
    assert_agree(tree_log_likelihood, arguments, topologies, patterns, tolerance=1e-11, launch=launch)
    matrices, *others = (x.to(DEVICE) for x in arguments)
    found = []
    for each in (LAUNCH, launch):
        times = torch.ones(matrices.shape[:3], dtype=torch.float64, device=DEVICE).requires_grad_()
        values = triton_backend.timed_log_likelihood(
            times, matrices, generators.to(DEVICE), *others, topologies, patterns, each
        )  # fmt: skip
        found.append((values.detach(), *torch.autograd.grad(values.sum(), times)))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-12 * float(one.abs().max()))


def test_no_gradient_is_computed_when_none_is_wanted():
    arguments, generators, topologies, patterns = example(20, 3, 2)
    arguments = [x.to(DEVICE) for x in arguments]
    values, *gradients = triton_backend.general(
        *arguments, topologies, patterns, with_gradient=False, generators=generators.to(DEVICE)
    )  # fmt: skip
    expected = tree_log_likelihood(*(x.cpu() for x in arguments), topologies, patterns)
    torch.testing.assert_close(values.cpu(), expected, rtol=1e-12, atol=0)
    assert [g.numel() for g in gradients] == [0, 0, 0]
