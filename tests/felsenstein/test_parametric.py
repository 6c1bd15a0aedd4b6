"""Trees that each have a model of their own: compiled kernels against matrix exponentials and automatic derivatives."""

import importlib.util
import re
import shutil

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.errors import BackendError, InputError, NumericalError
from vbpi_mix.felsenstein import parametric_log_likelihood, set_threads, spectral_log_likelihood, tree_log_likelihood
from vbpi_mix.felsenstein.cpu import general_gradient
from vbpi_mix.felsenstein.parametric import _following, _matrices, reversible_spectra
from vbpi_mix.model import substitution_model
from vbpi_mix.phylo import SitePatterns, all_topologies

BLOCK = general_gradient.BLOCK
# as `jc69_log_likelihood` states them
VALUE_ERROR, GRADIENT_ERROR = 1e-7, 1e-6
# exchangeabilities of A-C, A-G, A-T, C-G, C-T, G-T: eigenvalues of multiplicity 3 and 2, nearly equal ones, zeros
SPECIAL = (
    [1.0] * 6,
    [1.0, 5.0, 1.0, 1.0, 5.0, 1.0],
    [1.0, 1.0 + 1e-7, 1.0, 1.0, 1.0, 1.0],
    [0.0, 1.0, 0.0, 0.0, 1.0, 1.0],
    [1e-4, 1e4, 1.0, 1.0, 1e2, 1.0],
)


def models(n_trees, n_categories, generator, special=False):
    """Rate matrices (T, 4, 4), frequencies (T, 4), rates (T, C) and weights (T, C), very different from each other."""
    frequencies = generator.dirichlet(np.full(4, 2.0), size=n_trees) * 0.98 + 0.005
    exchange = generator.exponential(size=(n_trees, 6)) + 0.02
    if special:
        frequencies[: len(SPECIAL)] = 0.25
        exchange[: len(SPECIAL)] = SPECIAL[:n_trees]
    matrices = np.array([examples.gtr(r, pi) for r, pi in zip(exchange, frequencies, strict=True)])
    rates = generator.exponential(size=(n_trees, n_categories)) * generator.choice([0.01, 1.0, 4.0], (n_trees, 1))
    if n_categories > 1:
        rates[:, 0] = 0.0
    weights = generator.dirichlet(np.full(n_categories, 3.0), size=n_trees)
    return [torch.from_numpy(x) for x in (matrices, frequencies, rates, weights)]


def results(arguments, topologies, patterns, backend="numba", **options):
    """Values, and gradients in lengths, rate matrices, frequencies, rates, weights, the trees weighing unequally."""
    leaves = [a.detach().clone().requires_grad_() for a in arguments]
    values = parametric_log_likelihood(*leaves, topologies, patterns, backend=backend, **options)
    factors = torch.linspace(0.5, 2.0, len(values), dtype=torch.float64)
    return [values.detach(), *torch.autograd.grad((values * factors).nan_to_num(neginf=0.0).sum(), leaves)]


def assert_agree(ours, theirs, tolerance=1e-10):
    for own, definition in zip(ours, theirs, strict=True):
        assert own.isfinite().all()
        # by tree: one with a derivative of 1e6 does not excuse another
        largest = definition.abs().flatten(1).amax(1) if definition.ndim > 1 else definition.abs()
        error = (own - definition).abs().flatten(1).amax(1) if own.ndim > 1 else (own - definition).abs()
        assert (error <= tolerance * largest.clamp(min=1.0)).all(), (error / largest).tolist()


@pytest.mark.parametrize(
    ("n_taxa", "n_patterns", "n_categories"),
    [(3, 1, 1), (4, BLOCK - 1, 1), (5, BLOCK + 1, 3), (7, BLOCK, 5), (9, 20, 3)],
)
def test_equal_to_the_definition(n_taxa, n_patterns, n_categories):
    """Ambiguity codes, sites without data, tiny and very long branches, an invariant category."""
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(6, n_taxa, generator)
    patterns = examples.patterns(n_taxa, n_patterns, generator)
    arguments = [examples.lengths(topologies, generator), *models(6, n_categories, generator)]
    found, exact = (results(arguments, topologies, patterns, backend) for backend in ("numba", "reference"))
    assert_agree(found[:1], exact[:1], 1e-13)
    # what a conflict across a branch of 1e-7 leaves of sixteen digits
    assert_agree(found[1:], exact[1:], 1e-7)


