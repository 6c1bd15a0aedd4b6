"""The laws of the mixture estimators, by enumeration."""

import itertools
import math

import pytest
import torch

from tests.estimators.categorical import CategoricalProblem
from vbpi_mix.estimators import (
    Objective,
    ParticleTerms,
    all_components,
    miselbo,
    mixture_log_prob,
    normalised_log_weights,
    outer_weights,
    plan_of_subset,
)

WEIGHTS = [None, torch.tensor([0.2, 1.5, 0.7, 2.6], dtype=torch.float64)]


def bound(terms, plan, weights=None):
    log_q = mixture_log_prob(terms.log_q, normalised_log_weights(plan, weights))
    return miselbo(terms.log_likelihood + terms.log_prior - log_q, outer_weights(plan, weights))


def subsets(n_components, n_sampled):
    return [torch.tensor(s) for s in itertools.combinations(range(n_components), n_sampled)]


def expected_bound(problem, plan, n_particles, weights=None):
    """Exact expectation of the bound over the draws; components enter additively, so one at a time."""
    total = torch.zeros((), dtype=torch.float64)
    outer = outer_weights(plan, weights)
    for i, component in enumerate(plan.sampled):
        single = type(plan)(sampled=component[None], evaluated=plan.evaluated, n_components=plan.n_components)
        log_mix = normalised_log_weights(plan, weights)
        for values in problem.all_draws(1, n_particles):
            terms = problem.terms(single, values)
            log_w = terms.log_likelihood + terms.log_prior - mixture_log_prob(terms.log_q, log_mix)
            value = torch.logsumexp(log_w, -1)[0] - math.log(n_particles)
            total = total + outer[i] * problem.probability(single, values) * value
    return total


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("n_sampled", [1, 2, 3, 4])
@pytest.mark.parametrize("n_particles", [1, 3])
def test_s2a_averaged_over_all_subsets_is_a2a(weights, n_sampled, n_particles):
    problem = CategoricalProblem(4, 5, seed=1)
    values = torch.randint(5, (4, n_particles), generator=torch.Generator().manual_seed(2))
    everything = bound(problem.terms(all_components(4), values), all_components(4), weights)
    parts = []
    for subset in subsets(4, n_sampled):
        plan = plan_of_subset("s2a", subset, 4)
        parts.append(bound(problem.terms(plan, values[subset]), plan, weights))
    torch.testing.assert_close(torch.stack(parts).mean(), everything, rtol=0, atol=1e-13)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_all_components_sampled_makes_the_estimators_equal(weights):
    losses = []
    for estimator in ("a2a", "s2a", "s2s"):
        problem = CategoricalProblem(4, 5, seed=3)
        objective = Objective(estimator=estimator, n_components=4, n_sampled=4, n_particles=3)
        step = objective.step(problem, torch.Generator().manual_seed(4), mixture_weights=weights)
        step.loss.backward()
        losses.append((step.loss.detach(), problem.logits.grad))
    for loss, gradient in losses[1:]:
        assert torch.equal(loss, losses[0][0])
        assert torch.equal(gradient, losses[0][1])


def test_one_component_is_iwae_and_one_particle_is_the_elbo():
    problem = CategoricalProblem(1, 4, seed=5)
    plan = all_components(1)
    log_q = torch.log_softmax(problem.logits[0], 0)
    log_joint = problem.log_likelihood + problem.log_prior
    elbo = (log_q.exp() * (log_joint - log_q)).sum()
    torch.testing.assert_close(expected_bound(problem, plan, 1), elbo)
    values = torch.tensor([[0, 3, 3]])
    iwae = torch.logsumexp((log_joint - log_q)[values[0]], 0) - math.log(3)
    torch.testing.assert_close(bound(problem.terms(plan, values), plan), iwae)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n_sampled", [1, 2, 3])
def test_s2s_is_below_a2a_below_the_evidence_at_one_particle(seed, n_sampled):
    problem = CategoricalProblem(4, 5, seed=seed)
    a2a = expected_bound(problem, all_components(4), 1)
    s2s = torch.stack([expected_bound(problem, plan_of_subset("s2s", s, 4), 1) for s in subsets(4, n_sampled)]).mean()
    assert s2s < a2a < problem.log_evidence


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("estimator", "n_sampled"), [("s2a", 1), ("s2a", 3), ("s2s", 1), ("s2s", 2)])
def test_every_bound_is_below_the_evidence(weights, estimator, n_sampled):
    problem = CategoricalProblem(4, 4, seed=11)
    mean = torch.stack(
        [expected_bound(problem, plan_of_subset(estimator, s, 4), 2, weights) for s in subsets(4, n_sampled)]
    ).mean()
    assert mean < problem.log_evidence


