import torch

from tests.statistics import assert_mean
from vbpi_mix.images import StandardNormal


def test_density_and_draws():
    prior = StandardNormal(3)
    z = prior.sample(4000, torch.Generator().manual_seed(1))
    assert z.shape == (4000, 3)
    torch.testing.assert_close(prior.log_prob(z), torch.distributions.Normal(0, 1).log_prob(z).sum(-1))
    assert_mean(z.numpy(), [0, 0, 0])
    assert_mean((z**2).numpy(), [1, 1, 1])
