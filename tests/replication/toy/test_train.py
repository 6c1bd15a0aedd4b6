"""Training one mixture of the toy."""

import pytest

from vbpi_mix.replication.toy.config import make_toy_config
from vbpi_mix.replication.toy.train import train_toy
from vbpi_mix.threads import torch_threads
from vbpi_mix.toys import simulate_funnel


def test_training_comes_close_to_the_evidence():
    config = make_toy_config(scale="small", rows=["s2a:2:5"], iterations=2500)
    model, _ = simulate_funnel(config.data_seed)
    with torch_threads(1):
        result = train_toy(config, config.rows[0], 1, model).result
    exact = -39.188681  # quadrature, tests/toys/test_quadrature.py
    assert exact - 0.6 < result["bound"] < exact
    # the same bound as the last point of the curve, which is sampled
    assert result["curve"][-1]["bound"] == pytest.approx(result["bound"], abs=0.15)
    # draws from an approximation narrower than its target: near the evidence, and its tail says not to trust it
    assert result["log_ml_pooled"] == pytest.approx(exact, abs=0.5)
    assert result["pareto_k"] > 0.5


def test_sequential_energy_trains_the_same():
    bounds = []
    for energy in ("sequential", "together"):
        config = make_toy_config(scale="small", rows=["a2a:3:3"], iterations=100, energy=energy)
        model, _ = simulate_funnel(config.data_seed)
        with torch_threads(1):
            bounds.append(train_toy(config, config.rows[0], 1, model).result["bound"])
    assert bounds[0] == pytest.approx(bounds[1], abs=1e-9)
