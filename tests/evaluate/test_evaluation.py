import json

import numpy as np
import pytest

from vbpi_mix.evaluate import evaluate_log_weights, log_ml_pooled, lower_bound

KEYS = {"elbo", "lb10", "log_ml", "log_ml_pooled"}


@pytest.fixture
def log_w():
    return -7108.4 + 0.7 * np.random.default_rng(8).standard_normal((10, 3, 200))


def test_fields(log_w):
    evaluation = evaluate_log_weights(log_w)
    assert evaluation.log_ml_pooled == log_ml_pooled(log_w)
    assert evaluation.lb10 == lower_bound(log_w, 10)
    assert evaluation.n_samples == 6000
    assert (evaluation.n_repeats, evaluation.n_components, evaluation.n_particles) == (10, 3, 200)
    # log-normal weights: n / E[w^2] E[w]^-2 = n exp(-0.49)
    assert evaluation.relative_ess == pytest.approx(np.exp(-0.49), rel=0.1)
    assert evaluation.pareto_k < 0.7


def test_json_object(log_w):
    values = evaluate_log_weights(log_w).to_dict()
    assert KEYS | {f"{k}_se" for k in KEYS} | {"ess", "pareto_k"} <= values.keys()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["elbo"] < values["lb10"] < values["log_ml"] < values["log_ml_pooled"]


def test_numbers_that_do_not_exist_are_null(log_w):
    log_w[0, 0, 0] = -np.inf
    values = evaluate_log_weights(log_w[:1]).to_dict()
    assert values["elbo"] is None
    assert values["elbo_se"] is None
    assert values["log_ml_std"] is None
    assert values["log_ml_se"] > 0
    json.dumps(values, allow_nan=False)


def test_one_heavy_draw_is_called_unreliable():
    heavy = -7108.4 + 2.5 * np.random.default_rng(9).standard_cauchy((1, 1, 2000)).clip(-50, 50)
    assert evaluate_log_weights(heavy).tail.verdict == "unreliable"


def test_component_weights_reach_every_estimate(log_w):
    log_w[:, 0] += 1.0
    weights = np.array([1.0, 0.0, 0.0])
    one, all_ = evaluate_log_weights(log_w, weights), evaluate_log_weights(log_w[:, :1])
    assert one.elbo.value == pytest.approx(all_.elbo.value)
    assert one.log_ml.value == pytest.approx(all_.log_ml.value)
    assert one.log_ml_pooled.value == pytest.approx(all_.log_ml_pooled.value)
    assert one.relative_ess == pytest.approx(all_.relative_ess)  # of draws that follow the weights
