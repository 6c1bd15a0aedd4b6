"""Substitution models: the laws that all obey, and gradients in their parameters through the likelihood."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch.autograd import gradcheck

from tests.felsenstein import examples
from vbpi_mix.errors import NumericalError
from vbpi_mix.felsenstein import tree_log_likelihood
from vbpi_mix.model import JC69, ReversibleModel, SiteRates, exchangeabilities, substitution_model
from vbpi_mix.phylo import random_topologies

GIVEN = "+F{0.35,0.15,0.2,0.3}"
STRINGS = [
    "JC", "K80{2.5}", f"F81{GIVEN}", f"HKY{{2.5}}{GIVEN}", f"TN{{2,3}}{GIVEN}", "TN{2,3}+FQ",
    f"GTR{{1.2,3.1,0.7,0.9,4.0}}{GIVEN}", "GTR{1.2,3.1,0.7,0.9,4.0}+FQ", "HKY{0}", "GTR{0,1,0,0.5,1}", "HKY{1e4}",
    "JC+G4{0.5}", "JC+I{0.3}", "HKY{2.5}+I{0.3}+G8{0.1}", "GTR{1.2,3.1,0.7,0.9,4.0}+I{0.2}+GA4{2}",
]  # fmt: skip
PATTERNS = examples.patterns(6, 30, np.random.default_rng(5))


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("text", STRINGS)
def test_laws_of_every_model(text):
    """Rows sum to 1, stationary frequencies stay, reversible, the identity at length 0, frequencies in the end.

    Every category obeys P(s + t) = P(s) P(t); over all categories there is one substitution per unit of length.
    """
    model = substitution_model(text, PATTERNS)
    lengths = tensor([[0.0, 0.3, 0.7, 1.0, 1e200]]).requires_grad_()
    matrices = model.transition_matrices(lengths)
    weights, frequencies = model.category_weights(), model.root_frequencies()
    shape = (1, 5, len(weights), 4)
    assert matrices.shape == (*shape, 4)
    assert (matrices >= 0).all()
    assert float(weights.sum()) == pytest.approx(1)
    assert float(frequencies.sum()) == pytest.approx(1)
    torch.testing.assert_close(matrices.sum(dim=-1), torch.ones(shape, dtype=torch.float64))
    torch.testing.assert_close(frequencies @ matrices, frequencies.expand(shape))
    torch.testing.assert_close(matrices[0, 1] @ matrices[0, 2], matrices[0, 3])
    flow = frequencies[:, None] * matrices
    torch.testing.assert_close(flow, flow.transpose(-1, -2))
    identity = torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(matrices[0, 0], identity.expand_as(matrices[0, 0]), rtol=0, atol=1e-16)
    for matrix, invariant in zip(matrices[0, 4], (matrices[0, 3] == identity).all(dim=-1).all(dim=-1), strict=True):
        torch.testing.assert_close(matrix, identity if invariant else frequencies.expand(4, 4))
    stays = torch.einsum("c,s,css->", weights, frequencies, matrices[0, 0])
    (gradient,) = torch.autograd.grad(
        torch.einsum("c,s,ecss->", weights, frequencies, matrices[0, :4]), lengths, retain_graph=True
    )
    assert stays.item() == pytest.approx(1)
    assert gradient[0, 0].item() == pytest.approx(-1, rel=1e-12)
    assert (gradient[0, :4] < 0).all()


@pytest.mark.parametrize("text", STRINGS)
def test_derivatives_in_the_lengths(text):
    model = substitution_model(text, PATTERNS)
    lengths = tensor([[0.01, 0.3, 0.7], [1.0, 2.0, 3.0]])
    matrices, first, second = model.transition_derivatives(lengths)
    torch.testing.assert_close(matrices, model.transition_matrices(lengths), rtol=0, atol=0)
    step = 1e-5
    (up, up_first, _), (down, down_first, _) = (model.transition_derivatives(lengths + s) for s in (step, -step))
    largest = float(second.abs().max())
    torch.testing.assert_close((up - down) / (2 * step), first, rtol=1e-6, atol=1e-9 * max(1.0, largest))
    torch.testing.assert_close((up_first - down_first) / (2 * step), second, rtol=1e-6, atol=1e-7 * max(1.0, largest))


@pytest.mark.parametrize("text", ["JC69", "HKY{2.5}+F{0.3,0.2,0.1,0.4}", "GTR{1,2,3,4,5}+I{0.2}+G3{0.4}"])
def test_transition_matrices_are_exponentials_of_their_spectrum(text):
    model = substitution_model(text, examples.patterns(4, 30, np.random.default_rng(0)))
    lengths = torch.tensor([[0.0, 1e-3, 0.3, 4.0]], dtype=torch.float64)
    found = model.constant_spectrum()
    assert found is not None
    values, products = found
    torch.testing.assert_close(products.sum(dim=0), torch.eye(4, dtype=torch.float64), rtol=0, atol=1e-14)
    generators = torch.tensordot(values, products, 1)
    expected = torch.matrix_exp(generators * lengths[..., None, None, None])
    torch.testing.assert_close(model.transition_matrices(lengths), expected, rtol=1e-12, atol=1e-14)


def test_jc69_is_the_exponential_of_its_rates():
    q = (np.ones((4, 4)) - 4 * np.eye(4)) / 3
    lengths = tensor([[0.42, 1e-9]])
    for model in (JC69(), ReversibleModel(torch.ones(6, dtype=torch.float64))):
        ours = model.transition_matrices(lengths)
        np.testing.assert_allclose(ours[0, :, 0].numpy(), expm(lengths.numpy().T[..., None] * q), rtol=1e-12)


def test_random_models_are_exponentials_of_their_rates():
    generator = np.random.default_rng(2)
    for _ in range(10):
        rates, frequencies = generator.exponential(size=5), generator.dirichlet(np.full(4, 2.0))
        shape, proportion = generator.exponential(), generator.uniform()
        site_rates = SiteRates(gamma_shape=tensor(shape), proportion_invariant=tensor(proportion))
        model = ReversibleModel(
            exchangeabilities("GTR", torch.from_numpy(rates)), torch.from_numpy(frequencies), site_rates=site_rates
        )
        lengths = generator.exponential(0.2, size=(3, 5))
        times = lengths[..., None] * site_rates.rates().numpy()
        expected = expm(examples.gtr(np.append(rates, 1.0), frequencies) * times[..., None, None])
        ours = model.transition_matrices(torch.from_numpy(lengths)).numpy()
        np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-13)


PARAMETERS = {
    "JC69": [],
    "F81": [],
    "K80": [2.0],
    "HKY85": [1.0],  # where it is F81
    "TN93": [2.0, 2.0],  # where it is HKY85
    "GTR": [1.2, 3.1, 0.7, 0.9, 4.0],
}


@pytest.mark.parametrize(("name", "backend"), [*((name, "numba") for name in PARAMETERS), ("GTR", "reference")])
def test_gradients_through_the_likelihood(name, backend):
    """In branch lengths, exchangeabilities, frequencies, shape and proportion of invariant sites."""
    generator = np.random.default_rng(3)
    topologies = random_topologies(2, 6, generator)
    patterns = examples.patterns(6, 12, generator)
    leaves = [
        torch.from_numpy(generator.exponential(0.2, size=(2, 9))),
        tensor(PARAMETERS[name]),
        tensor([0.35, 0.15, 0.2, 0.3]),
        tensor(0.6),
        tensor(0.2),
    ]

    def value(lengths, rates, frequencies, shape, proportion):
        model = ReversibleModel(
            exchangeabilities(name, rates),
            frequencies / frequencies.sum(),
            site_rates=SiteRates(gamma_shape=shape, proportion_invariant=proportion, n_gamma_categories=3),
        )
        return tree_log_likelihood(
            model.transition_matrices(lengths), model.root_frequencies(), model.category_weights(),
            topologies, patterns, backend=backend,
        )  # fmt: skip

    assert gradcheck(value, tuple(x.requires_grad_() for x in leaves))


def test_a_model_with_parameters_can_be_differentiated_again():
    kappa = tensor([2.0]).requires_grad_()
    model = ReversibleModel(exchangeabilities("K80", kappa))
    for _ in range(2):
        (gradient,) = torch.autograd.grad(
            model.transition_matrices(tensor([[0.3]]))[..., 0, 1].sum(), kappa, retain_graph=True
        )
        assert gradient.item() < 0  # fewer transversions


@pytest.mark.parametrize(
    ("exchange", "frequencies", "message"),
    [
        ([1.0] * 5, None, "exchangeabilities .*6 float64"),
        ([1.0] * 5 + [-1.0], None, "not negative"),
        ([0.0] * 6, None, "not all zero"),
        ([1.0] * 5 + [float("nan")], None, "finite"),
        ([1.0] * 6, [0.5, 0.5, 0.0, 0.0], "sum 1"),
        ([1.0] * 6, [0.3, 0.3, 0.3, 0.3], "sum 1"),
    ],
)
def test_impossible_parameters(exchange, frequencies, message):
    with pytest.raises(NumericalError, match=message):
        ReversibleModel(tensor(exchange), None if frequencies is None else tensor(frequencies))
    with pytest.raises(NumericalError, match="float64"):
        ReversibleModel(torch.ones(6))