@pytest.mark.parametrize("n_categories", [1, 3])
def test_equal_eigenvalues(n_categories):
    """Divided differences of equal, of nearly equal and of zero eigenvalues."""
    generator = np.random.default_rng(11)
    topologies = examples.shapes(5, 5, generator)
    patterns = examples.patterns(5, 25, generator)
    lengths = torch.from_numpy(generator.exponential(0.2, (5, topologies.n_edges)))
    arguments = [lengths, *models(5, n_categories, generator, special=True)]
    assert_agree(results(arguments, topologies, patterns), results(arguments, topologies, patterns, "reference"))


def test_derivatives_are_those_of_finite_differences():
    """In a direction of the rate matrices that is no reversible model's, and in everything else."""
    generator = np.random.default_rng(12)
    topologies = examples.shapes(2, 5, generator)
    patterns = examples.patterns(5, 12, generator)
    lengths = torch.from_numpy(generator.exponential(0.2, (2, 7)))
    arguments = [lengths, *models(2, 3, generator)]
    gradients = results(arguments, topologies, patterns)[1:]
    factors = torch.linspace(0.5, 2.0, 2, dtype=torch.float64)
    for i, gradient in enumerate(gradients):
        direction = (
            torch.from_numpy(generator.normal(size=gradient.shape)) * arguments[i].abs()
        )  # no rate becomes negative
        ends = []
        for sign in (1e-5, -1e-5):
            moved = [a + sign * direction if i == j else a for j, a in enumerate(arguments)]
            # by the definition: the kernels take rate matrices for reversible
            ends.append((factors * parametric_log_likelihood(*moved, topologies, patterns, backend="reference")).sum())
        assert float((ends[0] - ends[1]) / 2e-5) == pytest.approx(float((gradient * direction).sum()), rel=1e-6)


