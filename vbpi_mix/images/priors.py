"""p(z)."""

import math
from typing import Protocol

import torch
from torch import Tensor, nn


class ImagePrior(Protocol):
    """Interface of a prior of a `MixtureVAE`."""

    def log_prob(self, z: Tensor) -> Tensor:
        """(...,) log p(z) at (..., D)."""
        ...

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """(n, D) draws."""
        ...


class StandardNormal(nn.Module):
    """N(0, I) in D dimensions."""

    def __init__(self, n_latent: int) -> None:
        super().__init__()
        self.n_latent = n_latent

    def log_prob(self, z: Tensor) -> Tensor:
        return -0.5 * (z**2).sum(dim=-1) - 0.5 * self.n_latent * math.log(2 * math.pi)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn((n, self.n_latent), generator=generator)
