"""Estimates against a Gaussian problem whose evidence, ELBO and variance of weights are known."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from tests.statistics import FAILURE_RATE, assert_mean
from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.evaluate.estimates import (
    as_log_weights,
    effective_sample_size,
    elbo,
    log_mean_exp,
    log_ml_pooled,
    log_ml_published,
    lower_bound,
    pooled_log_weights,
    weighted_size,
)

EVIDENCE = -7.25
SPREAD = 0.4


def log_normal_weights(generator, shape, spread=SPREAD):
    """log w ~ Normal(EVIDENCE - spread^2 / 2, spread): E[w] = exp(EVIDENCE), ELBO = EVIDENCE - spread^2 / 2."""
    return EVIDENCE - spread**2 / 2 + spread * generator.standard_normal(shape)


def mixture_weights(generator, shape, weights=(0.5, 0.5)):
    """p(x, z) = exp(EVIDENCE) Normal(z; 0, 1) under q = pi_0 Normal(-0.4, 1.2) + pi_1 Normal(0.7, 1.1)."""
    r, k = shape
    z = np.stack([-0.4 + 1.2 * generator.standard_normal((r, k)), 0.7 + 1.1 * generator.standard_normal((r, k))], 1)
    log_q = np.log(weights[0] * stats.norm.pdf(z, -0.4, 1.2) + weights[1] * stats.norm.pdf(z, 0.7, 1.1))
    return EVIDENCE + stats.norm.logpdf(z) - log_q


def exact_mixture_elbo(weights=(0.5, 0.5)):
    z = np.linspace(-15, 15, 200_001)
    q = weights[0] * stats.norm.pdf(z, -0.4, 1.2) + weights[1] * stats.norm.pdf(z, 0.7, 1.1)
    return EVIDENCE + integrate.trapezoid(q * (stats.norm.logpdf(z) - np.log(q)), z)


@pytest.fixture
def generator():
    return np.random.default_rng(11)


def test_exact_proposal_has_no_error():
    log_w = np.full((3, 2, 20), EVIDENCE)
    published, deviation = log_ml_published(log_w)
    for estimate in (elbo(log_w), lower_bound(log_w), published, log_ml_pooled(log_w)):
        assert estimate.value == pytest.approx(EVIDENCE, abs=1e-12)
        assert estimate.standard_error == pytest.approx(0, abs=1e-12)
    assert deviation == pytest.approx(0, abs=1e-12)


def test_formulas_on_small_numbers():
    weights = np.array([[[1.0, 2.0], [3.0, 5.0]], [[2.0, 2.0], [1.0, 7.0]]])
    log_w = np.log(weights)
    published, deviation = log_ml_published(log_w)
    per_repeat = np.array([(np.log(1.5) + np.log(4)) / 2, (np.log(2) + np.log(4)) / 2])
    assert published.value == pytest.approx(per_repeat.mean())
    assert deviation == pytest.approx(per_repeat.std(ddof=1))
    assert log_ml_pooled(log_w).value == pytest.approx(np.log(weights.mean()))
    assert elbo(log_w).value == pytest.approx(log_w.mean())
    assert lower_bound(log_w, 2).value == pytest.approx(np.log(weights.mean(axis=2)).mean())
    assert lower_bound(log_w, 3).value == pytest.approx((np.log(5 / 3) + np.log(3)) / 2), "the fourth draw is left out"


def test_tensors_and_arrays_agree(generator):
    log_w = log_normal_weights(generator, (2, 3, 40))
    tensor = torch.from_numpy(log_w).requires_grad_()
    assert elbo(tensor) == elbo(log_w)
    assert log_ml_pooled(tensor) == log_ml_pooled(log_w)


def test_known_elbo_and_evidence(generator):
    log_w = mixture_weights(generator, (50, 2000))
    for estimate, truth in ((elbo(log_w), exact_mixture_elbo()), (log_ml_pooled(log_w), EVIDENCE)):
        assert abs(estimate.value - truth) < stats.norm.isf(FAILURE_RATE / 2) * estimate.standard_error
        assert estimate.standard_error < 0.01


def test_unequal_component_weights(generator):
    weights = np.array([0.8, 0.2])
    log_w = mixture_weights(generator, (50, 2000), weights)
    bound, pooled = elbo(log_w, weights), log_ml_pooled(log_w, weights)
    limit = stats.norm.isf(FAILURE_RATE / 2)
    assert abs(bound.value - exact_mixture_elbo(weights)) < limit * bound.standard_error
    assert abs(pooled.value - EVIDENCE) < limit * pooled.standard_error
    wrong = elbo(log_w)
    assert abs(wrong.value - exact_mixture_elbo(weights)) > limit * wrong.standard_error


def test_component_of_weight_zero_does_not_count(generator):
    log_w = log_normal_weights(generator, (12, 2, 50))
    with_junk = np.concatenate([log_w, np.full((12, 1, 50), -np.inf)], axis=1)
    weights = np.array([0.5, 0.5, 0.0])
    assert elbo(with_junk, weights).value == pytest.approx(elbo(log_w).value)
    assert log_ml_published(with_junk, weights)[0].value == pytest.approx(log_ml_published(log_w)[0].value)
    assert log_ml_pooled(with_junk, weights).standard_error == pytest.approx(log_ml_pooled(log_w).standard_error)
    assert effective_sample_size(pooled_log_weights(with_junk, weights)) == pytest.approx(
        effective_sample_size(pooled_log_weights(log_w))
    )


def test_bounds_are_ordered(generator):
    """In expectation ELBO <= LB-10 <= published <= pooled; here the gaps are tens of standard errors."""
    log_w = log_normal_weights(generator, (400, 2, 100), spread=1.0)
    values = [e.value for e in (elbo(log_w), lower_bound(log_w), log_ml_published(log_w)[0], log_ml_pooled(log_w))]
    assert values == sorted(values)
    assert values[0] == pytest.approx(EVIDENCE - 0.5, abs=0.03)


@pytest.mark.parametrize("n_repeats", [1, 20])
@pytest.mark.parametrize("name", ["elbo", "lb10", "pooled", "published"])
def test_standard_errors_are_calibrated(name, n_repeats, generator):
    """Deviations of many independent estimates, in their own standard errors, have mean square one."""
    estimator = {
        "elbo": elbo,
        "lb10": lower_bound,
        "pooled": log_ml_pooled,
        "published": lambda log_w: log_ml_published(log_w)[0],
    }[name]
    size = 2000 // n_repeats
    truth = estimator(log_normal_weights(generator, (800_000 // size, 2, size))).value
    estimates = [estimator(log_normal_weights(generator, (n_repeats, 2, size))) for _ in range(400)]
    scores = np.array([(e.value - truth) / e.standard_error for e in estimates])
    if name == "published" and n_repeats == 20:  # the spread of 20 repeats: Student's t with variance 19 / 17
        scores *= np.sqrt(17 / 19)
    assert_mean(scores, 0.0, slack=0.1)  # 0.1: `truth` is itself estimated
    low, high = stats.chi2.ppf([FAILURE_RATE / 2, 1 - FAILURE_RATE / 2], len(scores)) / len(scores)
    assert low < np.mean(scores**2) < high


def test_pooled_error_agrees_with_the_jackknife(generator):
    log_w = log_normal_weights(generator, (1, 2, 500), spread=0.8)
    n = log_w.shape[2]
    squares = 0.0
    for component in range(2):  # strata are jackknifed one by one
        values = np.empty(n)
        for particle in range(n):
            rest = np.delete(log_w[0, component], particle)
            values[particle] = np.log((np.exp(rest).mean() + np.exp(log_w[0, 1 - component]).mean()) / 2)
        squares += (n - 1) / n * ((values - values.mean()) ** 2).sum()
    assert log_ml_pooled(log_w).standard_error == pytest.approx(np.sqrt(squares), rel=0.02)


def test_zero_weights(generator):
    log_w = log_normal_weights(generator, (12, 2, 100))
    log_w[3, 1, 7] = -np.inf
    assert elbo(log_w).value == -np.inf
    assert np.isnan(elbo(log_w).standard_error)
    assert lower_bound(log_w).value > -np.inf
    weights = np.exp(log_w)
    assert log_ml_pooled(log_w).value == pytest.approx(np.log(weights.mean()))
    assert log_ml_published(log_w)[0].value == pytest.approx(np.log(weights.mean(axis=2)).mean())
    log_w[3, 1] = -np.inf
    published, deviation = log_ml_published(log_w)
    assert published.value == -np.inf
    assert np.isnan(published.standard_error)
    assert np.isnan(deviation)
    assert np.isfinite(log_ml_pooled(log_w).standard_error)


def test_huge_magnitudes_do_not_overflow(generator):
    log_w = log_normal_weights(generator, (2, 2, 50))
    for shift in (-1e6, 1e6):
        assert log_ml_pooled(log_w + shift).value == pytest.approx(log_ml_pooled(log_w).value + shift)
        assert log_ml_pooled(log_w + shift).standard_error == pytest.approx(log_ml_pooled(log_w).standard_error)


def test_effective_sample_size():
    assert effective_sample_size(np.zeros(17)) == pytest.approx(17)
    assert effective_sample_size(np.array([0.0, -np.inf, -np.inf])) == pytest.approx(1)
    assert effective_sample_size(np.log([1.0, 3.0]) - 5000) == pytest.approx(16 / 10)


def test_log_mean_exp_of_nothing_but_zeros():
    assert log_mean_exp(np.full((2, 3), -np.inf)).tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("shape", [(4,), (2, 3), (0, 2, 3), (2, 2, 2, 2)])
def test_wrong_shapes(shape):
    with pytest.raises(InputError, match="repeats, components, particles"):
        as_log_weights(np.zeros(shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_no_numbers(bad):
    log_w = np.zeros((2, 3, 4))
    log_w[1, 2, 3] = bad
    with pytest.raises(NumericalError, match="repeat 1, component 2, particle 3"):
        elbo(log_w)


def test_all_weights_zero():
    with pytest.raises(NumericalError, match="every importance weight is zero"):
        log_ml_pooled(np.full((1, 1, 5), -np.inf))


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [1.0], [0.2, 0.3, 0.5]])
def test_wrong_component_weights(weights):
    with pytest.raises(InputError, match="component weights"):
        elbo(np.zeros((1, 2, 5)), np.array(weights))


@pytest.mark.parametrize("n_particles", [0, 11])
def test_too_few_draws_for_a_bound(n_particles):
    with pytest.raises(InputError, match="cannot be estimated"):
        lower_bound(np.zeros((2, 2, 5)), n_particles)


def test_weighted_size_is_that_of_draws_that_follow_the_weights(generator):
    weights = np.array([0.75, 0.25])
    log_w = mixture_weights(generator, (50, 2000), weights)
    following = np.concatenate([log_w[:, 0].reshape(-1)[: 3 * 30_000], log_w[:, 1].reshape(-1)[:30_000]])
    share = weighted_size(log_w, weights) / log_w.size
    assert share == pytest.approx(effective_sample_size(following) / len(following), rel=0.01)
    equal = np.array([0.5, 0.5])
    log_w = mixture_weights(generator, (50, 2000), equal)
    assert weighted_size(log_w, equal) == pytest.approx(effective_sample_size(log_w.reshape(-1)), rel=1e-12)
