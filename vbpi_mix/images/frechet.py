"""Distance of generated images from real ones, without a pretrained network.

The published FID compares means and covariances of features of the Inception network, trained on ImageNet, which cannot
be had offline. Here the features are the leading principal components of the real images. The number is therefore named
apart, *Frechet distance in principal components*; it cannot be compared with a published FID.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PrincipalComponents:
    """The feature space: D' leading principal components of real images, each scaled to variance 1 there.

    Arguments:
        mean: (P,) of the pixels.
        axes: (P, D') scaled directions.
    """

    mean: Tensor
    axes: Tensor

    def features(self, images: Tensor) -> Tensor:
        """(n, D') of images (n, C, H, W)."""
        return (images.flatten(1).double() - self.mean) @ self.axes


def principal_components(images: Tensor, n_features: int = 32) -> PrincipalComponents:
    """The feature space of real images (n, C, H, W).

    Raises:
        ConfigError: more features than images or pixels determine.
    """
    x = images.flatten(1).double()
    mean = x.mean(dim=0)
    _, singular, directions = torch.linalg.svd(x - mean, full_matrices=False)
    rank = int((singular > 1e-9 * singular[0]).sum())
    if not 1 <= n_features <= rank:
        raise ConfigError(f"{len(x)} images of {x.shape[1]} pixels give {rank} features, not {n_features}")
    sd = singular[:n_features] / (len(x) - 1) ** 0.5
    return PrincipalComponents(mean=mean, axes=directions[:n_features].T / sd)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Squared Frechet distance of two Gaussians with the moments of features (n, D'), (m, D'), in units of variance.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a^(1/2) C_b C_a^(1/2))^(1/2))      (Dowson and Landau 1982; Heusel et al. 2017)
    """
    (mean_a, cov_a), (mean_b, cov_b) = ((x.mean(dim=0), torch.cov(x.T).reshape(x.shape[1], -1)) for x in (a, b))
    root = _square_root(cov_a)
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return float(((mean_a - mean_b) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * cross)


def _square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T
