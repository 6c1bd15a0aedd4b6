"""Substitution models whose parameters are random: unconstrained coordinates, their prior, their models."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.model.build import check_data_type, classes_of, fixed_exchangeabilities, fixed_frequencies
from vbpi_mix.model.gamma import LARGEST_SHAPE, SMALLEST_SHAPE, Discretisation, discrete_gamma_rates
from vbpi_mix.model.parameter_blocks import make_blocks, shares
from vbpi_mix.model.parameter_priors import ParameterPriors
from vbpi_mix.model.rate_matrices import rate_matrices
from vbpi_mix.model.site_rates import SiteRates, with_invariant_rate, with_invariant_weight
from vbpi_mix.model.specification import FreeRates, ModelSpecification
from vbpi_mix.model.substitution import ReversibleModel
from vbpi_mix.phylo import SitePatterns

_UNFIT = re.compile(r"[\s(){}]+")  # in the name of a part behind a parameter's


@dataclass(frozen=True, kw_only=True, eq=False)
class SubstitutionModels:
    """T reversible models of one kind, one for each tree; differentiable in all of it.

    Arguments:
        exchangeabilities: (T, n (n - 1) / 2) of A-C, A-G, A-T, C-G, C-T, G-T, for other states the rows of the upper
            triangle likewise; only their ratios matter.
        frequencies: (T, n).
        gamma_shape: (T,), or None for equal rates.
        proportion_invariant: (T,), or None.
        n_gamma_categories, discretisation: see `SiteRates`.
        free_rates: (T, C) weights and (T, C) rates in place of a gamma distribution, or None.
    """

    exchangeabilities: Tensor
    frequencies: Tensor
    gamma_shape: Tensor | None
    proportion_invariant: Tensor | None
    n_gamma_categories: int
    discretisation: Discretisation
    free_rates: tuple[Tensor, Tensor] | None = None

    def rate_matrices(self) -> Tensor:
        """(T, n, n), with one expected substitution per unit of time."""
        return rate_matrices(self.exchangeabilities, self.frequencies)

    def category_rates(self) -> Tensor:
        """(T, C), with mean 1 over all sites; that of invariant sites, 0, first.

        Discrete gamma distributions of shapes below `SMALLEST_SHAPE` have the rates of that shape to all digits.
        """
        if self.free_rates is not None:
            rates = self.free_rates[1]
        elif self.gamma_shape is None:
            rates = self.exchangeabilities.new_ones(len(self.exchangeabilities), 1)
        else:
            shape = self.gamma_shape.clamp(SMALLEST_SHAPE, LARGEST_SHAPE)
            rates = discrete_gamma_rates(shape, self.n_gamma_categories, discretisation=self.discretisation)
        if self.proportion_invariant is None:
            return rates
        return with_invariant_rate(rates, self.proportion_invariant)

    def category_weights(self) -> Tensor:
        """(T, C) probabilities of the categories."""
        if self.free_rates is not None:
            weights = self.free_rates[0]
        else:
            n_categories = 1 if self.gamma_shape is None else self.n_gamma_categories
            weights = self.exchangeabilities.new_full((len(self.exchangeabilities), n_categories), 1 / n_categories)
        if self.proportion_invariant is None:
            return weights
        return with_invariant_weight(weights, self.proportion_invariant)

    def single(self, *, exchangeable: bool) -> ReversibleModel:
        """The first of them as a model with constant parameters."""
        shape, invariant = (None if x is None else x[0].detach() for x in (self.gamma_shape, self.proportion_invariant))
        free = None
        if self.free_rates is not None:
            weights, rates = (x[0].detach().tolist() for x in self.free_rates)
            free = tuple(zip(weights, rates, strict=True))
        return ReversibleModel(
            self.exchangeabilities[0].detach(),
            self.frequencies[0].detach(),
            site_rates=SiteRates(
                gamma_shape=None if shape is None else shape.clamp(SMALLEST_SHAPE, LARGEST_SHAPE),
                n_gamma_categories=self.n_gamma_categories,
                discretisation=self.discretisation,
                proportion_invariant=invariant,
                free_rates=free,
            ),
            exchangeable=exchangeable,
        )


class ModelFamily:
    """A model string with parameters to infer, on the site patterns of one part of an alignment.

    Exchangeabilities (GTR: shares of their sum; where some are equal, shares of the distinct ones in the sum of these;
    K80, HKY85: kappa), frequencies, gamma shape, proportion of invariant sites, free rates and their weights, as far as
    the string says no values, have coordinates: logarithms of ratios to the last share, log kappa, log shape, the logit
    of the proportion, and those of `parameter_blocks.FreeRatesBlock`.

    Arguments:
        specification: the string, read with `infer=True`.
        patterns: site patterns in which +F counts frequencies.
        priors: priors of the parameters.

    Attributes:
        names: names of the parameters reported, MrBayes's.
        n_coordinates: d.
    """

    def __init__(self, specification: ModelSpecification, patterns: SitePatterns, priors: ParameterPriors) -> None:
        check_data_type(specification, patterns)
        self.specification = specification
        self.blocks = make_blocks(specification, patterns.data_type, priors)
        self.names = tuple(name for block in self.blocks for name in block.names)
        self.n_coordinates = self.blocks[-1].columns.stop if self.blocks else 0
        self._by_kind = {block.kind: block for block in self.blocks}
        self._patterns = patterns

    def values(self, coordinates: Tensor) -> Tensor:
        """(T, len(names)) parameters of coordinates (T, d)."""
        if not self.blocks:
            return coordinates.new_empty(len(coordinates), 0)
        return torch.cat([block.values(coordinates) for block in self.blocks], dim=1)

    def log_prior(self, coordinates: Tensor) -> Tensor:
        """(T,) log density of coordinates (T, d)."""
        total = coordinates.new_zeros(len(coordinates))
        for block in self.blocks:
            total = total + block.log_prior(coordinates)
        return total

    def models(self, coordinates: Tensor) -> SubstitutionModels:
        """The models of coordinates (T, d)."""
        specification, gamma = self.specification, self.specification.gamma
        shape = None if gamma is None else self._number(coordinates, "shape", gamma.shape)
        return SubstitutionModels(
            exchangeabilities=self._exchangeabilities(coordinates),
            frequencies=self._frequencies(coordinates),
            gamma_shape=shape,
            proportion_invariant=self._number(coordinates, "invariant", specification.proportion_invariant),
            n_gamma_categories=4 if gamma is None else gamma.n_categories,
            discretisation="mean" if gamma is None else gamma.discretisation,
            free_rates=self._free_rates(coordinates),
        )

    def at(self, coordinates: Tensor) -> ReversibleModel:
        """The model of coordinates (d,), with constant parameters."""
        return self.models(coordinates.detach()[None]).single(exchangeable=self.specification.exchangeable)

    def _exchangeabilities(self, coordinates: Tensor) -> Tensor:
        if "ratio" in self._by_kind:
            kappa = self._by_kind["ratio"].values(coordinates)
            return torch.cat([torch.ones_like(kappa), kappa], dim=1)[:, classes_of(self.specification)]
        if "rates" in self._by_kind:
            found = self._by_kind["rates"].values(coordinates)
            # shares are in the order of the string's rates, the others last
            return torch.cat([found[:, -1:], found[:, :-1]], dim=1)[:, classes_of(self.specification)]
        given = self._constant_exchangeabilities.to(coordinates.device)
        return given.expand(len(coordinates), len(given))

    def _frequencies(self, coordinates: Tensor) -> Tensor:
        if "frequencies" in self._by_kind:
            return self._by_kind["frequencies"].values(coordinates)
        return self._constant_frequencies.to(coordinates.device).expand(len(coordinates), self._patterns.n_states)

    @cached_property
    def _constant_exchangeabilities(self) -> Tensor:
        return fixed_exchangeabilities(self.specification, self._patterns.n_states)

    @cached_property
    def _constant_frequencies(self) -> Tensor:
        n = self._patterns.n_states
        found = fixed_frequencies(self.specification, self._patterns)
        return torch.full((n,), 1 / n, dtype=torch.float64) if found is None else found

    def _free_rates(self, coordinates: Tensor) -> tuple[Tensor, Tensor] | None:
        free_rates, n_trees = self.specification.free_rates, len(coordinates)
        if free_rates is None:
            return None
        if isinstance(free_rates, FreeRates):
            found = self._by_kind["free"].values(coordinates)
            return found[:, : free_rates.n_categories], found[:, free_rates.n_categories :]
        weights, rates = coordinates.new_tensor(free_rates).T
        return weights.expand(n_trees, -1), rates.expand(n_trees, -1)

    def _number(self, coordinates: Tensor, kind: str, value: float | str | None) -> Tensor | None:
        if value is None:
            return None
        if kind in self._by_kind:
            return self._by_kind[kind].values(coordinates)[:, 0]
        return coordinates.new_full((len(coordinates),), float(value))


class ParameterSpace:
    """All parameters of a model: those of each part of the alignment, and the parts' rate multipliers.

    A multiplier m_p times the share of part p in the sites has a Dirichlet prior, so that the mean rate over all sites
    is 1. With a single part there is none.

    Arguments:
        families: families of the parts; None for a part whose model is fixed.
        n_sites: sites of the parts.
        priors: priors of the multipliers.
        part_names: names of the parts; their numbers from 1 if not given.

    Attributes:
        names: names of the parameters reported; with several parts the name of the part follows, as in `alpha{pos2}`.
        n_coordinates: d; 0 if nothing is inferred.
    """

    def __init__(
        self,
        families: Sequence[ModelFamily | None],
        n_sites: Sequence[float],
        priors: ParameterPriors,
        part_names: Sequence[str] | None = None,
    ) -> None:
        self.priors = priors
        self.families = tuple(families)
        self._slices: list[slice] = []
        names: list[str] = []
        end = 0
        labels = [_UNFIT.sub("_", label) for label in part_names or map(str, range(1, len(self.families) + 1))]
        for label, family in zip(labels, self.families, strict=True):
            n = 0 if family is None else family.n_coordinates
            self._slices.append(slice(end, end + n))
            end += n
            suffix = f"{{{label}}}" if len(self.families) > 1 else ""
            names += [] if family is None else [name + suffix for name in family.names]
        self._multipliers = slice(end, end + len(self.families) - 1)
        if len(self.families) > 1:
            names += [f"m{{{label}}}" for label in labels]
            priors.multipliers.check(len(self.families), "rate multipliers")
        self.names = tuple(names)
        self.n_coordinates = self._multipliers.stop
        total = sum(n_sites)
        self._inverse_shares = torch.tensor([total / n for n in n_sites], dtype=torch.float64)

    def of_part(self, part: int, coordinates: Tensor) -> Tensor:
        """(T, d_part) coordinates of one part."""
        return coordinates[:, self._slices[part]]

    def multipliers(self, coordinates: Tensor) -> Tensor | None:
        """(T, parts) rate multipliers; None with a single part."""
        if len(self.families) == 1:
            return None
        return shares(coordinates[:, self._multipliers]) * self._inverse_shares.to(coordinates.device)

    def values(self, coordinates: Tensor) -> Tensor:
        """(T, len(names)) parameters of coordinates (T, d)."""
        parts = [
            family.values(self.of_part(i, coordinates)) for i, family in enumerate(self.families) if family is not None
        ]
        rates = self.multipliers(coordinates)
        found = [*parts, *([] if rates is None else [rates])]
        return torch.cat(found, dim=1) if found else coordinates.new_empty(len(coordinates), 0)

    def log_prior(self, coordinates: Tensor) -> Tensor:
        """(T,) log density of coordinates (T, d)."""
        total = coordinates.new_zeros(len(coordinates))
        for i, family in enumerate(self.families):
            if family is not None:
                total = total + family.log_prior(self.of_part(i, coordinates))
        if len(self.families) > 1:
            total = total + self.priors.multipliers.log_prob(shares(coordinates[:, self._multipliers]))
        return total

    def check(self, coordinates: Tensor, n_trees: int) -> None:
        """Raise ConfigError unless coordinates are (T, d)."""
        if tuple(coordinates.shape) != (n_trees, self.n_coordinates):
            raise ConfigError(
                f"parameters of {n_trees} trees must be coordinates ({n_trees}, {self.n_coordinates}), "
                f"not {tuple(coordinates.shape)}"
            )

    def start(self) -> Tensor:
        """(d,) coordinates to begin a search at: equal shares, kappa 2, shape 1/2, a tenth of the sites invariant."""
        return self._start(shape=0.5, invariant=0.1)

    def starts(self) -> list[Tensor]:
        """Coordinates (d,) to begin searches at; several where the posterior may have several modes.

        A gamma distribution of rates and invariant sites explain the same sites: few rates near zero beside few
        invariant sites, or nearly equal rates beside many.
        """
        kinds = [{block.kind for block in family.blocks} for family in self.families if family is not None]
        both = any("invariant" in found and found & {"shape", "free"} for found in kinds)
        return [self.start(), *([self._start(shape=1.5, invariant=0.6)] if both else [])]

    def _start(self, *, shape: float, invariant: float) -> Tensor:
        values = torch.zeros(self.n_coordinates, dtype=torch.float64)
        for part, family in zip(self._slices, self.families, strict=True):
            for block in () if family is None else family.blocks:
                first, last = part.start + block.columns.start, part.start + block.columns.stop
                values[first:last] = torch.from_numpy(block.start(shape=shape, invariant=invariant))
        if len(self.families) > 1:  # all rates 1
            log_shares = -self._inverse_shares.log()
            values[self._multipliers] = log_shares[:-1] - log_shares[-1]
        return values