@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.5, 0.7], dtype=torch.float64)])
@pytest.mark.parametrize("n_particles", [1, 2, 3])
@pytest.mark.parametrize(("estimator", "n_sampled"), [("a2a", 3), ("s2a", 1), ("s2a", 2), ("s2s", 1), ("s2s", 2)])
def test_mean_vimco_gradient_is_the_exact_gradient(weights, n_particles, estimator, n_sampled):
    problem = CategoricalProblem(3, 3, seed=7)
    objective = Objective(estimator=estimator, n_components=3, n_sampled=n_sampled, n_particles=n_particles)
    exact = torch.zeros_like(problem.logits)
    mean = torch.zeros_like(problem.logits)
    for subset in subsets(3, n_sampled):
        plan = plan_of_subset(estimator, subset, 3)
        exact += torch.autograd.grad(expected_bound(problem, plan, n_particles, weights), problem.logits)[0]
        # the loss is a sum over the sampled components: enumerate the draws of each on its own
        for i in range(n_sampled):
            for values in problem.all_draws(1, n_particles):
                one = type(plan)(sampled=plan.sampled[i][None], evaluated=plan.evaluated, n_components=3)
                share = outer_weights(plan, weights)[i] / outer_weights(one, weights)[0]
                loss = objective.surrogate(problem.terms(one, values), one, mixture_weights=weights).loss
                gradient = torch.autograd.grad(loss, problem.logits)[0]
                mean -= share * problem.probability(one, values).detach() * gradient
    torch.testing.assert_close(mean, exact, rtol=0, atol=1e-12)


def test_subsets_and_draws_average_independent_estimates():
    """The paper's M and J: one step of M subsets and J draws is the mean of M * J plain steps."""
    problem = CategoricalProblem(4, 5, seed=9)
    objective = Objective(estimator="s2a", n_components=4, n_sampled=2, n_particles=3, n_subsets=5, n_draws=4)
    single = Objective(estimator="s2a", n_components=4, n_sampled=2, n_particles=3)
    step = objective.step(problem, torch.Generator().manual_seed(10))
    step.loss.backward()
    combined = problem.logits.grad.clone()

    problem.logits.grad = None
    generator = torch.Generator().manual_seed(10)
    losses, bounds = [], []
    for _ in range(5):
        subset = torch.randperm(4, generator=generator)[:2].sort().values
        plan = plan_of_subset("s2a", subset, 4)
        terms = problem.draw(plan, 12, generator)
        for j in range(4):
            at = slice(3 * j, 3 * j + 3)
            part = ParticleTerms(
                log_likelihood=terms.log_likelihood[:, at],
                log_prior=terms.log_prior[:, at],
                log_q=terms.log_q[:, at],
                log_q_score=terms.log_q_score[:, at],
            )
            result = single.surrogate(part, plan)
            losses.append(result.loss)
            bounds.append(result.bound)
    torch.stack(losses).mean().backward()
    torch.testing.assert_close(combined, problem.logits.grad, rtol=0, atol=1e-13)
    torch.testing.assert_close(step.bound, torch.stack(bounds).mean(), rtol=0, atol=1e-13)


def test_batch_axes_are_averaged():
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    terms = ParticleTerms(log_likelihood=normal(6, 2, 3), log_prior=normal(6, 2, 3), log_q=normal(6, 2, 3, 2))
    plan = all_components(2)
    objective = Objective(estimator="a2a", n_components=2, n_sampled=2, n_particles=3)
    parts = [
        objective.surrogate(
            ParticleTerms(log_likelihood=terms.log_likelihood[b], log_prior=terms.log_prior[b], log_q=terms.log_q[b]),
            plan,
        ).loss
        for b in range(6)
    ]
    torch.testing.assert_close(objective.surrogate(terms, plan).loss, torch.stack(parts).mean())


def test_tempering_acts_on_the_likelihood_and_warm_up_on_the_divergence():
    problem = CategoricalProblem(2, 4, seed=12)
    plan = all_components(2)
    terms = problem.terms(plan, torch.tensor([[0, 1], [2, 3]]))
    log_q = mixture_log_prob(terms.log_q, normalised_log_weights(plan, None))
    outer = outer_weights(plan, None)
    plain = ParticleTerms(log_likelihood=terms.log_likelihood, log_prior=terms.log_prior, log_q=terms.log_q)
    for annealed, log_w in (
        ("likelihood", 0.3 * terms.log_likelihood + terms.log_prior - log_q),
        ("kl", terms.log_likelihood + 0.3 * (terms.log_prior - log_q)),
    ):
        objective = Objective(estimator="a2a", n_components=2, n_sampled=2, n_particles=2, annealed=annealed)
        result = objective.surrogate(plain, plan, inverse_temperature=0.3)
        torch.testing.assert_close(-result.loss, miselbo(log_w, outer))
        torch.testing.assert_close(result.bound, bound(terms, plan).detach())
