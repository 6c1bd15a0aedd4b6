"""The funnel model against loops over its formula, its normalisation, and the law of its data."""

import itertools
import math

import pytest
import torch
from torch.distributions import Normal

from tests.statistics import assert_frequencies
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.toys import FunnelModel, simulate_funnel
from vbpi_mix.toys.funnel import funnel_from_normal


def random_points(*shape, seed=1, scale=2.0):
    return scale * torch.randn((*shape, 2), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_the_formula(model, z):
    """log p(x | z) of one z, term by term."""
    total = 0.0
    theta = [sum(float(z[k] * model.weights[k, i]) for k in range(2)) for i in range(model.dimension)]
    for x in model.data.tolist():
        for i, value in enumerate(x):
            logit = theta[i] + sum(0.1 ** (i - j) * x[j] for j in range(i))
            p = 1 / (1 + math.exp(-logit))
            total += math.log(p if value else 1 - p)
    return total


def test_the_likelihood_is_the_formula():
    model, _ = simulate_funnel(3, n_points=4, dimension=7)
    z = random_points(2, 3)
    values = model.log_likelihood(z)
    assert values.shape == (2, 3)
    for i, j in itertools.product(range(2), range(3)):
        assert float(values[i, j]) == pytest.approx(by_the_formula(model, z[i, j]), abs=1e-12)


def test_the_likelihood_sums_to_one_over_all_data():
    weights = torch.tensor([[0.9, 1.1, 1.0], [1.2, 0.8, 1.05]], dtype=torch.float64)
    z = random_points(5)
    total = torch.zeros(5, dtype=torch.float64)
    for bits in itertools.product([0.0, 1.0], repeat=6):
        data = torch.tensor(bits, dtype=torch.float64).reshape(2, 3)
        total += FunnelModel(weights=weights, data=data).log_likelihood(z).exp()
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-13)


def test_far_away_the_likelihood_stays_finite():
    model, _ = simulate_funnel(1)
    assert bool(torch.isfinite(model.log_likelihood(torch.tensor([[300.0, 900.0], [-700.0, 0.0]]).double())).all())


def test_the_prior_is_the_funnel():
    model, _ = simulate_funnel(1)
    z = random_points(50)
    zero, three = torch.zeros(1).double(), torch.full((1,), 3.0).double()
    expected = Normal(zero, three).log_prob(z[:, 0]) + Normal(zero, torch.exp(z[:, 0] / 4)).log_prob(z[:, 1])
    torch.testing.assert_close(model.log_prior(z), expected, rtol=0, atol=1e-12)


def test_the_map_from_normals_has_the_density_of_the_prior():
    model, _ = simulate_funnel(1)
    for e in random_points(10, scale=1.0):
        jacobian = torch.autograd.functional.jacobian(funnel_from_normal, e)
        log_normal = -0.5 * (e**2).sum() - math.log(2 * math.pi)
        density = model.log_prior(funnel_from_normal(e)) + torch.linalg.det(jacobian).abs().log()
        assert float(density) == pytest.approx(float(log_normal), abs=1e-12)


def test_the_data_follow_the_likelihood():
    """Given its z, the first draws of a simulation: P(x = 1) = sigmoid(theta), tested through many points at once."""
    model, z = simulate_funnel(5, n_points=4000, dimension=2)
    assert z.shape == (1, 2)
    cells = (2 * model.data[:, 0] + model.data[:, 1]).long().bincount(minlength=4)
    probabilities = [
        float(FunnelModel(weights=model.weights, data=torch.tensor([[a, b]]).double()).log_likelihood(z[0]).exp())
        for a in (0, 1)
        for b in (0, 1)
    ]
    assert_frequencies(cells, probabilities)


def test_equal_seeds_give_equal_data():
    first, second, other = (simulate_funnel(seed)[0] for seed in (7, 7, 8))
    assert torch.equal(first.data, second.data)
    assert torch.equal(first.weights, second.weights)
    assert not torch.equal(first.weights, other.weights)
    assert first.data.shape == (5, 20)


def test_a_latent_per_point():
    model, z = simulate_funnel(1, latents="per-point", n_points=6)
    assert z.shape == (6, 2)
    assert len({float(x) for x in model.data.mean(dim=1)}) > 3


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [({"n_points": 0}, "n_points"), ({"dimension": 0}, "dimension"), ({"latents": "two"}, "per-point")],
)
def test_impossible_sizes(arguments, expected):
    with pytest.raises(ConfigError, match=expected):
        simulate_funnel(1, **arguments)


def test_data_that_do_not_fit():
    weights = torch.ones((2, 3), dtype=torch.float64)
    with pytest.raises(InputError, match=r"\(2, 3\), data \(1, 4\)"):
        FunnelModel(weights=weights, data=torch.zeros((1, 4), dtype=torch.float64))
    with pytest.raises(InputError, match="zeros and ones"):
        FunnelModel(weights=weights, data=torch.full((1, 3), 0.5, dtype=torch.float64))