def test_branches_without_length_and_without_end():
    """Length 0 is the identity; at infinity states have their stationary frequencies."""
    generator = np.random.default_rng(13)
    topologies = examples.shapes(4, 5, generator)
    arguments = models(4, 3, generator)
    constant = SitePatterns(state_sets=np.full((5, 1), 2, dtype=np.uint8), weights=np.ones(1))
    zero = torch.zeros(4, 7, dtype=torch.float64)
    found = results([zero, *arguments], topologies, constant)
    torch.testing.assert_close(found[0], arguments[1][:, 1].log(), rtol=1e-13, atol=0)
    assert_agree(found, results([zero, *arguments], topologies, constant, "reference"))
    moving = [arguments[0], arguments[1], arguments[2] + 0.1, arguments[3]]
    found = results([zero + 1e9, *moving], topologies, constant)
    torch.testing.assert_close(found[0], 5 * arguments[1][:, 1].log(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found[1], zero, rtol=0, atol=1e-12)


def test_trees_that_cannot_have_the_data():
    generator = np.random.default_rng(14)
    topologies = examples.shapes(3, 4, generator)
    sets = np.array([[1, 1], [2, 1], [4, 1], [8, 1]], dtype=np.uint8)
    patterns = SitePatterns(state_sets=sets, weights=np.ones(2))
    lengths = torch.full((3, 5), 0.2, dtype=torch.float64)
    lengths[1] = 0.0
    for backend in ("numba", "reference"):
        found = results([lengths, *models(3, 2, np.random.default_rng(0))], topologies, patterns, backend)
        assert found[0].isneginf().tolist() == [False, True, False]
        for gradient in found[1:]:
            assert not gradient[1].any()
            assert gradient[[0, 2]].isfinite().all()
            assert gradient[[0, 2]].any()


def test_one_model_for_all_trees_is_the_spectral_likelihood():
    generator = np.random.default_rng(15)
    topologies = examples.shapes(5, 6, generator)
    patterns = examples.patterns(6, 70, generator)
    lengths = torch.from_numpy(generator.exponential(0.2, (5, 9)))
    model = substitution_model("GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.1,0.4}+I{0.2}+G4{0.5}", patterns)
    spectrum = model.constant_spectrum()
    assert spectrum is not None
    of_rates, products = spectrum
    weights, frequencies = model.category_weights(), model.root_frequencies()
    fastest = of_rates[-1]
    rates = of_rates[:, 0] / fastest[0]
    matrix = torch.tensordot(fastest, products, 1)
    leaf = lengths.clone().requires_grad_()
    expected = spectral_log_likelihood(leaf, *spectrum, frequencies, weights, topologies, patterns)
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    own = lengths.clone().requires_grad_()
    each = [x.expand(5, *x.shape) for x in (matrix, frequencies, rates, weights)]
    values = parametric_log_likelihood(own, *each, topologies, patterns)
    (gradient,) = torch.autograd.grad(values.sum(), own)
    torch.testing.assert_close(values, expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(gradient, slope, rtol=1e-10, atol=1e-9)


def test_a_tree_does_not_depend_on_the_models_of_others():
    generator = np.random.default_rng(16)
    topologies = examples.shapes(4, 6, generator)
    patterns = examples.patterns(6, BLOCK + 5, generator)
    arguments = [torch.from_numpy(generator.exponential(0.2, (4, 9))), *models(4, 3, generator)]
    whole = parametric_log_likelihood(*arguments, topologies, patterns)
    for t in range(4):
        alone = parametric_log_likelihood(*(a[t : t + 1] for a in arguments), topologies[[t]], patterns)
        torch.testing.assert_close(alone, whole[t : t + 1], rtol=1e-14, atol=0)


@pytest.mark.parametrize("n_taxa", [4, 40])
def test_float32_within_its_stated_error(n_taxa):
    generator = np.random.default_rng(n_taxa)
    topologies = examples.shapes(3, n_taxa, generator)
    patterns = examples.patterns(n_taxa, 200, generator, codes="plain")
    lengths = torch.from_numpy(generator.exponential(0.1, (3, topologies.n_edges)))
    frequencies = torch.from_numpy(generator.dirichlet(np.full(4, 5.0), size=3))
    exchange = generator.gamma(3.0, size=(3, 6))
    matrices = np.array([examples.gtr(r, pi) for r, pi in zip(exchange, frequencies.numpy(), strict=True)])
    rates = torch.tensor([[0.0, 0.3, 1.9]] * 3, dtype=torch.float64)
    weights = torch.tensor([[0.2, 0.3, 0.5]] * 3, dtype=torch.float64)
    arguments = [lengths, torch.from_numpy(matrices), frequencies, rates, weights]
    single, double = (results(arguments, topologies, patterns, dtype=d) for d in (torch.float32, torch.float64))
    assert not torch.equal(single[0], double[0])
    assert float(((single[0] - double[0]) / double[0]).abs().max()) < VALUE_ERROR
    for rough, exact in zip(single[1:], double[1:], strict=True):
        assert rough.dtype == torch.float64
        assert float((rough - exact).abs().max()) < GRADIENT_ERROR * max(patterns.n_sites, float(exact.abs().max()))


def test_what_float32_cannot_hold_is_done_in_float64():
    generator = np.random.default_rng(17)
    topologies = examples.shapes(2, 64, generator)
    patterns = examples.patterns(64, 5, generator, codes="plain")
    lengths = torch.full((2, topologies.n_edges), 1e-60, dtype=torch.float64)
    lengths[1] = 0.1
    arguments = [lengths, *models(2, 1, generator)]
    single, double = (results(arguments, topologies, patterns, dtype=d) for d in (torch.float32, torch.float64))
    for rough, exact in zip(single, double, strict=True):
        assert torch.equal(rough[0], exact[0])
        assert not torch.equal(rough[1], exact[1])


@pytest.mark.parametrize("n_trees", [1, 7])
def test_threads_do_not_change_what_is_found(n_trees):
    """One tree divides the patterns among threads, many trees are divided themselves."""
    generator = np.random.default_rng(18)
    topologies = examples.shapes(n_trees, 6, generator)
    patterns = examples.patterns(6, 5 * BLOCK + 3, generator)
    arguments = [torch.from_numpy(generator.exponential(0.2, (n_trees, 9))), *models(n_trees, 3, generator)]
    found = []
    try:
        for n in (1, 2):
            set_threads(n)
            found.append(results(arguments, topologies, patterns))
            again = results(arguments, topologies, patterns)
            assert all(torch.equal(x, y) for x, y in zip(found[-1], again, strict=True))
    finally:
        set_threads(1)
    assert_agree(*found, 1e-11)


def test_spectra_give_back_their_matrices():
    generator = np.random.default_rng(19)
    matrices, frequencies, _, _ = models(8, 1, generator, special=True)
    values, left, right = reversible_spectra(matrices.numpy(), frequencies.numpy())
    again = (left * values[:, None, :]) @ right
    np.testing.assert_allclose(again, matrices.numpy(), rtol=0, atol=1e-12 * float(matrices.abs().max()))
    np.testing.assert_allclose(left @ right, np.broadcast_to(np.eye(4), (8, 4, 4)), atol=1e-13)
    assert (values <= 0).all()
    assert not values[:, -1].any()


@pytest.mark.parametrize("shared", [False, True])
def test_matrices_that_follow_their_times(shared):
    """Values and derivatives of the exponential, also for times near zero, and of one that all trees share."""
    generator = np.random.default_rng(31)
    q, frequencies, _, _ = models(5, 2, generator, special=True)
    if shared:
        q, frequencies = q[-1:].expand(5, -1, -1), frequencies[-1:].expand(5, -1)
    times = torch.from_numpy(generator.exponential(0.3, (5, 4, 2)))
    times[0, 0], times[1, 1], times[2, 2] = 0.0, 1e-9, 40.0
    factors = torch.from_numpy(generator.normal(size=(5, 4, 2, 4, 4)))
    leaf, other = times.clone().requires_grad_(), times.clone().requires_grad_()
    matrices = _following(leaf, q, frequencies)
    exact = torch.linalg.matrix_exp(q[:, None, None] * other[..., None, None])
    torch.testing.assert_close(matrices, exact, rtol=1e-9, atol=1e-13)
    gradients = [torch.autograd.grad((x * factors).sum(), y)[0] for x, y in ((matrices, leaf), (exact, other))]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-8)
    torch.testing.assert_close(_following(times, q, frequencies), exact.detach(), rtol=1e-9, atol=1e-13)


def test_matrices_of_twenty_states_by_spectra_of_every_tree():
    generator = np.random.default_rng(32)
    pi = generator.dirichlet(np.full(20, 5.0), size=3)
    exchange = generator.exponential(size=(3, 20, 20))
    q = (exchange + exchange.transpose(0, 2, 1)) * pi[:, None]
    q[:, range(20), range(20)] = 0.0
    q[:, range(20), range(20)] = -q.sum(axis=2)
    rates, frequencies = torch.from_numpy(q), torch.from_numpy(pi)
    times = torch.from_numpy(generator.exponential(0.05, (3, 4, 2)))
    exact = torch.linalg.matrix_exp(rates[:, None, None] * times[..., None, None])
    torch.testing.assert_close(_matrices(times, rates, frequencies), exact, rtol=1e-9, atol=1e-13)


def test_without_gradients():
    generator = np.random.default_rng(20)
    topologies = examples.shapes(2, 5, generator)
    patterns = examples.patterns(5, 9, generator)
    arguments = [torch.from_numpy(generator.exponential(0.2, (2, 7))), *models(2, 3, generator)]
    with torch.no_grad():
        values = parametric_log_likelihood(*(a.requires_grad_() for a in arguments), topologies, patterns)
    assert not values.requires_grad
    assert torch.equal(values, results(arguments, topologies, patterns)[0])
    # some of the arguments only
    leaves = [a.detach().clone() for a in arguments]
    leaves[3].requires_grad_()
    (gradient,) = torch.autograd.grad(parametric_log_likelihood(*leaves, topologies, patterns).sum(), leaves[3])
    exact = parametric_log_likelihood(*leaves, topologies, patterns, backend="reference")
    torch.testing.assert_close(gradient, torch.autograd.grad(exact.sum(), leaves[3])[0])


def valid():
    generator = np.random.default_rng(21)
    return [torch.full((3, 5), 0.1, dtype=torch.float64), *models(3, 2, generator)]


def changed(index, where, value):
    arguments = valid()
    arguments[index][where] = value
    return arguments


@pytest.mark.parametrize("backend", ["numba", "reference"])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (changed(0, (2, 1), -0.1), NumericalError, "the length of edge 1 of tree 2 is -0.1"),
        (changed(1, (1, 0, 0), torch.nan), NumericalError, "rate_matrices of tree 1 are not finite: [["),
        (changed(2, (2, 0), torch.inf), NumericalError, "root_frequencies of tree 2 are not finite: ["),
        (changed(3, (1, 1), torch.nan), NumericalError, "category_rates of tree 1 are not finite: ["),
        (changed(4, (0, 1), torch.nan), NumericalError, "category_weights of tree 0 are not finite: ["),
        (changed(2, 1, torch.tensor([0.5, 0.5, 0.0, 0.0])), NumericalError, "root_frequencies of tree 1 must be pos"),
        (changed(3, (1, 1), -1.0), NumericalError, "category_rates of tree 1 must not be negative"),
        (changed(4, (2, 0), -0.1), NumericalError, "category_weights of tree 2 must not be negative"),
        ([x[:2] if i == 1 else x for i, x in enumerate(valid())], InputError, "rate_matrices"),
        ([x[0] if i == 2 else x for i, x in enumerate(valid())], InputError, "root_frequencies"),
        ([x[:, :1] if i == 3 else x for i, x in enumerate(valid())], InputError, "category_rates"),
        ([x[:2] if i == 4 else x for i, x in enumerate(valid())], InputError, "category_weights"),
        ([x.float() if i == 1 else x for i, x in enumerate(valid())], InputError, "rate_matrices"),
    ],
)
def test_what_is_refused(arguments, error, message, backend):
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    with pytest.raises(error, match=re.escape(message)):
        parametric_log_likelihood(*arguments, all_topologies(4), patterns, backend=backend)


