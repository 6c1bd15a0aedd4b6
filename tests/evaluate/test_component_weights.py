"""Learned component weights against mixtures of Gaussians whose bound is known by quadrature."""

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, special, stats

from tests.statistics import assert_mean
from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.estimators import all_components, miselbo, outer_weights
from vbpi_mix.evaluate import (
    LearnedWeights,
    choose_weights,
    elbo,
    learn_weights,
    log_ml_pooled,
    lower_bound,
    weight_gain,
)
from vbpi_mix.evaluate.component_weights import many_sample_bound, one_sample_bound, relative_densities

EVIDENCE = -7108.4
MEANS, SDS = np.array([-2.0, 0.5, 3.0]), np.array([0.8, 1.1, 0.6])
TRUE = np.array([0.55, 0.1, 0.35])
GRID = np.linspace(-20, 20, 8001)


def log_densities(z, means=MEANS, sds=SDS):
    return stats.norm.logpdf(np.asarray(z)[..., None], means, sds)


def log_mixture(z, weights, **gaussians):
    return special.logsumexp(log_densities(z, **gaussians), b=weights, axis=-1)


def draw(generator, shape, target=TRUE, means=MEANS, sds=SDS):
    """Draws of every component: log joint of a target that is a mixture of MEANS and SDS, and log q."""
    repeats, particles = shape
    z = means[:, None] + sds[:, None] * generator.standard_normal((repeats, len(means), particles))
    return EVIDENCE + log_mixture(z, target), log_densities(z, means, sds)


def exact_bound(weights, target=TRUE, **gaussians):
    q = np.exp(log_densities(GRID, **gaussians)) @ weights
    with np.errstate(divide="ignore", invalid="ignore"):
        integrand = np.where(q > 0, q * (log_mixture(GRID, target) - np.log(q)), 0.0)
    return EVIDENCE + integrate.trapezoid(integrand, GRID)


@pytest.fixture
def generator():
    return np.random.default_rng(5)


def test_weights_of_a_target_that_is_a_mixture_are_recovered(generator):
    found = [learn_weights(*draw(generator, (2, 1000))) for _ in range(40)]
    assert_mean([f.weights for f in found], TRUE, slack=1e-3)
    assert np.std([f.weights for f in found], axis=0).max() < 0.02
    assert max(f.gap for f in found) <= 1e-5


def test_weights_of_any_target_maximise_the_exact_bound(generator):
    """The components cannot represent the target: the optimum is where quadrature has it."""
    q = {"means": np.array([-2.5, 0.0, 2.0]), "sds": np.array([1.2, 1.0, 1.5])}
    exact = optimize.minimize(
        lambda t: -exact_bound(np.exp(t) / np.exp(t).sum(), **q) + EVIDENCE, np.zeros(3), method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-12},
    ).x  # fmt: skip
    expected = np.exp(exact) / np.exp(exact).sum()
    fit = learn_weights(*draw(generator, (50, 2000), **q))
    np.testing.assert_allclose(fit.weights, expected, atol=0.01)
    assert exact_bound(fit.weights, **q) == pytest.approx(exact_bound(expected, **q), abs=1e-4)
    assert fit.bound == pytest.approx(exact_bound(expected, **q), abs=0.01)
    assert fit.uniform_bound == pytest.approx(exact_bound(np.full(3, 1 / 3), **q), abs=0.01)


def test_gains_are_unbiased_with_the_error_that_they_state(generator):
    weights, equal = np.array([0.5, 0.2, 0.3]), np.full(3, 1 / 3)
    gains = [weight_gain(weights, *draw(generator, (2, 500))) for _ in range(200)]
    values = np.array([g.value for g in gains])
    assert_mean(values, exact_bound(weights) - exact_bound(equal))
    assert values.std(ddof=1) == pytest.approx(np.mean([g.standard_error for g in gains]), rel=0.25)


