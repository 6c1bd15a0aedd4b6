import pytest

from tests.experiment.simulated import fitted_example
from vbpi_mix.errors import NumericalError
from vbpi_mix.replication.table3 import timing as table3_timing
from vbpi_mix.replication.table3.rows import parse_rows


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    monkeypatch.setattr(table3_timing, "_BLOCKS", 3)
    monkeypatch.setattr(table3_timing, "_BLOCK_SECONDS", 0.001)


def test_counts_and_times():
    (row,) = parse_rows(["2,1,S2A"])
    costs = table3_timing.operation_costs(fitted_example(), row)
    assert (costs["n_p"], costs["n_q"]) == (1, 2)
    for name in ("p_ms", "q_ms"):
        assert 0 < costs[f"{name}_fastest"] <= costs[name] < 100


def test_nothing_is_timed_when_the_likelihood_is_wrong(monkeypatch):
    run = fitted_example()
    model = run.problem.model
    right = model.log_likelihood
    monkeypatch.setattr(model, "log_likelihood", lambda *given: right(*given) + 1e-6)
    with pytest.raises(NumericalError, match="nothing is timed"):
        table3_timing.operation_costs(run, parse_rows(["2,1,S2A"])[0])
