import json

import numpy as np
import pytest

from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.evaluate.diagnostics.diagnostic import worst
from vbpi_mix.evaluate.diagnostics.draws import topology_diagnostics, weight_diagnostics


def by_key(diagnostics):
    return {d.key: d for d in diagnostics}


def test_good_and_bad_weights():
    generator = np.random.default_rng(1)
    good = by_key(weight_diagnostics(evaluate_log_weights(generator.normal(-100, 0.3, (10, 2, 200)))))
    assert worst(good.values()) == "good"
    assert good["log_ml"].value == pytest.approx(-100 + 0.045, abs=0.05)
    assert good["elbo_gap"].value == pytest.approx(0.045, abs=0.02)
    heavy = by_key(weight_diagnostics(evaluate_log_weights(generator.normal(-100, 5, (10, 2, 200)))))
    assert heavy["pareto_k"].level == heavy["log_ml"].level == heavy["ess"].level == heavy["elbo_gap"].level == "poor"
    for d in heavy.values():
        assert d.definition
        json.dumps(d.to_dict(), allow_nan=False)


def test_flat_and_concentrated_topologies():
    few = by_key(topology_diagnostics(np.array([0.9, 0.1]), np.array([900, 100]), 1000))
    assert "concentrated" in few["topology_entropy"].verdict
    assert few["topology_entropy"].value == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert few["unseen_topologies"].level == "good"
    flat = by_key(topology_diagnostics(np.full(1000, 1e-3), np.ones(1000), 1000))
    assert "flat" in flat["topology_entropy"].verdict
    assert flat["unseen_topologies"].value == pytest.approx(1)
    assert flat["unseen_topologies"].level == "poor"
