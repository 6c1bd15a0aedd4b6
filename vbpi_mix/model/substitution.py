"""Substitution models: how states change along an edge."""

import math
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from vbpi_mix.errors import NumericalError
from vbpi_mix.felsenstein.reference import jc69_matrices
from vbpi_mix.model.rate_matrices import Spectrum, rate_matrix, spectrum, transition_derivatives, transition_matrices
from vbpi_mix.model.site_rates import SiteRates


class SubstitutionModel(Protocol):
    """A substitution model of n states with C rate categories, as the likelihood needs it.

    Attributes:
        exchangeable: whether all states are alike, so that site patterns may be merged by relabelling.
    """

    @property
    def exchangeable(self) -> bool: ...

    def root_frequencies(self) -> Tensor:
        """(n,) float64 stationary frequencies of the states."""
        ...

    def category_weights(self) -> Tensor:
        """(C,) float64 probabilities of the rate categories."""
        ...

    def transition_matrices(self, branch_lengths: Tensor) -> Tensor:
        """(T, E, C, n, n) float64 probabilities of edges of lengths (T, E), differentiable in the lengths."""
        ...

    def transition_derivatives(self, branch_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(T, E, C, n, n) each: the transition matrices, their first and second derivatives in the lengths (T, E).

        They are what `felsenstein.second_derivatives.tree_second_derivatives` needs, and constants for autograd.
        """
        ...

    def constant_spectrum(self) -> tuple[Tensor, Tensor] | None:
        """(C, n) eigenvalues and (n, n, n) products if all parameters are constants; None if one is not.

        They are those of `felsenstein.spectral_log_likelihood`.
        """
        ...


class JC69:
    """Jukes and Cantor's model (1969): equal frequencies, equal rates, one category."""

    exchangeable = True

    def root_frequencies(self) -> Tensor:
        return torch.full((4,), 0.25, dtype=torch.float64)

    def category_weights(self) -> Tensor:
        return torch.ones(1, dtype=torch.float64)

    def transition_matrices(self, branch_lengths: Tensor) -> Tensor:
        return jc69_matrices(branch_lengths).unsqueeze(2)

    def constant_spectrum(self) -> tuple[Tensor, Tensor] | None:
        values = torch.tensor([[-4 / 3, 0.0, 0.0, 0.0]], dtype=torch.float64)
        products = torch.zeros(4, 4, 4, dtype=torch.float64)
        products[0], products[1] = torch.eye(4, dtype=torch.float64) - 0.25, 0.25
        return values, products

    def transition_derivatives(self, branch_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        lengths = branch_lengths.detach()
        first = -4.0 / 3.0 * torch.exp(-4.0 / 3.0 * lengths)[..., None, None, None] * (torch.eye(4).double() - 0.25)
        return self.transition_matrices(lengths), first, -4.0 / 3.0 * first


class ReversibleModel:
    """Any reversible model, with rate categories, differentiable in all its parameters.

    One expected substitution per site and unit of branch length, over all states and categories.

    Arguments:
        exchangeabilities: (n (n - 1) / 2,) float64 of A-C, A-G, A-T, C-G, C-T, G-T, for other states the rows of the
            upper triangle likewise; not negative, only their ratios matter.
        frequencies: (n,) float64 of the states, positive, with sum 1; None: equal.
        site_rates: the rate categories; None: equal rates.
        exchangeable: whether patterns may be merged by relabelling: equal exchangeabilities and equal frequencies.

    Raises:
        NumericalError: parameters out of range.
    """

    def __init__(
        self,
        exchangeabilities: Tensor,
        frequencies: Tensor | None = None,
        *,
        site_rates: SiteRates | None = None,
        exchangeable: bool = False,
    ) -> None:
        self.exchangeabilities = exchangeabilities
        if frequencies is None:
            n = math.isqrt(2 * len(exchangeabilities)) + 1
            frequencies = torch.full((n,), 1 / n, dtype=torch.float64)
        self.frequencies = frequencies
        self.site_rates = SiteRates() if site_rates is None else site_rates
        self.exchangeable = exchangeable
        _check_parameters(self.exchangeabilities.detach(), self.frequencies.detach())
        parameters = [self.exchangeabilities, self.frequencies, *self.site_rates.parameters]
        self._constant = not any(p.requires_grad for p in parameters)

    def root_frequencies(self) -> Tensor:
        return self.frequencies

    def category_weights(self) -> Tensor:
        return self.site_rates.weights()

    def transition_matrices(self, branch_lengths: Tensor) -> Tensor:
        rates, eigen, of_categories = self._constants if self._constant else self._evaluate()
        return transition_matrices(rates, eigen, branch_lengths[..., None] * of_categories)

    def transition_derivatives(self, branch_lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, eigen, of_categories = self._constants if self._constant else self._evaluate()
        matrices, first, second = transition_derivatives(
            eigen, branch_lengths.detach()[..., None] * of_categories.detach()
        )
        scale = of_categories.detach()[:, None, None]
        return matrices, scale * first, scale**2 * second

    def constant_spectrum(self) -> tuple[Tensor, Tensor] | None:
        return self._constant_spectrum if self._constant else None

    @cached_property
    def _constant_spectrum(self) -> tuple[Tensor, Tensor]:
        _, eigen, of_categories = self._constants
        # an eigenvalue of zero, of states that nothing leads to, may come out as 1e-17
        return of_categories[:, None] * eigen.values.clamp(max=0.0), eigen.products().reshape(*(len(eigen.values),) * 3)

    @cached_property
    def _constants(self) -> tuple[Tensor, Spectrum, Tensor]:
        return self._evaluate()

    def _evaluate(self) -> tuple[Tensor, Spectrum, Tensor]:
        """Rate matrix, its spectrum, rates of the categories; with gradients, so once for every backward pass."""
        rates = rate_matrix(self.exchangeabilities, self.frequencies)
        return rates, spectrum(rates, self.frequencies), self.site_rates.rates()


def _check_parameters(exchangeabilities: Tensor, frequencies: Tensor) -> None:
    n = len(frequencies)
    pairs = n * (n - 1) // 2
    for name, tensor, size in (("exchangeabilities", exchangeabilities, pairs), ("frequencies", frequencies, n)):
        if tuple(tensor.shape) != (size,) or tensor.dtype != torch.float64:
            raise NumericalError(f"{name} must be {size} float64 numbers, not {tensor.dtype} {tuple(tensor.shape)}")
    if not ((exchangeabilities >= 0) & exchangeabilities.isfinite()).all() or not (exchangeabilities > 0).any():
        raise NumericalError(
            f"exchangeabilities must be finite, not negative and not all zero, not {exchangeabilities.tolist()}"
        )
    if not ((frequencies > 0) & frequencies.isfinite()).all() or abs(float(frequencies.sum()) - 1) > 1e-6:
        raise NumericalError(f"state frequencies must be positive and have sum 1, not {frequencies.tolist()}")
