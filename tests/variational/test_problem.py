"""The trees' side of the seam, against exact sums and quadrature."""

import numpy as np
import pytest
import torch

from tests.statistics import assert_mean
from vbpi_mix.errors import ConfigError, SupportError
from vbpi_mix.estimators import Objective, all_components, draw_plan
from vbpi_mix.evaluate import elbo
from vbpi_mix.evaluate.sampling import draw_batches
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, all_topologies, merge_relabelled
from vbpi_mix.support import build_support
from vbpi_mix.train import TrainSettings, fit
from vbpi_mix.variational import PhyloMixture, PhyloProblem


def make_problem(n_taxa=5, n_components=3, seed=1, **options):
    generator = np.random.default_rng(seed)
    sets = (1 << generator.integers(0, 4, size=(n_taxa, 12))).astype(np.uint8)
    patterns = merge_relabelled(SitePatterns(state_sets=sets, weights=np.ones(12)))
    mixture = PhyloMixture(build_support(all_topologies(n_taxa)), n_components=n_components, **options)
    with torch.no_grad():
        for parameter in mixture.parameters():
            parameter.copy_(torch.from_numpy(generator.normal(size=parameter.shape) * 0.3))
        mixture.branches.base.table[..., 0] -= 0.7
    return PhyloProblem(PhyloModel(patterns, n_taxa), mixture)


@pytest.mark.parametrize(("estimator", "n_sampled"), [("a2a", 3), ("s2a", 2), ("s2s", 2)])
def test_terms_are_those_of_the_trees_drawn(estimator, n_sampled):
    problem = make_problem()
    plan = draw_plan(estimator, n_components=3, n_sampled=n_sampled, generator=torch.Generator().manual_seed(3))
    terms = problem.draw(plan, 4, torch.Generator().manual_seed(4))
    trees = problem.mixture.draw(plan, 4, torch.Generator().manual_seed(4))
    log_q = problem.mixture.log_prob(trees.encoded, trees.log_lengths)
    lengths = trees.log_lengths.exp()
    for s in range(n_sampled):
        for k in range(4):
            t = 4 * s + k
            log_likelihood = problem.model.log_likelihood(lengths[t : t + 1], trees.encoded.topologies[[t]])
            torch.testing.assert_close(terms.log_likelihood[s, k], log_likelihood[0])
            torch.testing.assert_close(terms.log_prior[s, k], problem.model.log_prior(lengths[t : t + 1])[0])
            torch.testing.assert_close(terms.log_q[s, k], log_q[plan.evaluated, t], rtol=1e-12, atol=1e-12)
    assert terms.log_q_score.shape == (n_sampled, 4)


def test_the_gradient_is_that_of_finite_differences_with_the_draws_held():
    """The pathwise part: with topologies and noise fixed, the bound is a smooth function of the parameters."""
    problem = make_problem(n_components=2)
    objective = Objective(estimator="a2a", n_components=2, n_sampled=2, n_particles=3)

    def bound():
        generator = torch.Generator().manual_seed(9)
        plan = all_components(2)
        terms = problem.draw(plan, 3, generator)
        return objective.surrogate(
            type(terms)(log_likelihood=terms.log_likelihood, log_prior=terms.log_prior, log_q=terms.log_q), plan
        )

    table = problem.mixture.branches.base.table
    bound().loss.backward()
    gradient = table.grad.clone()
    biggest = gradient.abs().flatten().topk(6).indices
    with torch.no_grad():
        for index in biggest.tolist():
            where = np.unravel_index(index, table.shape)
            values = []
            for sign in (1, -1):
                table[where] += sign * 1e-5
                values.append(float(bound().loss))
                table[where] -= sign * 1e-5
            assert (values[0] - values[1]) / 2e-5 == pytest.approx(float(gradient[where]), rel=1e-6)


def test_alignment_and_support_must_have_the_same_taxa():
    patterns = SitePatterns(state_sets=np.ones((6, 1), dtype=np.uint8), weights=np.ones(1))
    mixture = PhyloMixture(build_support(all_topologies(5)), n_components=1)
    with pytest.raises(SupportError, match="6 taxa, the support 5"):
        PhyloProblem(PhyloModel(patterns, 6), mixture)


def left_out(problem, plan, n_particles, seed, *, alone=False):
    """The score of the base's densities that the path derivative leaves out, by autograd on held draws.

    Of particles that are `alone`, each in a bound of its own, it is the mean.
    """
    draws = problem.mixture.draw(plan, n_particles, torch.Generator().manual_seed(seed))
    mixture, table = problem.mixture, problem.mixture.branches.base.table
    held = draws.log_lengths.detach()
    log_q = mixture.log_prob(draws.encoded, held, plan.evaluated)
    log_q_mix = torch.logsumexp(log_q, dim=0) - np.log(plan.n_evaluated)
    log_likelihood, log_prior = problem.log_densities(draws)
    log_w = (log_likelihood + log_prior - log_q_mix).detach().reshape(plan.n_sampled, n_particles)
    each = torch.full_like(log_w, 1 / n_particles) if alone else torch.softmax(log_w, dim=1)
    shares = each.reshape(-1) / plan.n_sampled
    (score,) = torch.autograd.grad((shares * log_q_mix).sum(), table)
    return score


