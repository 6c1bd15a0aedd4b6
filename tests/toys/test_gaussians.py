"""The stacked Gaussians against torch's own, one component at a time."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from tests.statistics import assert_mean
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import all_components, plan_of_subset
from vbpi_mix.toys import GaussianMixture


def mixture_of(n_components, seed=1):
    return GaussianMixture(n_components, torch.Generator().manual_seed(seed))


def expected_log_prob(mixture, a, z):
    return Normal(mixture.means[a], torch.exp(0.5 * mixture.log_variances[a])).log_prob(z).sum(dim=-1)


def test_every_draw_under_every_evaluated_component():
    mixture = mixture_of(5)
    subset = torch.tensor([1, 4])
    for estimator, evaluated in (("s2a", range(5)), ("s2s", (1, 4))):
        plan = plan_of_subset(estimator, subset, 5)
        z, log_q = mixture.draw(plan, 6, torch.Generator().manual_seed(2))
        assert z.shape == (2, 6, 2)
        assert log_q.shape == (2, 6, len(evaluated))
        for m, a in enumerate(evaluated):
            torch.testing.assert_close(log_q[..., m], expected_log_prob(mixture, a, z), rtol=0, atol=1e-12)


@pytest.mark.parametrize("component", [0, 2])
def test_draws_have_the_moments_of_their_component(component):
    mixture = mixture_of(3)
    z, _ = mixture.draw(all_components(3), 20_000, torch.Generator().manual_seed(3))
    draws = z[component].detach().numpy()
    mean, variance = mixture.means[component].detach().numpy(), mixture.log_variances[component].detach().exp().numpy()
    assert_mean(draws, mean)
    assert_mean((draws - mean) ** 2, variance)
    assert_mean(np.prod(draws - mean, axis=1), 0.0)


def test_the_start_fills_its_range_and_follows_the_seed():
    mixture = mixture_of(2_000)
    for parameter in mixture.parameters():
        values = parameter.detach().numpy()
        assert np.abs(values).max() <= 1.5**0.5
        assert_mean(values.reshape(-1), 0.0)
        assert_mean(values.reshape(-1) ** 2, 0.5)
    assert torch.equal(mixture.means, mixture_of(2_000).means)
    assert not torch.equal(mixture.means, mixture_of(2_000, seed=2).means)
    assert not torch.equal(mixture.means, mixture.log_variances)


def test_no_component():
    with pytest.raises(ConfigError, match="at least one"):
        mixture_of(0)
