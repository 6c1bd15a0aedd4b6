"""The toy through the estimators: bounds and gradients against quadrature."""

import itertools

import pytest
import torch

from tests.statistics import assert_mean
from vbpi_mix.estimators import Objective, all_components
from vbpi_mix.toys import FunnelProblem, GaussianMixture, exact_bound, simulate_funnel

MODEL, _ = simulate_funnel(2, n_points=2, dimension=4)
STEPS = 250


def problem_of(n_components, *, sequential=True, seed=1):
    mixture = GaussianMixture(n_components, torch.Generator().manual_seed(seed))
    return FunnelProblem(MODEL, mixture, sequential_energy=sequential)


def objective_of(estimator, n_sampled, n_components=3):
    return Objective(estimator=estimator, n_components=n_components, n_sampled=n_sampled, n_particles=1, n_draws=40)


def flat(tensors):
    return torch.cat([t.reshape(-1) for t in tensors])


def exact_mean_bound(problem, subsets):
    """The mean over subsets of the exact MISELBO of each subset alone."""
    total = torch.zeros((), dtype=torch.float64)
    for subset in subsets:
        part = GaussianMixture(len(subset), torch.Generator())
        index = torch.tensor(subset)
        # plain tensors in place of parameters, so that gradients reach the whole mixture
        del part.means, part.log_variances
        part.means, part.log_variances = problem.mixture.means[index], problem.mixture.log_variances[index]
        total = total + exact_bound(MODEL, part, step=0.25)
    return total / len(subsets)


@pytest.mark.parametrize(("estimator", "n_sampled"), [("a2a", 3), ("s2a", 1), ("s2a", 2), ("s2s", 1), ("s2s", 2)])
def test_bounds_and_gradients_have_their_exact_means(estimator, n_sampled):
    problem = problem_of(3)
    # S2S estimates the bound of its subset, the others that of the whole
    size = n_sampled if estimator == "s2s" else 3
    exact = exact_mean_bound(problem, list(itertools.combinations(range(3), size)))
    gradient = flat(torch.autograd.grad(exact, list(problem.parameters())))
    generator = torch.Generator().manual_seed(5)
    bounds, gradients = [], []
    for _ in range(STEPS):
        step = objective_of(estimator, n_sampled).step(problem, generator)
        bounds.append(float(step.bound))
        gradients.append(-flat(torch.autograd.grad(step.loss, list(problem.parameters()))))
    assert_mean(bounds, float(exact.detach()))
    assert_mean(torch.stack(gradients).numpy(), gradient.numpy())


def test_the_gradient_of_one_step_is_that_of_differences():
    problem, objective = problem_of(3), objective_of("s2a", 2)

    def loss():
        return objective.step(problem, torch.Generator().manual_seed(6)).loss

    gradient = flat(torch.autograd.grad(loss(), list(problem.parameters())))
    differences = []
    with torch.no_grad():
        for parameter in problem.parameters():
            for i in range(parameter.numel()):
                ends = []
                for h in (1e-5, -1e-5):
                    parameter.view(-1)[i] += h
                    ends.append(float(loss()))
                    parameter.view(-1)[i] -= h
                differences.append((ends[0] - ends[1]) / 2e-5)
    torch.testing.assert_close(gradient, torch.tensor(differences, dtype=torch.float64), rtol=1e-6, atol=1e-7)


def test_sequential_energy_changes_no_value():
    values = []
    for sequential in (True, False):
        problem = problem_of(4, sequential=sequential)
        terms = problem.draw(all_components(4), 5, torch.Generator().manual_seed(7))
        step = objective_of("a2a", 4, 4).surrogate(
            problem.draw(all_components(4), 40, torch.Generator()), all_components(4)
        )
        gradient = flat(torch.autograd.grad(step.loss, list(problem.parameters())))
        values.append((terms.log_likelihood, terms.log_prior, terms.log_q, gradient))
    for one, other in zip(*values, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


def test_all_components_sampled_makes_the_estimators_equal():
    steps = [objective_of(e, 3).step(problem_of(3), torch.Generator().manual_seed(8)) for e in ("a2a", "s2a", "s2s")]
    assert float(steps[0].loss.detach()) == float(steps[1].loss.detach()) == float(steps[2].loss.detach())


def test_every_parameter_gets_a_gradient_even_from_one_component():
    problem = problem_of(5)
    objective_of("s2a", 1, 5).step(problem, torch.Generator().manual_seed(9)).loss.backward()
    for parameter in problem.parameters():
        assert bool((parameter.grad != 0).all())