def gradients(problem, plan, n_particles, seed, estimator="s2a"):
    objective = Objective(
        estimator=estimator, n_components=problem.n_components, n_sampled=plan.n_sampled, n_particles=n_particles
    )
    problem.zero_grad()
    terms = problem.draw(plan, n_particles, torch.Generator().manual_seed(seed))
    step = objective.surrogate(terms, plan)
    step.loss.backward()
    return step, {name: p.grad.clone() for name, p in problem.named_parameters()}


@pytest.mark.parametrize(
    "flow", [{}, {"flow": "realnvp", "flow_layers": 2, "flow_hidden": 5, "flow_per_component": True}]
)
@pytest.mark.parametrize("estimator", ["s2a", "s2s"])
def test_the_path_derivative_leaves_out_the_score_of_the_base_and_nothing_else(estimator, flow):
    problem = make_problem(**flow)
    plan = draw_plan(estimator, n_components=3, n_sampled=2, generator=torch.Generator().manual_seed(1))
    total, whole = gradients(problem, plan, 4, 5, estimator)
    problem.gradient = "path"
    path, partial = gradients(problem, plan, 4, 5, estimator)
    assert torch.equal(total.bound, path.bound)
    name = "mixture.branches.base.table"
    score = left_out(problem, plan, 4, 5)
    assert float(score.abs().max()) > 0.01
    torch.testing.assert_close(whole[name] - partial[name], score, rtol=1e-8, atol=1e-10)
    for other in whole.keys() - {name}:
        torch.testing.assert_close(whole[other], partial[other], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("estimator", "n_sampled"), [("a2a", 3), ("s2a", 1), ("s2s", 2)])
def test_with_one_particle_what_the_path_derivative_leaves_out_has_mean_zero(estimator, n_sampled):
    """4,800 draws of each component, in 400 plans."""
    problem = make_problem(n_taxa=4)
    generator = torch.Generator().manual_seed(2)
    plans = [draw_plan(estimator, n_components=3, n_sampled=n_sampled, generator=generator) for _ in range(400)]
    scores = torch.stack([left_out(problem, plan, 12, seed, alone=True) for seed, plan in enumerate(plans)]).flatten(1)
    used = scores.abs().amax(dim=0) > 0
    mean, error = scores.mean(dim=0)[used], scores.std(dim=0)[used] / len(scores) ** 0.5
    assert used.sum() > 20
    # the largest of n independent standard normals, at a failure rate of one in a thousand
    assert float((mean / error).abs().max()) < float(torch.special.ndtri(torch.tensor(1 - 0.0005 / int(used.sum()))))


def test_an_unknown_gradient_is_refused():
    with pytest.raises(ConfigError, match="path"):
        PhyloProblem(make_problem().model, make_problem().mixture, gradient="full")


@pytest.mark.parametrize(("estimator", "n_sampled"), [("a2a", 3), ("s2a", 1), ("s2a", 2)])
def test_training_with_given_weights_has_the_weighted_bound_in_expectation(estimator, n_sampled):
    """Eq. 23 with all draws, and Theorem B.1: some of the components give the same on average."""
    problem, weights = make_problem(), np.array([0.6, 0.1, 0.3])
    objective = Objective(estimator=estimator, n_components=3, n_sampled=n_sampled, n_particles=1)
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        bounds = [
            float(objective.step(problem, generator, mixture_weights=torch.from_numpy(weights)).bound)
            for _ in range(3000)
        ]
    problem.mixture.set_component_weights(weights)
    log_weights = draw_batches(problem, n_particles=1000, n_repeats=40, generator=generator)
    expected = elbo(log_weights, weights)
    assert_mean(bounds, expected.value, slack=5 * expected.standard_error)


def test_weights_given_to_training_reach_every_component():
    problem = make_problem()
    settings = TrainSettings(n_iterations=30, learning_rates={"topology": 0.05, "base": 0.05})
    before = [p.detach().clone() for p in problem.parameters()]
    fit(
        problem,
        Objective(estimator="s2a", n_components=3, n_sampled=1, n_particles=4),
        settings,
        generator=torch.Generator().manual_seed(7),
        mixture_weights=torch.tensor([0.6, 0.1, 0.3], dtype=torch.float64),
    )
    for old, new in zip(before, problem.parameters(), strict=True):
        assert torch.isfinite(new).all()
        assert (old != new).flatten(1).any(dim=1).all()
    assert problem.mixture.component_weights is None  # those of the trained mixture are set by whoever wants them
