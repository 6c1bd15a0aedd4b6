"""From a model string to a substitution model."""

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.model.frequencies import empirical_frequencies
from vbpi_mix.model.model_names import ModelName
from vbpi_mix.model.model_string import ModelSpecification, parse_model
from vbpi_mix.model.site_rates import SiteRates
from vbpi_mix.model.substitution import JC69, ReversibleModel, SubstitutionModel
from vbpi_mix.phylo import SitePatterns

# which of (1, *rates) each of A-C, A-G, A-T, C-G, C-T, G-T is
CLASSES: dict[ModelName, tuple[int, ...]] = {
    "JC69": (0, 0, 0, 0, 0, 0),
    "F81": (0, 0, 0, 0, 0, 0),
    "K80": (0, 1, 0, 0, 1, 0),
    "HKY85": (0, 1, 0, 0, 1, 0),
    "TN93": (0, 1, 0, 0, 2, 0),
    "GTR": (1, 2, 3, 4, 5, 0),
}


def exchangeabilities(name: ModelName, rates: Tensor) -> Tensor:
    """(6,) exchangeabilities of A-C, A-G, A-T, C-G, C-T, G-T, differentiable in a model's own rates.

    Arguments:
        name: the model.
        rates: float64: (0,) for JC69 and F81, (1,) kappa for K80 and HKY85, (2,) for A-G and C-T of TN93, (5,) for
            A-C, A-G, A-T, C-G, C-T of GTR, relative to the others, which are 1.
    """
    return torch.cat([torch.ones(1, dtype=torch.float64), rates])[list(CLASSES[name])]


def substitution_model(text: str, patterns: SitePatterns) -> SubstitutionModel:
    """The model of a model string, with the values that it gives.

    Arguments:
        text: see `model_string.parse_model`.
        patterns: where +F counts frequencies.

    Raises:
        ConfigError: a string that is no model, or lacks values.
        InputError: frequencies to be counted in an alignment that lacks a state.
    """
    return specified_model(parse_model(text), patterns)


def specified_model(specification: ModelSpecification, patterns: SitePatterns) -> SubstitutionModel:
    """As `substitution_model`, for a string that has been read, and in which nothing is inferred."""
    if not specification.is_fixed:
        raise ConfigError(f"the model {specification} has parameters to infer: give their values in braces")
    if specification.is_jc69:
        return JC69()
    gamma, proportion = specification.gamma, specification.proportion_invariant
    site_rates = SiteRates(
        proportion_invariant=None if proportion is None else _tensor(proportion),  # type: ignore[arg-type]  # fixed
        free_rates=specification.free_rates,
    )
    if gamma is not None:
        site_rates = SiteRates(
            gamma_shape=_tensor(gamma.shape),  # type: ignore[arg-type]
            n_gamma_categories=gamma.n_categories,
            discretisation=gamma.discretisation,
            proportion_invariant=site_rates.proportion_invariant,
        )
    return ReversibleModel(
        exchangeabilities(specification.name, _tensor(specification.rates)),  # type: ignore[arg-type]
        fixed_frequencies(specification, patterns),
        site_rates=site_rates,
        exchangeable=specification.exchangeable,
    )


def fixed_frequencies(specification: ModelSpecification, patterns: SitePatterns) -> Tensor | None:
    """(4,) frequencies that are given or counted; None: equal."""
    if specification.frequencies == "equal":
        return None
    if specification.frequencies == "empirical":
        return torch.from_numpy(empirical_frequencies(patterns))
    return _tensor(specification.frequencies)  # type: ignore[arg-type]  # words are dealt with above


def _tensor(values: float | tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
