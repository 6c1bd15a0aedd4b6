"""q(z | x): Gaussians with diagonal covariances, from shared or from separate networks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import hardtanh

from vbpi_mix.errors import ConfigError
from vbpi_mix.images.heads import ComponentHead

LOG_VARIANCE_RANGE = (-6.0, 2.0)


@dataclass(frozen=True, kw_only=True)
class DiagonalGaussians:
    """M Gaussians for each of B images.

    Arguments:
        means, log_variances: (B, M, D).
    """

    means: Tensor
    log_variances: Tensor

    def from_normal(self, positions: Tensor, e: Tensor) -> Tensor:
        """(B, S, K, D) draws of the Gaussians at positions (S,) among the M, from standard normals (B, S, K, D)."""
        sd = torch.exp(0.5 * self.log_variances[:, positions])
        return self.means[:, positions].unsqueeze(2) + sd.unsqueeze(2) * e

    def log_prob(self, z: Tensor) -> Tensor:
        """(B, S, K, M) log-density of every draw (B, S, K, D) under every Gaussian of its image."""
        means, log_variances = (x[:, None, None] for x in (self.means, self.log_variances))
        squares = (z.unsqueeze(3) - means) ** 2 * torch.exp(-log_variances)
        return -0.5 * (squares + log_variances).sum(dim=-1) - 0.5 * z.shape[-1] * math.log(2 * math.pi)


class ImageMixture(Protocol):
    """Interface of a mixture of a `MixtureVAE`."""

    n_components: int
    n_latent: int

    def __call__(self, x: Tensor, components: Tensor) -> DiagonalGaussians:
        """The Gaussians of components (M,) for images (B, C, H, W)."""
        ...


class Trunk(Protocol):
    """A network from images to (B, F) features."""

    n_features: int

    def __call__(self, x: Tensor) -> Tensor: ...


class AmortisedMixture(nn.Module):
    """MISVAE's mixture: one trunk and two component heads for all A components (Hotti et al. 2024, Section 5).

    Arguments:
        trunk: trunk from images to features.
        n_components: A.
        n_latent: D.

    Raises:
        ConfigError: no component, or a trunk that does not say how many features it gives.
    """

    def __init__(self, trunk: nn.Module, n_components: int, n_latent: int = 40) -> None:
        super().__init__()
        if n_components < 1:
            raise ConfigError(f"a mixture needs at least one component, not {n_components}")
        self.n_components, self.n_latent = n_components, n_latent
        self.trunk = trunk
        n_features = getattr(trunk, "n_features", None)
        if not isinstance(n_features, int):
            raise ConfigError("the trunk of a mixture must say how many features it gives, as n_features")
        self.mean = ComponentHead(n_features, n_components, n_latent)
        self.log_variance = ComponentHead(n_features, n_components, n_latent)

    def forward(self, x: Tensor, components: Tensor) -> DiagonalGaussians:
        features = self.trunk(x)
        return DiagonalGaussians(
            means=self.mean(features, components),
            log_variances=hardtanh(self.log_variance(features, components), *LOG_VARIANCE_RANGE),
        )


class SeparateMixture(nn.Module):
    """SEMVAE's mixture: a whole encoder for every component (Kviman et al. 2023), the baseline.

    Parameters, and the time of a step in the components evaluated, grow in proportion to their number.

    Arguments:
        encoders: one-component mixtures.
    """

    def __init__(self, encoders: Sequence[AmortisedMixture]) -> None:
        super().__init__()
        if not encoders or any(e.n_components != 1 for e in encoders):
            raise ConfigError("separate encoders must be one or more, of one component each")
        self.encoders = nn.ModuleList(encoders)
        self.n_components, self.n_latent = len(encoders), encoders[0].n_latent

    def forward(self, x: Tensor, components: Tensor) -> DiagonalGaussians:
        only = torch.zeros(1, dtype=torch.int64, device=x.device)
        parts = [self.encoders[a](x, only) for a in components.tolist()]
        return DiagonalGaussians(
            means=torch.cat([p.means for p in parts], dim=1),
            log_variances=torch.cat([p.log_variances for p in parts], dim=1),
        )
