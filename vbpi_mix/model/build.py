"""From a model string to a substitution model."""

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.model.frequencies import empirical_frequencies
from vbpi_mix.model.model_names import ModelName
from vbpi_mix.model.model_string import parse_model
from vbpi_mix.model.protein_matrices import protein_matrix
from vbpi_mix.model.site_rates import SiteRates
from vbpi_mix.model.specification import FreeRates, ModelSpecification
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


def classes_of(specification: ModelSpecification) -> list[int]:
    """Rate class of each of A-C, A-G, A-T, C-G, C-T, G-T; 0 is the one that others are relative to."""
    if specification.code is not None:
        return [int(digit) for digit in specification.code]
    return list(CLASSES[specification.name])  # type: ignore[index]  # a nucleotide model


def fixed_exchangeabilities(specification: ModelSpecification, n_states: int) -> Tensor:
    """(n (n - 1) / 2,) of a model that gives them: rows of the upper triangle, A-C, A-G, ... of nucleotides."""
    if specification.data_type == "protein":
        return torch.from_numpy(protein_matrix(specification.name)[0])
    if specification.data_type == "standard":
        return torch.ones(n_states * (n_states - 1) // 2, dtype=torch.float64)
    return torch.tensor((1.0, *specification.rates), dtype=torch.float64)[classes_of(specification)]


def check_data_type(specification: ModelSpecification, patterns: SitePatterns) -> None:
    """Raise ConfigError unless the model is one of the data's type and number of states."""
    data_type = patterns.data_type
    if specification.data_type != data_type.name:
        names = {"dna": "nucleotides: GTR+G4 for one", "protein": "proteins: LG+G4 for one", "standard": "discrete "
                 "characters: MK for one"}  # fmt: skip
        raise ConfigError(
            f"the model {specification} is one of {specification.data_type} data, the sites are {data_type.name} data: "
            f"choose a model of {names[data_type.name]}"
        )
    if specification.name == "GTR2" and data_type.n_states != 2:
        raise ConfigError(f"the model {specification} has two states, the data {data_type.n_states}: use MK")


def substitution_model(text: str, patterns: SitePatterns) -> SubstitutionModel:
    """The model of a model string, with the values that it gives.

    Arguments:
        text: see `model_string.parse_model`.
        patterns: site patterns in which +F counts frequencies.

    Raises:
        ConfigError: a string that is no model, or lacks values.
        InputError: frequencies to be counted in an alignment that lacks a state.
    """
    return specified_model(parse_model(text), patterns)


def specified_model(specification: ModelSpecification, patterns: SitePatterns) -> SubstitutionModel:
    """As `substitution_model`, for a string that has been read, and in which nothing is inferred."""
    if not specification.is_fixed:
        raise ConfigError(f"the model {specification} has parameters to infer: give their values in braces")
    check_data_type(specification, patterns)
    if specification.is_jc69:
        return JC69()
    gamma, proportion = specification.gamma, specification.proportion_invariant
    site_rates = SiteRates(
        proportion_invariant=None if proportion is None else _tensor(proportion),  # type: ignore[arg-type]  # fixed
        free_rates=None if isinstance(specification.free_rates, FreeRates) else specification.free_rates,
    )
    if gamma is not None:
        site_rates = SiteRates(
            gamma_shape=_tensor(gamma.shape),  # type: ignore[arg-type]
            n_gamma_categories=gamma.n_categories,
            discretisation=gamma.discretisation,
            proportion_invariant=site_rates.proportion_invariant,
        )
    return ReversibleModel(
        fixed_exchangeabilities(specification, patterns.n_states),
        fixed_frequencies(specification, patterns),
        site_rates=site_rates,
        exchangeable=specification.exchangeable,
    )


def fixed_frequencies(specification: ModelSpecification, patterns: SitePatterns) -> Tensor | None:
    """(n,) frequencies that are given, counted or a matrix's own; None: equal."""
    if specification.frequencies == "equal":
        return None
    if specification.frequencies == "model":
        return torch.from_numpy(protein_matrix(specification.name)[1])
    if specification.frequencies == "empirical":
        return torch.from_numpy(empirical_frequencies(patterns))
    return _tensor(specification.frequencies)  # type: ignore[arg-type]  # words are dealt with above


def _tensor(values: float | tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
