import pytest

from tests.experiment.simulated import fitted_example
from vbpi_mix.errors import NumericalError
from vbpi_mix.replication.table3.rows import parse_rows
from vbpi_mix.replication.table3.timing import operation_costs


def test_counts_and_times():
    (row,) = parse_rows(["2,1,S2A"])
    costs = operation_costs(fitted_example(), row, n_blocks=3, block_seconds=0.001)
    assert (costs["n_p"], costs["n_q"]) == (1, 2)
    for name in ("p_ms", "q_ms"):
        assert 0 < costs[f"{name}_fastest"] <= costs[name] < 100


def test_nothing_is_timed_when_the_likelihood_is_wrong(monkeypatch):
    run = fitted_example()
    model = run.problem.model
    right = model.log_likelihood
    monkeypatch.setattr(model, "log_likelihood", lambda *given: right(*given) + 1e-6)
    with pytest.raises(NumericalError, match="nothing is timed"):
        operation_costs(run, parse_rows(["2,1,S2A"])[0])
