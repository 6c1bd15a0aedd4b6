"""Normalizing flows on log branch lengths, shared by all components of a mixture."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.branch.planar import Planar
from vbpi_mix.branch.realnvp import RealNVP
from vbpi_mix.errors import ConfigError


class Flow(Protocol):
    """A differentiable map of log branch lengths given the features of each tree.

    Shared by the components: it acts on the base sample, so its log-determinant is common to them and
    `log q_j(b) = log base_j(z0) - log_abs_det - sum(log b)`.
    """

    def __call__(self, base_sample: Tensor, feature_ids: np.ndarray) -> tuple[Tensor, Tensor]:
        """Map (T, E) base samples to (T, E) log branch lengths and (T,) log |det| of the Jacobian."""
        ...

    def inverse(self, log_lengths: Tensor, feature_ids: np.ndarray) -> tuple[Tensor, Tensor]:
        """The base samples of given log branch lengths, and log |det| of the forward map there."""
        ...


class IdentityFlow(nn.Module):
    """No flow: the base sample is the log branch length."""

    def forward(self, base_sample: Tensor, feature_ids: np.ndarray) -> tuple[Tensor, Tensor]:
        del feature_ids
        return base_sample, torch.zeros(base_sample.shape[0], dtype=base_sample.dtype)

    def inverse(self, log_lengths: Tensor, feature_ids: np.ndarray) -> tuple[Tensor, Tensor]:
        return self.forward(log_lengths, feature_ids)


def _identity(*, n_features: int, n_taxa: int) -> nn.Module:
    del n_features, n_taxa
    return IdentityFlow()


FLOWS: dict[str, Callable[..., nn.Module]] = {"identity": _identity, "planar": Planar, "realnvp": RealNVP}


def make_flow(word: str, *, n_features: int, n_taxa: int) -> nn.Module:
    """The flow that a configuration names, with its published numbers of layers and hidden units.

    Arguments:
        word: a word of `FLOWS`.
        n_features: F, the branch features of the support.
        n_taxa: N.

    Raises:
        ConfigError: an unknown word.
    """
    if word not in FLOWS:
        raise ConfigError(f"unknown flow '{word}': choose one of {', '.join(FLOWS)}")
    return FLOWS[word](n_features=n_features, n_taxa=n_taxa)