def test_the_gain_is_that_of_the_bound_of_the_paper(generator):
    """Eq. 23 takes the means of each component over its own draws; the expectation is the same, its error larger."""
    weights, equal = np.array([0.5, 0.2, 0.3]), np.full(3, 1 / 3)
    joint, log_q = draw(generator, (100, 1000))
    published = [elbo(joint - np.log(np.exp(log_q) @ w), w) for w in (weights, equal)]
    gain = weight_gain(weights, joint, log_q)
    error = np.hypot(published[0].standard_error, published[1].standard_error)
    assert gain.value == pytest.approx(published[0].value - published[1].value, abs=4.7 * error)
    assert gain.standard_error < error


def test_gradient_is_that_of_autograd_and_of_differences(generator):
    share, excess, _ = relative_densities(*draw(generator, (2, 300)))
    weights = generator.dirichlet(np.ones(3))
    value, gradient = one_sample_bound(weights, share, excess)
    w = torch.from_numpy(weights).requires_grad_()
    mixed = torch.from_numpy(share) @ w
    bound = (mixed * (torch.from_numpy(excess) - mixed.log())).mean()
    bound.backward()
    assert value == pytest.approx(bound.item(), abs=1e-12)
    np.testing.assert_allclose(gradient, w.grad.numpy(), rtol=1e-10)
    for a in range(3):
        step = 1e-6 * np.eye(3)[a]
        difference = (
            one_sample_bound(weights + step, share, excess)[0] - one_sample_bound(weights - step, share, excess)[0]
        )
        assert gradient[a] == pytest.approx(difference / 2e-6, abs=1e-6)


def test_the_bound_on_any_draws_is_concave(generator):
    for _ in range(50):
        joint = generator.normal(size=(1, 4, 5)) * 3
        share, excess, _ = relative_densities(joint, generator.normal(size=(1, 4, 5, 4)) * 3)
        one, other = generator.dirichlet(np.full(4, 0.5), size=2)
        middle = one_sample_bound(0.5 * (one + other), share, excess)[0]
        ends = [one_sample_bound(np.maximum(w, 1e-300), share, excess)[0] for w in (one, other)]
        assert middle >= np.mean(ends) - 1e-12


@pytest.mark.parametrize("spread", [0.01, 1.0, 30.0])
def test_the_largest_bound_is_found_and_never_below_that_of_equal_weights(generator, spread):
    """On draws without sense too, against a general optimiser."""
    for n_components in (2, 3, 5):
        joint = generator.normal(size=(2, n_components, 20)) * spread
        log_q = generator.normal(size=(2, n_components, 20, n_components)) * spread
        fit = learn_weights(joint, log_q)
        assert fit.bound >= fit.uniform_bound
        assert 0 <= fit.gap <= 1e-5
        assert (fit.weights >= 0).all()
        assert fit.weights.sum() == pytest.approx(1)
        share, excess, centre = relative_densities(joint, log_q)

        def bound(t, share=share, excess=excess):
            t = t - t.max()
            return -one_sample_bound(np.maximum(np.exp(t), 1e-300) / np.exp(t).sum(), share, excess)[0]

        other = optimize.minimize(bound, np.zeros(n_components), method="Nelder-Mead", options={"maxiter": 4000})
        assert fit.bound >= -other.fun + centre - 1e-5


def test_the_stopping_rule_bounds_what_is_left(generator):
    joint, log_q = draw(generator, (2, 500), means=np.array([-1.9, -2.0, 2.8]), sds=SDS)
    best = learn_weights(joint, log_q, tolerance=1e-9)
    assert best.gap <= 1e-9
    for tolerance in (1e-2, 1e-4, 1e-6):
        fit = learn_weights(joint, log_q, tolerance=tolerance)
        assert best.bound - fit.bound <= fit.gap <= tolerance
        assert fit.n_steps <= best.n_steps < 1000


def test_steps_without_haste_never_fall_either(generator):
    """The step whose rise is proved, over and over: the rule that `learn_weights` speeds up."""
    share, excess, _ = relative_densities(*draw(generator, (1, 50), means=np.array([-1.0, 0.0, 1.5]), sds=SDS))
    weights, rho = np.full(3, 1 / 3), share.mean(axis=0).max()
    value, gradient = one_sample_bound(weights, share, excess)
    for _ in range(200):
        weights = weights * np.exp((gradient - gradient.max()) / rho)
        weights /= weights.sum()
        before, (value, gradient) = value, one_sample_bound(weights, share, excess)
        assert value >= before - 1e-13


