"""Quadrature against what is known exactly, another quadrature in other coordinates, and sampling."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate

from tests.statistics import assert_mean
from vbpi_mix.errors import NumericalError
from vbpi_mix.estimators import all_components
from vbpi_mix.toys import FunnelModel, GaussianMixture, exact_bound, exact_posterior, simulate_funnel

WEIGHTS = torch.tensor([[0.9, 1.1], [1.2, 0.8]], dtype=torch.float64)


def model_of(bits):
    data = torch.tensor(bits, dtype=torch.float64).reshape(-1, WEIGHTS.shape[1])
    return FunnelModel(weights=WEIGHTS, data=data)


def mixture_of(n_components, seed=1):
    return GaussianMixture(n_components, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("weights", [[[0.0], [1.2]], [[0.9], [0.0]]])
def test_the_evidence_of_one_bit_that_sees_one_coordinate_is_one_half(weights):
    """Both coordinates are symmetric about 0, though not together: the scale of z2 rises with z1."""
    model = FunnelModel(weights=torch.tensor(weights).double(), data=torch.ones((1, 1), dtype=torch.float64))
    assert exact_posterior(model).log_evidence == pytest.approx(-math.log(2), abs=1e-8)


def test_the_evidence_sums_to_one_over_all_data():
    total = sum(math.exp(exact_posterior(model_of(b)).log_evidence) for b in itertools.product([0, 1], repeat=4))
    assert total == pytest.approx(1, abs=1e-8)


def test_evidence_and_moments_agree_with_nested_adaptive_quadrature():
    """SciPy's adaptive rule, in z1 and z2 themselves, with the likelihood written out in NumPy."""
    model = model_of([1, 1, 0, 1, 1, 1])
    weights, offsets, signs = WEIGHTS.numpy(), model.offsets.numpy(), 2 * model.data.numpy() - 1

    def joint(z2, z1):
        logits = z1 * weights[0] + z2 * weights[1] + offsets
        log_likelihood = -np.logaddexp(0, -signs * logits).sum()
        return math.exp(log_likelihood - z1**2 / 18 - z2**2 * math.exp(-z1 / 2) / 2 - z1 / 4) / (6 * math.pi)

    def integral(weight):
        precise = {"epsabs": 1e-13, "epsrel": 1e-10, "limit": 400}

        def line(z1):
            reach, steepest = 9 * math.exp(z1 / 4), -z1 * weights[0].mean() / weights[1].mean()
            inside = [steepest] if abs(steepest) < reach else None
            return integrate.quad(lambda z2: weight(z1, z2) * joint(z2, z1), -reach, reach, points=inside, **precise)[0]

        return integrate.quad(line, -20, 20, points=[-5, 0, 5], **precise)[0]

    exact = exact_posterior(model)
    evidence = integral(lambda z1, z2: 1.0)  # noqa: ARG005
    assert exact.log_evidence == pytest.approx(math.log(evidence), abs=1e-8)
    assert float(exact.mean[0]) == pytest.approx(integral(lambda z1, z2: z1) / evidence, abs=1e-5)  # noqa: ARG005
    assert exact.error < 1e-8


def test_the_evidence_of_simulated_data_agrees_with_importance_sampling():
    model, _ = simulate_funnel(1, n_points=3, dimension=10)
    exact = exact_posterior(model)
    generator = torch.Generator().manual_seed(1)
    # draws from a Student-like mixture of Gaussians around the posterior, wider than it: bounded weights
    scales = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
    e = torch.randn((3, 30_000, 2), generator=generator, dtype=torch.float64)
    z = exact.mean + exact.sd * scales[:, None, None] * e
    deviations = (((z - exact.mean) / exact.sd) ** 2).sum(dim=-1)[..., None]
    log_q = -0.5 * deviations / scales**2 - 2 * scales.log() - exact.sd.log().sum() - math.log(2 * math.pi)
    weights = torch.exp(model.log_joint(z) - torch.logsumexp(log_q - math.log(3), dim=-1) - exact.log_evidence)
    assert_mean(weights.mean(dim=0).numpy(), 1.0)


def test_the_bound_of_one_gaussian_by_gauss_hermite():
    model, mixture = model_of([1, 0, 0, 1]), mixture_of(1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    sd = np.exp(0.5 * mixture.log_variances.detach().numpy()[0])
    e = torch.from_numpy(np.stack(np.meshgrid(nodes, nodes, indexing="ij"), axis=-1))
    energy = model.log_joint(mixture.means.detach()[0] + torch.from_numpy(sd) * e).numpy()
    entropy = math.log(2 * math.pi * math.e) + np.log(sd).sum()
    expected = weights @ energy @ weights + entropy
    assert float(exact_bound(model, mixture, tolerance=1e-9).detach()) == pytest.approx(expected, abs=1e-8)


def test_the_bound_of_a_mixture_is_the_mean_of_draws_and_below_the_evidence():
    model, mixture = model_of([1, 0, 0, 1]), mixture_of(3)
    with torch.no_grad():
        z, log_q = mixture.draw(all_components(3), 50_000, torch.Generator().manual_seed(4))
        log_w = model.log_joint(z) - torch.logsumexp(log_q, dim=-1) + math.log(3)
    bound = float(exact_bound(model, mixture).detach())
    assert_mean(log_w.mean(dim=0).numpy(), bound)
    assert bound < exact_posterior(model).log_evidence


def test_the_bound_of_equal_components_is_that_of_one():
    model, one, four = model_of([1, 0]), mixture_of(1), mixture_of(4)
    with torch.no_grad():
        for mine, other in ((four.means, one.means), (four.log_variances, one.log_variances)):
            mine.copy_(other.expand(4, 2))
        assert float(exact_bound(model, four)) == pytest.approx(float(exact_bound(model, one)), abs=1e-12)


def test_an_unreachable_tolerance_is_an_error():
    model = model_of([1, 0])
    with pytest.raises(NumericalError, match="finest grid"):
        exact_posterior(model, tolerance=1e-14, smallest_step=0.125)
    narrow = mixture_of(2)
    with torch.no_grad():
        narrow.means.zero_()
        narrow.log_variances[1] = -24.0
        with pytest.raises(NumericalError, match="narrower"):
            exact_bound(model, narrow, tolerance=1e-12, smallest_step=0.125)
