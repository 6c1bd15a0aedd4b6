from vbpi_mix.replication.toy import timing as toy_timing
from vbpi_mix.replication.toy.config import make_toy_config


def test_medians_of_turns_without_the_first_round(monkeypatch):
    seconds = {"s2a:1:2": iter([9.0, 0.1, 0.5, 0.2] * 3), "a2a:2:2": iter([9.0, 1.0, 3.0, 2.0] * 3)}
    order = []

    def fake(config, row, model, steps):  # noqa: ARG001
        order.append((model.dimension, row.word))
        return next(seconds[row.word])

    monkeypatch.setattr(toy_timing, "_seconds_per_step", fake)
    rounds = []
    table = toy_timing.time_rows(make_toy_config(rows=list(seconds)), n_rounds=3, on_round=lambda *a: rounds.append(a))
    assert order[:4] == [(20, "s2a:1:2"), (20, "a2a:2:2")] * 2
    assert rounds[-1] == (12, 12)
    assert table[0] == {"dimension": 20, "energy": "sequential", "row": "s2a:1:2", "ms": 200.0, "fastest_ms": 100.0}
    assert table[1]["ms"] == 2000.0
    assert [(line["dimension"], line["energy"]) for line in table[2:]] == [
        (20, "together"), (20, "together"), (2000, "sequential"), (2000, "sequential"),
    ]  # fmt: skip