def test_one_component_has_nothing_to_learn(generator):
    joint, log_q = draw(generator, (2, 100), means=MEANS[:1], sds=SDS[:1])
    fit = learn_weights(joint, log_q)
    assert (fit.weights.tolist(), fit.n_steps, fit.gap) == ([1.0], 0, 0.0)
    assert fit.bound == fit.uniform_bound == pytest.approx(elbo(joint - log_q[..., 0]).value, rel=1e-14)
    learned = choose_weights(joint, log_q)
    assert (learned.weights.tolist(), learned.kept, learned.gain.value) == ([1.0], False, 0.0)


def test_equal_components_keep_equal_weights(generator):
    joint, log_q = draw(generator, (4, 100), means=np.zeros(3), sds=np.ones(3))
    learned = choose_weights(joint, log_q)
    np.testing.assert_array_equal(learned.weights, np.full(3, 1 / 3))
    assert not learned.kept
    assert "equal weights stay" in learned.describe()


def test_held_out_draws_decide(generator):
    joint, log_q = draw(generator, (20, 500))
    learned = choose_weights(joint, log_q)
    np.testing.assert_array_equal(learned.weights, learn_weights(joint[:10], log_q[:10]).weights)
    assert learned.gain == weight_gain(learned.weights, joint[10:], log_q[10:])
    assert learned.kept
    assert learned.gain.value > 0.1 > 10 * learned.gain.standard_error
    assert learned.describe().startswith("0.5")
    again = LearnedWeights.from_dict(learned.to_dict())
    np.testing.assert_array_equal(again.weights, learned.weights)
    assert (again.gain, again.kept) == (learned.gain, learned.kept)


def test_weights_that_are_right_already_are_kept_equal_most_of_the_time(generator):
    kept = [choose_weights(*draw(generator, (2, 200), target=np.full(3, 1 / 3))).kept for _ in range(100)]
    assert sum(kept) <= 10  # one in 44 each, were the gain zero in truth; it is below zero


def test_components_without_overlap_and_a_useless_one(generator):
    means, sds = np.array([-2.0, 3.0, 60.0]), np.array([0.8, 0.6, 1.0])
    joint, log_q = draw(generator, (10, 400), means=means, sds=sds)
    log_q[log_q < -500] = -np.inf
    learned = choose_weights(joint, log_q)
    assert learned.kept
    assert learned.weights[2] < 1e-6
    assert np.isfinite(learned.gain.value)


def test_a_constant_in_the_target_changes_nothing_but_the_bound(generator):
    joint, log_q = draw(generator, (2, 300))
    one, other = learn_weights(joint, log_q), learn_weights(torch.from_numpy(joint + 5000.0), torch.from_numpy(log_q))
    np.testing.assert_allclose(one.weights, other.weights, rtol=1e-6)
    assert other.bound == pytest.approx(one.bound + 5000, abs=1e-6)


def test_what_cannot_be_learned_from(generator):
    joint, log_q = draw(generator, (2, 10))
    with pytest.raises(InputError, match="shapes"):
        learn_weights(joint[0], log_q[0])
    with pytest.raises(InputError, match="shapes"):
        learn_weights(joint, log_q[..., :2])
    with pytest.raises(InputError, match="two repeats"):
        choose_weights(joint[:1], log_q[:1])
    with pytest.raises(InputError, match="21 particles"):
        learn_weights(joint, log_q, n_particles=21)
    excluded = joint.copy()
    excluded[0, 1, 2] = -np.inf
    with pytest.raises(NumericalError, match="1 of 60 draws"):
        learn_weights(excluded, log_q)
    for value in (np.nan, np.inf, -np.inf):
        broken = log_q.copy()
        broken[1, 2, 3, 2] = value
        with pytest.raises(NumericalError, match="log q"):
            learn_weights(joint, broken)