def test_options_that_are_refused():
    patterns = examples.patterns(4, 3, np.random.default_rng(0))
    with pytest.raises(BackendError, match="unknown likelihood backend"):
        parametric_log_likelihood(*valid(), all_topologies(4), patterns, backend="fast")
    with pytest.raises(BackendError, match="float64 only"):
        parametric_log_likelihood(*valid(), all_topologies(4), patterns, backend="reference", dtype=torch.float32)
    with pytest.raises(InputError, match=r"5 taxa, .*patterns 4"):
        parametric_log_likelihood(*valid(), all_topologies(5)[[0, 1, 2]], patterns)


@pytest.mark.gpu
@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None or shutil.which("nvidia-smi") is not None,
    reason="the interpreter is for machines without a GPU, on which Triton is installed",
)
def test_in_the_interpreter_of_triton(monkeypatch):
    """Frequencies and weights of every tree by itself, and those that all share."""
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    from triton.language import standard
    from triton.runtime.interpreter import InterpretedFunction

    if not isinstance(standard.sum, InterpretedFunction):
        pytest.skip("Triton was imported without its interpreter before")
    generator = np.random.default_rng(22)
    topologies = examples.shapes(2, 4, generator)
    patterns = examples.patterns(4, 20, generator)
    lengths = torch.from_numpy(generator.exponential(0.2, (2, topologies.n_edges)))
    arguments = [lengths, *models(2, 2, generator)]
    expected = results(arguments, topologies, patterns, "reference")
    assert_agree(results(arguments, topologies, patterns, "triton"), expected, 1e-11)

    found = []
    for backend in ("triton", "reference"):  # rate matrices that are constants
        leaves = [x.detach().clone().requires_grad_(i != 1) for i, x in enumerate(arguments)]
        values = parametric_log_likelihood(*leaves, topologies, patterns, backend=backend)
        wanted = [x for x in leaves if x.requires_grad]
        found.append([values.detach(), *torch.autograd.grad(values.sum(), wanted)])
    assert_agree(*found, 1e-10)

    q, frequencies, rates, weights = arguments[1:]
    matrices = torch.matrix_exp(q[:, None, None] * (lengths[:, :, None] * rates[:, None])[..., None, None])
    for kept in ((frequencies[0], weights), (frequencies, weights[0])):
        found = []
        for backend in ("triton", "reference", "numba"):
            leaves = [x.detach().clone().requires_grad_() for x in (matrices, *kept)]
            values = tree_log_likelihood(*leaves, topologies, patterns, backend=backend)
            found.append([values.detach(), *torch.autograd.grad(values.sum(), leaves)])
        for other in found[1:]:
            for x, y in zip(found[0], other, strict=True):
                torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10 * float(y.abs().max()))
