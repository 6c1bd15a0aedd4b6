"""Models of rate differences between sites."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vbpi_mix.errors import NumericalError
from vbpi_mix.model.gamma import Discretisation, discrete_gamma_rates


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteRates:
    """Rate categories: equal rates, a discrete gamma distribution, invariant sites, or both together.

    The mean rate over all sites is 1: with a proportion p of invariant sites the others' rates are divided by 1 - p.
    The invariant category, rate 0, comes first.

    Arguments:
        gamma_shape: () float64, or None for equal rates.
        n_gamma_categories: number of categories of the discrete gamma distribution.
        discretisation: see `gamma.discrete_gamma_rates`.
        proportion_invariant: () float64 in [0, 1), or None.
        free_rates: (weight, rate) of each category, in place of a gamma distribution; weights of sum 1, mean rate 1.
    """

    gamma_shape: Tensor | None = None
    n_gamma_categories: int = 4
    discretisation: Discretisation = "mean"
    proportion_invariant: Tensor | None = None
    free_rates: tuple[tuple[float, float], ...] | None = None

    @property
    def parameters(self) -> list[Tensor]:
        return [x for x in (self.gamma_shape, self.proportion_invariant) if x is not None]

    def rates(self) -> Tensor:
        """(C,) rates of the categories."""
        rates = self._variable_rates()
        if self.proportion_invariant is None:
            return rates
        return with_invariant_rate(rates, self._checked_proportion(self.proportion_invariant))

    def weights(self) -> Tensor:
        """(C,) probabilities of the categories."""
        if self.free_rates is not None:
            weights = torch.tensor([weight for weight, _ in self.free_rates], dtype=torch.float64)
        else:
            n_categories = 1 if self.gamma_shape is None else self.n_gamma_categories
            weights = torch.full((n_categories,), 1 / n_categories, dtype=torch.float64)
        if self.proportion_invariant is None:
            return weights
        return with_invariant_weight(weights, self._checked_proportion(self.proportion_invariant))

    def _variable_rates(self) -> Tensor:
        if self.free_rates is not None:
            return torch.tensor([rate for _, rate in self.free_rates], dtype=torch.float64)
        if self.gamma_shape is None:
            return torch.ones(1, dtype=torch.float64)
        return discrete_gamma_rates(self.gamma_shape, self.n_gamma_categories, discretisation=self.discretisation)

    @staticmethod
    def _checked_proportion(proportion: Tensor) -> Tensor:
        if not 0 <= float(proportion.detach()) < 1:
            raise NumericalError(f"the proportion of invariant sites is {float(proportion)}: it must lie in [0, 1)")
        return proportion


def with_invariant_rate(rates: Tensor, proportion: Tensor) -> Tensor:
    """(..., C + 1) rates 0 and r / (1 - p), for rates r (..., C) of the other sites and proportions p (...)."""
    variable = rates / (1 - proportion)[..., None]
    return torch.cat([torch.zeros_like(variable[..., :1]), variable], dim=-1)


def with_invariant_weight(weights: Tensor, proportion: Tensor) -> Tensor:
    """(..., C + 1) probabilities p and (1 - p) w, for weights w (..., C) of the other categories."""
    invariant = proportion[..., None]
    return torch.cat([invariant, weights * (1 - invariant)], dim=-1)
