"""Discrete gamma distributions of site rates (Yang, J. Mol. Evol. 39, 1994), differentiable in the shape."""

from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from scipy.special import digamma, gammainc, gammaincinv, gammaln
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.errors import NumericalError
from vbpi_mix.model.gamma_kernels import shape_derivatives

Discretisation: TypeAlias = Literal["mean", "median"]
SMALLEST_SHAPE, LARGEST_SHAPE = 1e-3, 1e6


def discrete_gamma_rates(shape: Tensor, n_categories: int, *, discretisation: Discretisation = "mean") -> Tensor:
    """(..., C) rates of C equally probable categories of gamma distributions with mean 1; their mean is 1.

    "mean" gives the mean rate within each category, "median" the median rates divided by their mean.

    Arguments:
        shape: (...) float64 alpha, from `SMALLEST_SHAPE` (nearly all sites nearly invariant) to `LARGEST_SHAPE`
            (nearly equal rates).
        n_categories: C >= 1.
        discretisation: see above.

    Raises:
        NumericalError: a shape out of range.
    """
    values = shape.detach()
    if not bool(((values >= SMALLEST_SHAPE) & (values <= LARGEST_SHAPE)).all()):
        found = values.tolist() if values.ndim == 0 else values[(values < SMALLEST_SHAPE) | ~(values <= LARGEST_SHAPE)]
        raise NumericalError(
            f"the shape of the gamma distribution of rates is {found if values.ndim == 0 else found[0].item()}: "
            f"it must lie between {SMALLEST_SHAPE:g} and {LARGEST_SHAPE:g}"
        )
    return _Rates.apply(shape, n_categories, discretisation)  # type: ignore[return-value]


class _Rates(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shape: Tensor, n_categories: int, discretisation: str) -> Tensor:  # type: ignore[override]
        compute = _mean_rates if discretisation == "mean" else _median_rates
        rates, derivatives = compute(shape.detach().cpu().numpy()[..., None], n_categories, ctx.needs_input_grad[0])
        if derivatives is not None:
            ctx.save_for_backward(torch.from_numpy(derivatives).to(shape.device))
        return torch.from_numpy(rates).to(shape.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (derivatives,) = ctx.saved_tensors
        return (grad * derivatives).sum(dim=-1), None, None


def _mean_rates(shape: np.ndarray, n_categories: int, derivatives: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """(..., C) rates and, if wanted, their derivatives in shapes a (..., 1).

    With cuts q between the categories (in units of the scale) the rates are C times the differences of F(a + 1, q),
    F(a, x) the regularised incomplete gamma function. A cut moves by dq/da = -F_a(a, q) / f(a, q), f the density,
    and f(a + 1, q) = f(a, q) q / a.
    """
    cuts = gammaincinv(shape, np.arange(1, n_categories) / n_categories)
    below = gammainc(shape + 1, cuts)
    none, all_ = np.zeros_like(shape), np.ones_like(shape)
    rates = n_categories * np.diff(below, prepend=none, append=all_)
    if not derivatives:
        return rates, None
    moves = shape_derivative(shape + 1, cuts) - cuts / shape * shape_derivative(shape, cuts)
    return rates, n_categories * np.diff(moves, prepend=none, append=none)


def _median_rates(shape: np.ndarray, n_categories: int, derivatives: bool) -> tuple[np.ndarray, np.ndarray | None]:
    quantiles = gammaincinv(shape, (2 * np.arange(n_categories) + 1) / (2 * n_categories))
    rates = quantiles / quantiles.mean(axis=-1, keepdims=True)
    if not derivatives:
        return rates, None
    positive = quantiles > 0  # the lowest underflow for small shapes; their rates are zero
    x, a = quantiles[positive], np.broadcast_to(shape, quantiles.shape)[positive]
    of_logs = np.zeros_like(quantiles)
    of_logs[positive] = -shape_derivative(a, x) / np.exp(a * np.log(x) - x - gammaln(a))
    return rates, rates * (of_logs - (rates * of_logs).mean(axis=-1, keepdims=True))


def shape_derivative(shape: np.ndarray | float, x: np.ndarray) -> np.ndarray:
    """dF(a, x)/da of the regularised lower incomplete gamma function at a = shape, elementwise.

    Arguments:
        shape: a > 0, of the shape of x or broadcast to it.
        x: >= 0.
    """
    points = np.ascontiguousarray(x, dtype=np.float64)
    first = np.array(np.broadcast_to(shape, points.shape), dtype=np.float64)  # a copy: read-only is another type
    out = np.empty_like(points)
    shape_derivatives(
        first.reshape(-1),
        points.reshape(-1),
        gammaln(first + 1).reshape(-1),
        digamma(first + 1).reshape(-1),
        out.reshape(-1),
    )
    return out