@pytest.mark.parametrize("n_particles", [2, 7])
def test_many_samples_give_the_bound_of_the_theorem_and_its_gradient(generator, n_particles):
    """Theorem B.1 through the estimators' own bound, and autograd; a last incomplete group is left out."""
    joint, log_q = draw(generator, (2, 40))
    share, excess, centre = relative_densities(joint, log_q)
    weights = generator.dirichlet(np.ones(3))
    value, gradient = many_sample_bound(weights, share, excess, n_particles)
    n = 80 // n_particles * n_particles
    by_component = torch.from_numpy(np.moveaxis(joint, 1, 0).reshape(3, -1)[:, :n])
    densities = torch.from_numpy(np.moveaxis(log_q, 1, 0).reshape(3, -1, 3)[:, :n])
    w = torch.from_numpy(weights).requires_grad_()
    log_w = by_component - torch.logsumexp(densities + w.log(), dim=-1)
    groups = log_w.reshape(3, -1, n_particles).movedim(1, 0)  # as a batch of (S, K)
    bound = miselbo(groups, outer_weights(all_components(3), w)).mean()
    theirs = log_w.detach().numpy()[None]
    assert value + centre == pytest.approx(bound.item(), abs=1e-9)
    assert value + centre == pytest.approx(lower_bound(theirs, n_particles, weights).value, abs=1e-9)
    free = (w * (torch.logsumexp(groups, dim=-1) - np.log(n_particles)).mean(dim=0)).sum()  # w need not sum to 1
    free.backward()
    np.testing.assert_allclose(gradient, w.grad.numpy() - centre, atol=1e-8)


def test_one_sample_in_groups_is_eq_23(generator):
    joint, log_q = draw(generator, (3, 50))
    share, excess, centre = relative_densities(joint, log_q)
    weights = np.array([0.5, 0.3, 0.2])
    expected = elbo(joint - np.log(np.exp(log_q) @ weights), weights).value
    assert many_sample_bound(weights, share, excess, 1)[0] + centre == pytest.approx(expected, abs=1e-9)


def test_many_samples_recover_the_weights_of_a_mixture_too(generator):
    found = [learn_weights(*draw(generator, (2, 2000)), n_particles=5) for _ in range(30)]
    assert_mean([f.weights for f in found], TRUE, slack=0.01)  # of a search on draws, whose error is of their order
    assert all(f.bound >= f.uniform_bound for f in found)
    assert max(f.gap for f in found) <= 1e-5


def test_the_gain_of_many_samples_has_the_error_that_it_states(generator):
    weights, equal = np.array([0.5, 0.2, 0.3]), np.full(3, 1 / 3)
    gains = [weight_gain(weights, *draw(generator, (2, 500)), n_particles=5) for _ in range(200)]
    values = np.array([g.value for g in gains])
    joint, log_q = draw(generator, (100, 10_000))
    exact = [lower_bound(joint - np.log(np.exp(log_q) @ w), 5, w) for w in (weights, equal)]
    error = np.hypot(exact[0].standard_error, exact[1].standard_error)
    assert_mean(values, exact[0].value - exact[1].value, slack=5 * error)
    assert values.std(ddof=1) == pytest.approx(np.mean([g.standard_error for g in gains]), rel=0.25)


def test_bad_draws_cost_little_with_many_samples(generator):
    """A component that covers a part of the target alone but has bad draws: one sample gives it up, many do not."""
    means, sds = np.array([-2.0, 0.5, 3.0]), np.array([0.8, 1.1, 9.0])
    joint, log_q = draw(generator, (20, 2000), means=means, sds=sds)
    one, many = (learn_weights(joint, log_q, n_particles=k).weights for k in (1, 20))
    assert one[2] < 0.4 * TRUE[2]
    assert many[2] > 1.5 * one[2]
    held = draw(generator, (20, 2000), means=means, sds=sds)
    spread = [log_ml_pooled(held[0] - np.log(np.exp(held[1]) @ w), w).standard_error for w in (one, many)]
    assert spread[1] < spread[0]
