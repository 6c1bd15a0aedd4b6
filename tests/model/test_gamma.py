"""Discrete gamma distributions against arithmetic of 40 digits, and their derivatives against finite differences."""

import math
from itertools import pairwise

import mpmath
import numpy as np
import pytest
import torch
from scipy.special import gammaincinv
from torch.autograd import gradcheck

from vbpi_mix.errors import NumericalError
from vbpi_mix.model import discrete_gamma_rates
from vbpi_mix.model.gamma import shape_derivative

every_kind = pytest.mark.parametrize("discretisation", ["mean", "median"])


def rates(shape, n_categories, discretisation):
    tensor = torch.tensor(shape, dtype=torch.float64)
    return discrete_gamma_rates(tensor, n_categories, discretisation=discretisation).numpy()


def lower(shape, x):
    return mpmath.gammainc(shape, 0, x, regularized=True)


def quantile(shape, probability, near):
    """Newton's method in log x from a double-precision value."""
    log_x = mpmath.log(near)
    for _ in range(6):
        x = mpmath.exp(log_x)
        density = mpmath.exp(shape * log_x - x - mpmath.loggamma(shape))  # of log x
        log_x -= (lower(shape, x) - probability) / density
    return mpmath.exp(log_x)


def precise_rates(shape, n_categories, discretisation):
    with mpmath.workdps(40):
        a, one = mpmath.mpf(shape), mpmath.mpf(1)
        if discretisation == "median":
            places = [(2 * i + one) / (2 * n_categories) for i in range(n_categories)]
            q = [quantile(a, p, gammaincinv(shape, float(p))) for p in places]
            return [float(x * n_categories / sum(q)) for x in q]
        places = [i * one / n_categories for i in range(1, n_categories)]
        below = [mpmath.mpf(0), *(lower(a + 1, quantile(a, p, gammaincinv(shape, float(p)))) for p in places), one]
        return [float(n_categories * (y - x)) for x, y in pairwise(below)]


@every_kind
@pytest.mark.parametrize("n_categories", [1, 2, 4, 10])
@pytest.mark.parametrize("shape", [0.05, 0.5, 1.0, 3.7, 50.0])
def test_twelve_digits(shape, n_categories, discretisation):
    ours = rates(shape, n_categories, discretisation)
    expected = precise_rates(shape, n_categories, discretisation)
    np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-12)
    assert ours.mean() == pytest.approx(1, rel=1e-13)
    assert (np.diff(ours) > 0).all()


def test_published_rates():
    """Yang (1994), table 1 with shape 0.5: four categories."""
    np.testing.assert_allclose(rates(0.5, 4, "mean"), [0.0334, 0.2519, 0.8203, 2.8944], atol=5e-5)
    np.testing.assert_allclose(rates(0.5, 4, "median"), [0.0291, 0.2807, 0.9248, 2.7654], atol=5e-5)


@every_kind
@pytest.mark.parametrize("n_categories", [1, 4, 7])
@pytest.mark.parametrize("shape", [0.02, 0.3, 1.0, 8.0, 300.0])
def test_gradient(shape, n_categories, discretisation):
    # steps in log shape, so that they fit small and large shapes
    log_shape = torch.tensor(math.log(shape), dtype=torch.float64, requires_grad=True)
    assert gradcheck(
        lambda x: discrete_gamma_rates(x.exp(), n_categories, discretisation=discretisation), (log_shape,), atol=1e-7
    )


def test_derivative_of_the_incomplete_gamma_function():
    x = np.array([0.0, 1e-30, 0.01, 0.7, 3.0, 25.0])
    for shape in (0.1, 1.0, 4.5, 20.0):
        ours = shape_derivative(shape, x)
        with mpmath.workdps(40):
            expected = [0.0, *(float(mpmath.diff(lambda a, y=y: lower(a, mpmath.mpf(y)), shape)) for y in x[1:])]
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=2e-15)


@every_kind
def test_extreme_shapes(discretisation):
    small, large = rates(0.001, 4, discretisation), rates(1e6, 4, discretisation)
    np.testing.assert_allclose(small, [0, 0, 0, 4], atol=1e-10)
    np.testing.assert_allclose(large, np.ones(4), atol=2e-3)
    for shape in (0.001, 1e6):
        tensor = torch.tensor(shape, dtype=torch.float64, requires_grad=True)
        discrete_gamma_rates(tensor, 4, discretisation=discretisation)[0].backward()
        assert math.isfinite(tensor.grad.item())


@pytest.mark.parametrize("shape", [0.0, -1.0, 1e-4, 1e7, math.inf, math.nan])
def test_impossible_shapes(shape):
    with pytest.raises(NumericalError, match=r"between 0\.001 and 1e\+06"):
        rates(shape, 4, "mean")


@every_kind
def test_many_shapes_at_once(discretisation):
    """(..., C) rates and derivatives are those of each shape by itself, small and large ones side by side."""
    shapes = torch.tensor([[1e-3, 0.05, 0.5], [1.0, 40.0, 1e6]], dtype=torch.float64, requires_grad=True)
    found = discrete_gamma_rates(shapes, 4, discretisation=discretisation)
    assert found.shape == (2, 3, 4)
    upstream = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 3, 4)))
    (gradient,) = torch.autograd.grad((upstream * found).sum(), shapes)
    for i, j in np.ndindex(2, 3):
        one = shapes.detach()[i, j].clone().requires_grad_()
        alone = discrete_gamma_rates(one, 4, discretisation=discretisation)
        torch.testing.assert_close(found[i, j], alone, rtol=1e-13, atol=1e-300)
        (slope,) = torch.autograd.grad((upstream[i, j] * alone).sum(), one)
        torch.testing.assert_close(gradient[i, j], slope, rtol=1e-11, atol=1e-14)


def test_one_impossible_shape_among_others():
    shapes = torch.tensor([0.5, 2e6, 1.0], dtype=torch.float64)
    with pytest.raises(NumericalError, match=r"rates is 2000000\.0: .*0\.001"):
        discrete_gamma_rates(shapes, 4)
    with pytest.raises(NumericalError, match="rates is nan"):
        discrete_gamma_rates(shapes * torch.nan, 4)
