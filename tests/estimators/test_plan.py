import itertools

import pytest
import torch

from tests.statistics import assert_frequencies
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, Objective, ParticleTerms, draw_plan, outer_weights


def test_subsets_are_uniform_without_replacement():
    generator = torch.Generator().manual_seed(3)
    names = list(itertools.combinations(range(5), 2))
    counts = dict.fromkeys(names, 0)
    for _ in range(5000):
        plan = draw_plan("s2s", n_components=5, n_sampled=2, generator=generator)
        counts[tuple(plan.sampled.tolist())] += 1
        assert torch.equal(plan.evaluated, plan.sampled)
    assert_frequencies(list(counts.values()), [1 / len(names)] * len(names))


def test_s2a_evaluates_everything():
    plan = draw_plan("s2a", n_components=4, n_sampled=2, generator=torch.Generator().manual_seed(0))
    assert plan.evaluated.tolist() == [0, 1, 2, 3]
    assert plan.evaluated[plan.sampled_positions()].tolist() == plan.sampled.tolist()


@pytest.mark.parametrize(
    ("sampled", "evaluated"), [([0, 0], [0, 1]), ([1], [0]), ([0, 4], [0, 4]), ([], []), ([1, 0], [0, 1])]
)
def test_impossible_plans_are_refused(sampled, evaluated):
    with pytest.raises(ConfigError):
        ComponentPlan(
            sampled=torch.tensor(sampled, dtype=torch.int64),
            evaluated=torch.tensor(evaluated, dtype=torch.int64),
            n_components=4,
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"estimator": "a2a", "n_components": 4, "n_sampled": 2},
        {"estimator": "s2a", "n_components": 4, "n_sampled": 5},
        {"estimator": "s2a", "n_components": 4, "n_sampled": 0},
        {"estimator": "x2y", "n_components": 4, "n_sampled": 2},
        {"estimator": "s2a", "n_components": 4, "n_sampled": 2, "n_particles": 0},
        {"estimator": "s2a", "n_components": 4, "n_sampled": 2, "annealed": "prior"},
    ],
)
def test_impossible_objectives_are_refused(settings):
    with pytest.raises(ConfigError):
        Objective(**settings)


def test_uniform_outer_weights_are_one_over_s():
    for estimator in ("s2a", "s2s"):
        plan = draw_plan(estimator, n_components=7, n_sampled=3, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(outer_weights(plan, None), torch.full((3,), 1 / 3, dtype=torch.float64))


def test_mixture_weights_must_be_positive_and_complete():
    plan = draw_plan("s2a", n_components=3, n_sampled=1, generator=torch.Generator())
    for weights in ([1.0, 2.0], [1.0, 0.0, 1.0], [1.0, -1.0, 1.0]):
        with pytest.raises(ConfigError, match="positive"):
            outer_weights(plan, torch.tensor(weights))


def test_terms_of_different_shapes_are_refused():
    zeros = torch.zeros
    with pytest.raises(ConfigError, match="disagree"):
        ParticleTerms(log_likelihood=zeros(2, 3), log_prior=zeros(2, 3), log_q=zeros(3, 2, 2))
    with pytest.raises(ConfigError, match="log_q_score"):
        ParticleTerms(log_likelihood=zeros(2, 3), log_prior=zeros(2, 3), log_q=zeros(2, 3, 2), log_q_score=zeros(2, 2))
    with pytest.raises(ConfigError, match="batch"):
        ParticleTerms(log_likelihood=zeros(3), log_prior=zeros(3), log_q=zeros(3, 1))
