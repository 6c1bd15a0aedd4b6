"""Rate matrices and their exponentials, against SciPy's exponential and finite differences."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from torch.autograd import gradcheck

from tests.felsenstein.examples import gtr
from vbpi_mix.model.rate_matrices import rate_matrix, spectrum, transition_matrices

TIMES = torch.tensor([[0.0, 1e-9, 0.003], [0.2, 1.7, 40.0]], dtype=torch.float64)
EQUAL = torch.full((4,), 0.25, dtype=torch.float64)
UNEQUAL = torch.tensor([0.35, 0.15, 0.2, 0.3], dtype=torch.float64)
# from all eigenvalues equal to all different
EXCHANGEABILITIES = {
    "all equal": [1, 1, 1, 1, 1, 1],
    "transitions": [1, 2.5, 1, 1, 2.5, 1],
    "two transitions": [1, 2, 1, 1, 5, 1],
    "all different": [1.2, 3.1, 0.7, 0.9, 4.0, 1.0],
    "nearly equal": [1, 1 + 1e-9, 1, 1 - 2e-9, 1, 1 + 3e-9],
    "some zero": [0, 1, 0, 1, 2, 1],
    "two pairs that never mix": [0, 3, 0, 0, 1, 0],
}
every_case = pytest.mark.parametrize("rates", EXCHANGEABILITIES.values(), ids=EXCHANGEABILITIES.keys())
both_frequencies = pytest.mark.parametrize("frequencies", [EQUAL, UNEQUAL], ids=["equal", "unequal"])


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def matrices(exchangeabilities, frequencies, times):
    rates = rate_matrix(exchangeabilities, frequencies)
    return transition_matrices(rates, spectrum(rates, frequencies), times)


@every_case
@both_frequencies
def test_rate_matrix(rates, frequencies):
    ours = rate_matrix(tensor(rates), frequencies)
    np.testing.assert_allclose(ours.numpy(), gtr(np.array(rates), frequencies.numpy()), rtol=1e-14, atol=1e-16)
    assert float(frequencies @ ours.diagonal()) == pytest.approx(-1, rel=1e-14)
    torch.testing.assert_close(rate_matrix(7 * tensor(rates), frequencies), ours)


@every_case
@both_frequencies
def test_exponential(rates, frequencies):
    ours = matrices(tensor(rates), frequencies, TIMES)
    expected = expm(gtr(np.array(rates), frequencies.numpy()) * TIMES.numpy()[..., None, None])
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12, atol=1e-15)
    assert (ours >= 0).all()
    torch.testing.assert_close(ours[0, 0], torch.eye(4, dtype=torch.float64), rtol=0, atol=0)


def test_random_parameters():
    generator = np.random.default_rng(0)
    for _ in range(50):
        rates, frequencies = generator.exponential(size=6), generator.dirichlet(np.ones(4))
        times = generator.exponential(size=7) * 10.0 ** generator.integers(-6, 2, 7)
        ours = matrices(*map(torch.from_numpy, (rates, frequencies, times))).numpy()
        np.testing.assert_allclose(ours, expm(gtr(rates, frequencies) * times[:, None, None]), rtol=1e-9, atol=1e-14)


@both_frequencies
def test_short_branches_keep_their_digits(frequencies):
    rates = tensor(EXCHANGEABILITIES["all different"])
    off_diagonal = matrices(rates, frequencies, tensor([1e-12]))[0][0, 1:]
    torch.testing.assert_close(off_diagonal, 1e-12 * rate_matrix(rates, frequencies)[0, 1:], rtol=1e-10, atol=0)


@both_frequencies
def test_endless_branches_forget_everything(frequencies):
    ours = matrices(tensor(EXCHANGEABILITIES["all different"]), frequencies, tensor([1e3, 1e9, 1e300]))
    torch.testing.assert_close(ours, frequencies.expand_as(ours), rtol=1e-12, atol=0)


@every_case
@both_frequencies
def test_gradients(rates, frequencies):
    """In times, exchangeabilities and frequencies at once; perturbed frequencies are brought back to sum 1."""
    # at the value 0 finite differences would leave the domain; where the exact P is 0 it is not differentiable below
    leaves = (tensor([0.004, 0.3, 2.0]), tensor(rates) + 1e-4, frequencies.clone())
    leaves = tuple(x.requires_grad_() for x in leaves)
    assert gradcheck(lambda t, r, f: matrices(r, f / f.sum(), t), leaves)


@every_case
def test_gradient_in_the_rates_is_that_of_autograd_through_the_series(rates):
    """torch's own differentiable exponential knows nothing of eigenvalues."""
    upstream = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 4, 4)))
    results = []
    for compute in (matrices, lambda r, f, t: torch.matrix_exp(rate_matrix(r, f) * t[:, None, None])):
        leaves = [tensor(rates), UNEQUAL.clone(), tensor([0.0, 0.4, 3.0])]
        leaves = [x.requires_grad_() for x in leaves]
        (upstream * compute(*leaves)).sum().backward()
        results.append([x.grad for x in leaves])
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
