"""Coordinates of single parameters of a substitution model: what they mean, and their prior."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.model.gamma import discrete_gamma_rates
from vbpi_mix.model.parameter_priors import Beta, Dirichlet, ParameterPriors, PositivePrior
from vbpi_mix.model.specification import INFERRED, FreeRates, ModelSpecification
from vbpi_mix.phylo.data_type import DataType

_LARGEST_PROPORTION = 1 - 1e-12  # of invariant sites
_EXCHANGED = ("A<->C", "A<->G", "A<->T", "C<->G", "C<->T", "G<->T")
_AMINO_ACIDS = {
    "A": "Ala", "R": "Arg", "N": "Asn", "D": "Asp", "C": "Cys", "Q": "Gln", "E": "Glu", "G": "Gly", "H": "His",
    "I": "Ile", "L": "Leu", "K": "Lys", "M": "Met", "F": "Phe", "P": "Pro", "S": "Ser", "T": "Thr", "W": "Trp",
    "Y": "Tyr", "V": "Val",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Block:
    """Coordinates of one parameter: n - 1 of n shares (softmax of them and 0), or one of a number.

    Arguments:
        kind: "rates", "ratio", "frequencies", "shape" or "invariant".
        columns: columns of its coordinates.
        n_shares: n, or 0.
        names: names of the values that are reported.
        prior: prior probability of the hypothesis.
    """

    kind: str
    columns: slice
    n_shares: int
    names: tuple[str, ...]
    prior: Dirichlet | Beta | PositivePrior

    def values(self, coordinates: Tensor) -> Tensor:
        """(T, len(names)) of coordinates (T, d)."""
        u = coordinates[:, self.columns]
        if self.n_shares:
            return shares(u)
        # with a proportion of 1, which far coordinates round to, no rate would be finite
        return u.sigmoid().clamp(max=_LARGEST_PROPORTION) if self.kind == "invariant" else u.exp()

    def log_prior(self, coordinates: Tensor) -> Tensor:
        """(T,) log density of the coordinates."""
        if isinstance(self.prior, Dirichlet):
            return self.prior.log_prob(self.values(coordinates))
        return self.prior.log_prob(coordinates[:, self.columns.start])

    def start(self, *, shape: float, invariant: float) -> np.ndarray:
        """Coordinates to begin a search at: equal shares, kappa 2, and these."""
        first = {"ratio": math.log(2.0), "shape": math.log(shape), "invariant": math.log(invariant / (1 - invariant))}
        return np.full(self.columns.stop - self.columns.start, first.get(self.kind, 0.0))


@dataclass(frozen=True, kw_only=True)
class FreeRatesBlock:
    """Coordinates of C free rates in ascending order, and of their weights.

    Weights are w = softmax(u, 0). With increments e = (1, exp(v)) the rates are r_c = (e_1 + ... + e_c) / sum_c w_c
    (e_1 + ... + e_c), of mean 1 and ascending, so that categories cannot swap.

    Priors: w, and the shares x_c = w_c r_c that the categories have in the rate of all sites, are Dirichlet distributed
    with equal concentrations; C! such densities, one for each order of the categories, are one on ordered rates.

    Arguments:
        columns: columns of the coordinates, 2 (C - 1) of them, u first.
        n_categories: C.
        weights: prior of w.
        rates: prior of x.
    """

    columns: slice
    n_categories: int
    weights: Dirichlet
    rates: Dirichlet
    kind: str = "free"

    @property
    def names(self) -> tuple[str, ...]:
        """Weights, then rates."""
        every = range(1, self.n_categories + 1)
        return (*(f"weight({c})" for c in every), *(f"rate({c})" for c in every))

    def values(self, coordinates: Tensor) -> Tensor:
        """(T, 2 C) weights and rates of coordinates (T, d)."""
        weights, rises, _ = self._parts(coordinates)
        return torch.cat([weights, rises / (weights * rises).sum(dim=1, keepdim=True)], dim=1)

    def log_prior(self, coordinates: Tensor) -> Tensor:
        """(T,) log density of the coordinates."""
        weights, rises, v = self._parts(coordinates)
        x = weights * rises
        of_shares = self.rates.log_prob(x / x.sum(dim=1, keepdim=True))
        # log ratios of x to the first change by d log rise_c / d v_c = e_c / rise_c
        jacobian = (v - rises[:, 1:].log()).sum(dim=1)
        return self.weights.log_prob(weights) + of_shares + jacobian + math.lgamma(self.n_categories + 1)

    def start(self, *, shape: float, invariant: float) -> np.ndarray:  # noqa: ARG002
        """Coordinates to begin a search at: equal weights and the rates of a discrete gamma distribution."""
        rates = discrete_gamma_rates(torch.tensor(max(shape, 0.2), dtype=torch.float64), self.n_categories).numpy()
        rises = np.diff(rates / max(rates[0], 1e-3)).clip(1e-3)
        return np.concatenate([np.zeros(self.n_categories - 1), np.log(rises)])

    def _parts(self, coordinates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        at = coordinates[:, self.columns]
        v = at[:, self.n_categories - 1 :]
        first = at.new_ones(len(at), 1)
        return shares(at[:, : self.n_categories - 1]), torch.cat([first, v.exp()], dim=1).cumsum(dim=1), v


def shares(coordinates: Tensor) -> Tensor:
    """(T, n) softmax of coordinates (T, n - 1) and 0."""
    return torch.softmax(torch.nn.functional.pad(coordinates, (0, 1)), dim=1)


def make_blocks(
    specification: ModelSpecification, data_type: DataType, priors: ParameterPriors
) -> tuple[Block | FreeRatesBlock, ...]:
    """The blocks of what a model string leaves to be inferred.

    Raises:
        ConfigError: a prior that does not fit.
    """
    found: list[Block | FreeRatesBlock] = []

    def add(kind: str, n_shares: int, names: tuple[str, ...], prior: Dirichlet | Beta | PositivePrior) -> None:
        if isinstance(prior, Dirichlet):
            prior.check(n_shares, "exchangeabilities" if kind == "rates" else kind)
        first = found[-1].columns.stop if found else 0
        columns = slice(first, first + max(1, n_shares - 1))
        found.append(Block(kind=kind, columns=columns, n_shares=n_shares, names=names, prior=prior))

    if specification.rates == INFERRED:
        if specification.name in ("K80", "HKY85"):
            add("ratio", 0, ("kappa",), priors.ratio)
        else:
            names = _rate_names(specification)
            add("rates", len(names), names, priors.exchangeabilities)
    if specification.frequencies == INFERRED:
        names = tuple(f"pi({state})" for state in _states(data_type))
        add("frequencies", len(names), names, priors.frequencies)
    if specification.gamma is not None and specification.gamma.shape == INFERRED:
        add("shape", 0, ("alpha",), priors.shape)
    if isinstance(specification.free_rates, FreeRates):
        n = specification.free_rates.n_categories
        for name, prior in (("free_weights", priors.free_weights), ("free_rates", priors.free_rates)):
            if len(prior.concentration) > 1:
                raise ConfigError(f"the prior dirichlet of {name} takes 1 number, the same for all categories")
        first = found[-1].columns.stop if found else 0
        columns = slice(first, first + 2 * (n - 1))
        found.append(
            FreeRatesBlock(columns=columns, n_categories=n, weights=priors.free_weights, rates=priors.free_rates)
        )
    if specification.proportion_invariant == INFERRED:
        add("invariant", 0, ("pinvar",), priors.invariant)
    return tuple(found)


def _states(data_type: DataType) -> list[str]:
    """Names of the states as MrBayes has them."""
    return [_AMINO_ACIDS[state] if data_type.name == "protein" else state for state in data_type.states]


def _rate_names(specification: ModelSpecification) -> tuple[str, ...]:
    """Names of the inferred rates: classes 1, 2, ..., and class 0, that of G-T, last."""
    if specification.name == "TN93":
        return "r(A<->G)", "r(C<->T)", "r(others)"
    if specification.code is None:
        return tuple(f"r({pair})" for pair in _EXCHANGED)
    order = [*sorted(set(specification.code) - {"0"}), "0"]
    classes = [
        [pair for pair, digit in zip(_EXCHANGED, specification.code, strict=True) if digit == which] for which in order
    ]
    return tuple(f"r({'='.join(pairs)})" for pairs in classes)
