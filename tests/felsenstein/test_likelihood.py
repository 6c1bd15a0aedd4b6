"""The differentiable functions: backends against each other, gradients, errors, the ends of the range."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.felsenstein import examples
from vbpi_mix.errors import BackendError, InputError, NumericalError
from vbpi_mix.felsenstein import BACKENDS, jc69_log_likelihood, set_threads, tree_log_likelihood
from vbpi_mix.felsenstein.reference import jc69_matrices
from vbpi_mix.phylo import SitePatterns, all_topologies, stack

ON_CPU = sorted(set(BACKENDS) - {"triton"})


@pytest.fixture(autouse=True)
def default_threads():
    yield
    set_threads(None)


def general_both(arguments, topologies, patterns):
    """Values and gradients of both backends; one gradient per tree for frequencies and weights."""
    results = []
    for backend in ("numba", "reference"):
        leaves = [a.clone().requires_grad_() for a in arguments]
        values = tree_log_likelihood(*leaves, topologies, patterns, backend=backend)
        factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64)
        results.append((values.detach(), *torch.autograd.grad((values * factors).sum(), leaves)))
    return results


def jc69_both(lengths, topologies, patterns):
    results = []
    for backend in ("numba", "reference"):
        leaf = lengths.clone().requires_grad_()
        values = jc69_log_likelihood(leaf, topologies, patterns, backend=backend)
        factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64)
        results.append((values.detach(), *torch.autograd.grad((values * factors).sum(), leaf)))
    return results


def assert_agree(results):
    for ours, definition in zip(*results, strict=True):
        scale = float(definition.abs().max())
        # the gradient of data that say nothing is a rounding error
        torch.testing.assert_close(ours, definition, rtol=1e-11, atol=1e-12 * scale + 1e-13)


@pytest.mark.parametrize("n_patterns", [1, 63, 64, 65, 129])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_backends_agree_at_the_edges_of_blocks(n_patterns, n_threads):
    generator = np.random.default_rng(n_patterns)
    set_threads(n_threads)
    topologies = examples.shapes(4 if n_threads < 3 else 1, 9, generator)
    patterns = examples.patterns(9, n_patterns, generator)
    lengths = examples.lengths(topologies, generator)
    assert_agree(jc69_both(lengths, topologies, patterns))
    model = examples.random_model(3, generator)
    assert_agree(general_both(model.arguments(lengths.numpy()), topologies, patterns))


@settings(max_examples=25, deadline=None)
@given(n_taxa=st.integers(3, 40), n_patterns=st.integers(1, 90), n_categories=st.integers(1, 4), seed=st.integers(0))
def test_backends_agree(n_taxa, n_patterns, n_categories, seed):
    generator = np.random.default_rng(seed)
    topologies = examples.shapes(3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, n_patterns, generator)
    lengths = examples.lengths(topologies, generator)
    assert_agree(jc69_both(lengths, topologies, patterns))
    model = examples.random_model(n_categories, generator)
    assert_agree(general_both(model.arguments(lengths.numpy()), topologies, patterns))


@pytest.mark.parametrize("n_taxa", [100, 300])
def test_backends_agree_on_many_taxa(n_taxa):
    """Far enough below 1e-250 that some blocks are rescaled and, with 100 taxa, some are not."""
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(2, n_taxa, generator)
    varied = examples.patterns(n_taxa, 70, generator, codes="plain")
    constant = np.ones((n_taxa, 64), dtype=np.uint8)
    patterns = SitePatterns(
        state_sets=np.hstack([constant, varied.state_sets]), weights=np.append(np.ones(64), varied.weights)
    )
    lengths = torch.from_numpy(generator.exponential(0.01, size=(2, topologies.n_edges)))
    assert_agree(jc69_both(lengths, topologies, patterns))
    model = examples.random_model(2, generator)
    assert_agree(general_both(model.arguments(lengths.numpy()), topologies, patterns))


def test_two_thousand_taxa_do_not_underflow():
    generator = np.random.default_rng(7)
    topologies = stack([examples.caterpillar(2000, generator), examples.balanced(2000, generator)])
    patterns = examples.patterns(2000, 3, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(2, topologies.n_edges)))
    results = jc69_both(lengths, topologies, patterns)
    assert (results[0][0] < -1e3 * np.log(10) * 3).all()
    for ours, definition in zip(*results, strict=True):
        torch.testing.assert_close(ours, definition, rtol=1e-10, atol=1e-10 * float(definition.abs().max()))
    matrices = jc69_matrices(lengths).unsqueeze(2)
    quarter, one = torch.full((4,), 0.25, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    torch.testing.assert_close(
        tree_log_likelihood(matrices, quarter, one, topologies, patterns), results[1][0], rtol=1e-10, atol=0
    )


def test_rescaling_survives_conflicts_across_tiny_branches():
    """Every cherry of a balanced tree conflicts across branches of 1e-60: factors of 1e-60 per node."""
    generator = np.random.default_rng(8)
    topology = examples.balanced(64, generator).batch()
    patterns = examples.patterns(64, 5, generator, codes="plain")
    lengths = torch.full((1, topology.n_edges), 1e-60, dtype=torch.float64)
    ours, definition = jc69_both(lengths, topology, patterns)
    assert torch.isfinite(ours[0]).all()
    torch.testing.assert_close(ours[0], definition[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(ours[1], definition[1], rtol=1e-9, atol=1e-9 * float(definition[1].abs().max()))


@pytest.mark.parametrize("backend", ON_CPU)
def test_gradcheck(backend):
    generator = np.random.default_rng(3)
    topologies = examples.shapes(2, 5, generator)
    patterns = examples.patterns(5, 6, generator)
    lengths = torch.from_numpy(generator.exponential(0.3, size=(2, topologies.n_edges))).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: jc69_log_likelihood(x, topologies, patterns, backend=backend), (lengths,))
    arguments = [a.requires_grad_() for a in examples.random_model(2, generator).arguments(lengths.detach().numpy())]
    assert torch.autograd.gradcheck(
        lambda *a: tree_log_likelihood(*a, topologies, patterns, backend=backend), arguments
    )


def test_finite_differences_on_200_taxa():
    generator = np.random.default_rng(4)
    topologies = examples.shapes(3, 200, generator)
    patterns = examples.patterns(200, 100, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, size=(3, topologies.n_edges))).requires_grad_()
    (gradient,) = torch.autograd.grad(jc69_log_likelihood(lengths, topologies, patterns).sum(), lengths)
    direction = torch.from_numpy(generator.normal(size=lengths.shape)) * lengths.detach()
    step = 1e-5
    with torch.no_grad():
        up, down = (jc69_log_likelihood(lengths + s * direction, topologies, patterns) for s in (step, -step))
    slope = (up - down) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(dim=1), slope, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("backend", ON_CPU)
def test_sites_without_data_add_nothing(backend):
    generator = np.random.default_rng(5)
    topologies = examples.shapes(2, 6, generator)
    lengths = examples.lengths(topologies, generator).requires_grad_()
    empty = SitePatterns(state_sets=np.full((6, 2), 15, dtype=np.uint8), weights=np.array([3.0, 1.0]))
    values = jc69_log_likelihood(lengths, topologies, empty, backend=backend)
    torch.testing.assert_close(values, torch.zeros_like(values), rtol=0, atol=1e-13)
    (gradient,) = torch.autograd.grad(values.sum(), lengths)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), rtol=0, atol=1e-13)
    none = SitePatterns(state_sets=np.zeros((6, 0), dtype=np.uint8), weights=np.zeros(0))
    assert jc69_log_likelihood(lengths, topologies, none, backend=backend).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("backend", ON_CPU)
def test_impossible_data(backend):
    """Different states at the ends of zero-length branches: -inf, gradient zero, other trees untouched."""
    topologies = all_topologies(4)[np.array([0, 0])]
    sets = np.array([[1, 2], [2, 2], [4, 2], [8, 2]], dtype=np.uint8)
    patterns = SitePatterns(state_sets=sets, weights=np.ones(2))
    lengths = torch.tensor([[0.0] * 5, [0.1] * 5], dtype=torch.float64, requires_grad=True)
    values = jc69_log_likelihood(lengths, topologies, patterns, backend=backend)
    (gradient,) = torch.autograd.grad(values.sum(), lengths)
    assert values[0] == -torch.inf
    assert torch.isfinite(values[1])
    assert (gradient[0] == 0).all()
    assert (gradient[1] != 0).all()
    leaves = [jc69_matrices(lengths).unsqueeze(2).detach(), torch.full((4,), 0.25, dtype=torch.float64)]
    leaves = [a.requires_grad_() for a in [*leaves, torch.ones(1, dtype=torch.float64)]]
    general = tree_log_likelihood(*leaves, topologies, patterns, backend=backend)
    torch.testing.assert_close(general, values)
    of_matrices, of_frequencies, _ = torch.autograd.grad(general.sum(), leaves)
    assert (of_matrices[0] == 0).all()
    assert torch.isfinite(of_matrices).all()
    assert torch.isfinite(of_frequencies).all()
    kept = SitePatterns(state_sets=sets, weights=np.array([0.0, 1.0]))  # an impossible site that does not count
    assert jc69_log_likelihood(lengths, topologies, kept, backend=backend)[0].item() == pytest.approx(np.log(0.25))


def test_zero_lengths_between_equal_states():
    topologies = all_topologies(5)[:3]
    patterns = SitePatterns(state_sets=np.array([[1, 2, 3]] * 5, dtype=np.uint8), weights=np.ones(3))
    lengths = torch.zeros((3, 7), dtype=torch.float64)
    assert_agree(jc69_both(lengths, topologies, patterns))
    assert float(jc69_log_likelihood(lengths, topologies, patterns)[0]) == pytest.approx(np.log(0.25**2 * 0.5))


def test_no_gradient_is_computed_when_none_is_wanted(monkeypatch):
    from vbpi_mix.felsenstein.cpu import backend as numba_backend

    wanted = []
    compute = numba_backend.jc69
    monkeypatch.setattr(
        numba_backend,
        "jc69",
        lambda *a, with_gradient, **k: wanted.append(with_gradient) or compute(*a, with_gradient=with_gradient, **k),
    )
    topologies = all_topologies(4)
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    lengths = torch.full((3, 5), 0.1, dtype=torch.float64)
    jc69_log_likelihood(lengths, topologies, patterns)
    with torch.no_grad():
        jc69_log_likelihood(lengths.requires_grad_(), topologies, patterns)
    jc69_log_likelihood(lengths, topologies, patterns)
    assert wanted == [False, False, True]


def test_errors_name_what_is_wrong():
    topologies = all_topologies(4)
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    lengths = torch.full((3, 5), 0.1, dtype=torch.float64)
    with pytest.raises(BackendError, match=r"'cuda-magic'.*numba, reference"):
        jc69_log_likelihood(lengths, topologies, patterns, backend="cuda-magic")
    with pytest.raises(InputError, match=r"branch_lengths has shape \(3, 4\), expected \(3, 5\)"):
        jc69_log_likelihood(lengths[:, :4], topologies, patterns)
    with pytest.raises(InputError, match=r"torch\.float32, expected torch\.float64"):
        jc69_log_likelihood(lengths.float(), topologies, patterns)
    with pytest.raises(InputError, match=r"4 taxa, .*patterns 5"):
        jc69_log_likelihood(lengths, topologies, examples.patterns(5, 3, np.random.default_rng(0)))
    for bad in (-0.1, float("nan"), float("inf")):
        wrong = lengths.clone()
        wrong[2, 3] = bad
        with pytest.raises(NumericalError, match="edge 3 of tree 2"):
            jc69_log_likelihood(wrong, topologies, patterns)
    matrices = jc69_matrices(lengths).unsqueeze(2)
    quarter, one = torch.full((4,), 0.25, dtype=torch.float64), torch.ones(1, dtype=torch.float64)
    with pytest.raises(InputError, match="transition_matrices has shape"):
        tree_log_likelihood(matrices[:, :, 0], quarter, one, topologies, patterns)
    with pytest.raises(InputError, match="category_weights has shape"):
        tree_log_likelihood(matrices, quarter, one[0], topologies, patterns)
    with pytest.raises(NumericalError, match="root_frequencies"):
        tree_log_likelihood(matrices, -quarter, one, topologies, patterns)
    wrong = matrices.clone()
    wrong[1, 4, 0, 2, 3] = float("nan")
    with pytest.raises(NumericalError, match="edge 4 of tree 1, category 0"):
        tree_log_likelihood(wrong, quarter, one, topologies, patterns)
    with pytest.raises(NumericalError, match="no probabilities"):
        tree_log_likelihood(matrices * 1e200, quarter, one, topologies, patterns)
