"""A weighted sample against its parts, and how often it computes them."""

import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from vbpi_mix.errors import InputError
from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.posterior import WeightedSample, consensus_tree, summarise_splits, summarise_topologies, weighted_sample


def test_summaries_are_those_of_the_draws():
    draws = made_up_draws(60)
    sample = WeightedSample(draws=draws)
    np.testing.assert_array_equal(sample.weights, draws.weights())
    np.testing.assert_array_equal(sample.splits.frequency, summarise_splits(draws).frequency)
    np.testing.assert_array_equal(sample.topologies.probability, summarise_topologies(draws).probability)
    np.testing.assert_array_equal(sample.consensus.supports, consensus_tree(summarise_splits(draws)).supports)
    assert sample.parameters.names == ("TL",)


def test_every_summary_is_computed_once(monkeypatch):
    calls = []
    for name in ("summarise_splits", "summarise_topologies", "summarise_parameters", "consensus_tree"):
        real = getattr(weighted_sample, name)
        monkeypatch.setattr(weighted_sample, name, lambda x, real=real, name=name: calls.append(name) or real(x))
    sample = WeightedSample(draws=made_up_draws(30))
    for _ in range(2):
        _ = sample.consensus, sample.splits, sample.topologies, sample.parameters
    assert sorted(calls) == ["consensus_tree", "summarise_parameters", "summarise_splits", "summarise_topologies"]


def test_the_evaluation_uses_the_component_weights():
    log_weights = np.random.default_rng(1).normal(size=(4, 2, 30))
    weights = np.array([0.8, 0.2])
    sample = WeightedSample(draws=made_up_draws(30), log_weights=log_weights, component_weights=weights)
    assert sample.evaluation == evaluate_log_weights(log_weights, weights)
    assert sample.evaluation is sample.evaluation


def test_trees_alone_have_no_marginal_likelihood():
    sample = WeightedSample(draws=made_up_draws(30, equal=True))
    assert sample.weights == pytest.approx(1 / 30)
    with pytest.raises(InputError, match="marginal likelihood"):
        _ = sample.evaluation
