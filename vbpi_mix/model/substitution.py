"""Substitution models: how states change along an edge."""

from typing import Protocol

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.felsenstein.reference import jc69_matrices


class SubstitutionModel(Protocol):
    """What the likelihood needs of a model of four states with C rate categories.

    Attributes:
        frequencies: (4,) float64 stationary frequencies of A, C, G, T.
        category_weights: (C,) float64 probabilities of the rate categories.
        exchangeable: whether all states are alike, so that site patterns may be merged by relabelling.
    """

    @property
    def frequencies(self) -> Tensor: ...
    @property
    def category_weights(self) -> Tensor: ...
    @property
    def exchangeable(self) -> bool: ...

    def transition_matrices(self, branch_lengths: Tensor) -> Tensor:
        """(T, E, C, 4, 4) float64 probabilities of edges of lengths (T, E), differentiable in the lengths."""
        ...


class JC69:
    """Jukes and Cantor's model (1969): equal frequencies, equal rates, one category."""

    frequencies = torch.full((4,), 0.25, dtype=torch.float64)
    category_weights = torch.ones(1, dtype=torch.float64)
    exchangeable = True

    def transition_matrices(self, branch_lengths: Tensor) -> Tensor:
        return jc69_matrices(branch_lengths).unsqueeze(2)


SUBSTITUTION_MODELS = {"JC69": JC69}


def substitution_model(word: str) -> SubstitutionModel:
    """The model that a word names.

    Raises:
        ConfigError: an unknown word.
    """
    if word not in SUBSTITUTION_MODELS:
        known = ", ".join(sorted(SUBSTITUTION_MODELS))
        raise ConfigError(f"unknown substitution model {word!r}: choose one of {known}")
    return SUBSTITUTION_MODELS[word]()
