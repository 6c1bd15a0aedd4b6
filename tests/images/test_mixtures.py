"""Gaussians against torch's own, and separate encoders against each encoder alone."""

import pytest
import torch

from tests.images.examples import SEMVAE, binary, tiny
from vbpi_mix.errors import ConfigError
from vbpi_mix.images import AmortisedMixture, DiagonalGaussians, GatedTrunk, SeparateMixture
from vbpi_mix.images.mixtures import LOG_VARIANCE_RANGE


def gaussians():
    generator = torch.Generator().manual_seed(1)
    means, log_variances = torch.randn((2, 2, 4, 3), generator=generator).double()
    return DiagonalGaussians(means=means, log_variances=log_variances)


def test_densities_are_those_of_normals():
    q = gaussians()
    z = torch.randn((2, 2, 5, 3), generator=torch.Generator().manual_seed(2)).double()
    found = q.log_prob(z)
    for m in range(4):
        normal = torch.distributions.Normal(q.means[:, m], torch.exp(0.5 * q.log_variances[:, m]))
        expected = normal.log_prob(z.permute(1, 2, 0, 3)).sum(-1).permute(2, 0, 1)
        torch.testing.assert_close(found[..., m], expected)


def test_draws_are_those_of_the_asked_components():
    q = gaussians()
    e = torch.randn((2, 2, 1, 3), generator=torch.Generator().manual_seed(3)).double()
    z = q.from_normal(torch.tensor([3, 1]), e)
    torch.testing.assert_close(z[:, 0, 0], q.means[:, 3] + torch.exp(q.log_variances[:, 3] / 2) * e[:, 0, 0])
    torch.testing.assert_close(z[:, 1, 0], q.means[:, 1] + torch.exp(q.log_variances[:, 1] / 2) * e[:, 1, 0])


def test_separate_encoders():
    mixture = tiny(3, model=SEMVAE).mixture
    q = mixture(binary(), torch.tensor([0, 2]))
    alone = mixture.encoders[2](binary(), torch.tensor([0]))
    torch.testing.assert_close(q.means[:, 1:], alone.means)
    torch.testing.assert_close(q.log_variances[:, 1:], alone.log_variances)
    assert float((q.means[:, 0] - q.means[:, 1]).detach().abs().max()) > 1e-3


def test_log_variances_stay_in_their_range():
    mixture = tiny(2).mixture
    with torch.no_grad():
        mixture.log_variance.third.bias.fill_(100.0)
    q = mixture(binary(), torch.arange(2))
    assert float(q.log_variances.detach().max()) == LOG_VARIANCE_RANGE[1]


def test_mistakes():
    with pytest.raises(ConfigError, match="at least one component"):
        AmortisedMixture(GatedTrunk(4), 0)
    with pytest.raises(ConfigError, match="how many features"):
        AmortisedMixture(torch.nn.Linear(1, 1), 2)
    with pytest.raises(ConfigError, match="of one component each"):
        SeparateMixture([AmortisedMixture(GatedTrunk(4), 2)])
