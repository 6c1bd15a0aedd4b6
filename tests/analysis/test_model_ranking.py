import math
from types import SimpleNamespace

import numpy as np
import pytest

from vbpi_mix.analysis.model_ranking import ModelEvidence, model_probabilities, rank_models, ranking
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate import Estimate
from vbpi_mix.experiment import make_config


def test_probabilities_of_two_models_are_logistic_in_the_difference():
    p, error = model_probabilities(np.array([-1000.0, -1001.5]), np.array([0.1, 0.2]))
    first = 1 / (1 + math.exp(-1.5))
    assert p == pytest.approx([first, 1 - first])
    assert error == pytest.approx([first * (1 - first) * math.hypot(0.1, 0.2)] * 2)


def test_errors_are_those_of_small_changes_of_the_evidence():
    z, errors, step = np.array([-3.0, -1.0, -2.0, -50.0]), np.array([0.1, 0.3, 0.05, 1.0]), 1e-5
    slopes = [
        (model_probabilities(z + d, errors)[0] - model_probabilities(z - d, errors)[0]) / (2 * step)
        for d in step * np.eye(4)
    ]
    expected = np.sqrt((np.array(slopes).T ** 2) @ errors**2)
    np.testing.assert_allclose(model_probabilities(z, errors)[1], expected, rtol=1e-7, atol=1e-15)


def test_models_stand_in_the_order_of_their_evidence_and_equal_ones_in_that_given():
    def evidence(name, value):
        evaluation = SimpleNamespace(log_ml_pooled=Estimate(value=value, standard_error=0.1))
        return ModelEvidence(model=name, n_parameters=0, evaluation=evaluation, parameters={}, seconds=1.0)

    found = ranking([evidence("a", -5.0), evidence("b", -3.0), evidence("c", -5.0)])
    assert [e.model for e in found.evidences] == ["b", "a", "c"]
    weights = np.exp([0.0, -2.0, -2.0])
    assert found.probability == pytest.approx(weights / weights.sum())


@pytest.mark.parametrize(("models", "message"), [([], "no models"), (["HKY", "JC", "HKY85"], "HKY85.* twice")])
def test_models_that_cannot_be_compared(models, message):
    with pytest.raises(ConfigError, match=message):
        rank_models([make_config(alignment="x.fasta", model=model) for model in models])
