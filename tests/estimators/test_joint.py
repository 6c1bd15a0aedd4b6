"""Several mixtures in one step, on enumerable problems: each gets what it gets alone."""

import pytest
import torch

from tests.estimators.categorical import CategoricalProblem
from vbpi_mix.estimators import JointLayout, JointObjective, Objective, Pairs, draw_plan, per_density

CPU = torch.device("cpu")
KINDS = (("a2a", 1, 1), ("s2a", 4, 2), ("s2s", 3, 2), ("a2a", 3, 3), ("s2s", 5, 1))


class Several:
    """Problems drawn one after another, their terms laid out as those of a fleet."""

    def __init__(self, problems):
        self.problems = problems

    def draw(self, plans, layout, generators):
        each = [
            problem.draw(plan, layout.shape[-1], generator)
            for problem, plan, generator in zip(self.problems, plans, generators, strict=True)
        ]

        def joined(name):
            return torch.cat([getattr(terms, name).flatten() for terms in each])

        trees = {name: layout.of_trees(joined(name)) for name in ("log_likelihood", "log_prior", "log_q_score")}
        return type(each[0])(**trees, log_q=layout.of_pairs(joined("log_q")))


@pytest.fixture
def problems():
    return [CategoricalProblem(a, 6, seed=i) for i, (_, a, _) in enumerate(KINDS)]


def objectives(annealed="likelihood", n_particles=4):
    return [
        Objective(estimator=e, n_components=a, n_sampled=s, n_particles=n_particles, annealed=annealed)
        for e, a, s in KINDS
    ]


@pytest.mark.parametrize("annealed", ["likelihood", "kl"])
@pytest.mark.parametrize("temperatures", [[1.0] * 5, [1.0, 0.2, 0.9, 1.0, 0.01]])
@pytest.mark.parametrize("n_particles", [1, 4])
def test_losses_bounds_and_gradients_are_those_of_each_alone(problems, annealed, temperatures, n_particles):
    chosen = objectives(annealed, n_particles)
    generators = [torch.Generator().manual_seed(i) for i in range(5)]
    step = JointObjective(chosen, CPU).step(Several(problems), generators, inverse_temperatures=temperatures)
    step.loss.backward()
    for i, problem in enumerate(problems):
        ours, problem.logits.grad = problem.logits.grad, None
        generator = torch.Generator().manual_seed(i)
        alone = chosen[i].step(problem, generator, inverse_temperature=temperatures[i])
        alone.loss.backward()
        assert torch.equal(generators[i].get_state(), generator.get_state())
        torch.testing.assert_close(ours, problem.logits.grad, rtol=1e-12, atol=1e-14)
        found = step.losses[i], step.bounds[i], step.ess[i]
        expected = alone.loss.detach(), alone.bound, alone.ess
        torch.testing.assert_close(torch.stack(found), torch.stack(expected), rtol=1e-12, atol=0)
    assert step.loss.item() == pytest.approx(float(step.losses.sum()), rel=1e-12)


def test_a_model_that_fails_leaves_the_others_alone(problems):
    problems[2].log_prior = torch.full_like(problems[2].log_prior, torch.nan)
    generators = [torch.Generator().manual_seed(i) for i in range(5)]
    step = JointObjective(objectives(), CPU).step(Several(problems), generators, inverse_temperatures=[1.0] * 5)
    assert torch.isfinite(step.losses).tolist() == [True, True, False, True, True]
    terms = step.terms.of_batch(2)
    assert torch.isnan(terms.log_prior[:2]).all()
    assert torch.isfinite(terms.log_likelihood).all()


def test_components_are_numbered_through_all_models():
    generator = torch.Generator().manual_seed(3)
    plans = [draw_plan(e, n_components=a, n_sampled=s, generator=generator) for e, a, s in KINDS]
    n_particles, first = 2, [0, 1, 5, 8, 11]
    layout = JointLayout(plans, n_particles, CPU)
    drawn = layout.components(plans, first)
    trees, pairs, tree = [], [], 0
    for plan, offset in zip(plans, first, strict=True):
        for component in plan.sampled.tolist():
            for _ in range(n_particles):
                trees.append(component + offset)
                pairs += [(other + offset, tree) for other in plan.evaluated.tolist()]
                tree += 1
    assert drawn.component_of_tree.tolist() == trees
    assert list(zip(drawn.pairs.component.tolist(), drawn.pairs.tree.tolist(), strict=True)) == pairs
    assert layout.n_trees == [2, 4, 4, 6, 2]
    for i, plan in enumerate(plans):
        own = drawn.own[i, : plan.n_sampled]
        assert torch.equal(plan.evaluated[own], plan.sampled)
    # what a model has not is zero, and back
    values = torch.arange(1.0, len(trees) + 1)
    assert layout.of_trees(values)[layout.of_trees(values) > 0].tolist() == values.tolist()
    assert layout.of_trees(values)[0, 1:].sum() == 0
    many = torch.arange(1.0, len(pairs) + 1)
    assert layout.of_pairs(many)[layout.of_pairs(many) > 0].tolist() == many.tolist()


def test_quantities_of_trees_for_their_densities():
    pairs = Pairs(component=torch.tensor([3, 1, 1]), tree=torch.tensor([0, 0, 1]))
    values = torch.tensor([2.0, 5.0])
    assert per_density(values, pairs).tolist() == [2.0, 2.0, 5.0]
    assert per_density(values, torch.tensor([0, 1])) is values
