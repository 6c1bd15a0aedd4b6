"""The Frechet distance against its closed form for Gaussians whose covariances commute."""

import pytest
import torch

from vbpi_mix.errors import ConfigError
from vbpi_mix.images import frechet_distance, principal_components


def with_moments(mean, sd):
    """Eight points in two dimensions that have exactly these means and standard deviations."""
    x = torch.tensor([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)] * 2).double()
    return x / x.std(dim=0) * torch.tensor(sd) + torch.tensor(mean)


def test_closed_form():
    a, b = with_moments([0.0, 0.0], [1.0, 2.0]), with_moments([3.0, 4.0], [2.0, 0.5])
    assert frechet_distance(a, b) == pytest.approx(25 + 1 + 1.5**2)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b))
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-12)


def test_features_of_the_real_images_are_uncorrelated():
    images = torch.randn((50, 1, 3, 3), generator=torch.Generator().manual_seed(1))
    space = principal_components(images, 4)
    features = space.features(images)
    torch.testing.assert_close(torch.cov(features.T), torch.eye(4).double(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(4).double(), rtol=0, atol=1e-9)


def test_too_many_features():
    with pytest.raises(ConfigError, match="give 4 features"):
        principal_components(torch.randn((5, 1, 3, 3), generator=torch.Generator().manual_seed(1)), 5)
