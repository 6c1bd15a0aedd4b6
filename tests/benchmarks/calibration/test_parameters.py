"""Ranks and coverage on posteriors that are known exactly."""

import json
from types import SimpleNamespace

import numpy as np

from benchmarks.calibration.parameters import TREE_LENGTH, judge_all, overall, read_rows, show, summarise
from benchmarks.calibration.simulate_model import PARAMETERS
from tests.statistics import FAILURE_RATE


def rows(n, width=1.0, shift=0.0):
    """Truths from normal posteriors, judged by draws whose spread and place are off by a factor and a shift."""
    generator = np.random.default_rng(4)
    result = []
    for i in range(n):
        centres = generator.normal(size=len(PARAMETERS) + 1)
        truth = dict(zip((*PARAMETERS, TREE_LENGTH), centres + generator.normal(size=len(centres)), strict=True))
        draws = centres + shift + width * generator.normal(size=(1000, len(centres)))
        sample = SimpleNamespace(
            parameter_names=PARAMETERS,
            parameters=draws[:, :-1],
            branch_lengths=np.array([[0.25], [0.75]]).T * draws[:, -1:],
        )
        judged = judge_all(sample, truth, generator)
        result.append({"replicate": i, "seconds": 1.0, "ess": 500.0, "draws": 1000, "pareto_k": 0.3, "judged": judged})
    return result


def test_exact_posteriors_are_calibrated():
    found = rows(300)
    table = summarise(found)
    assert [line["of"] for line in table] == [*PARAMETERS, "TL"]
    assert min(line["uniform"] for line in table) > FAILURE_RATE
    assert max(abs(line[f"z {mass} {kind}"]) for line in table for mass in ("50%", "95%") for kind in ("central",)) < 5
    assert abs(overall(found, "central_0.95")["z"]) < 5


def test_narrow_and_shifted_posteriors_are_not():
    assert overall(rows(200, width=0.5), "central_0.95")["z"] < -5
    assert overall(rows(200, width=2.0), "central_0.5")["z"] > 5
    assert max(line["uniform"] for line in summarise(rows(200, shift=1.0))) < 1e-3


def test_the_files_of_show(tmp_path, capsys):
    path = tmp_path / "calibration.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [{"settings": {}}, *rows(20)]) + "\n")
    assert len(read_rows(path)) == 20
    show(path)
    assert "alignments: 20" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "summary.json").read_text())["parameters"]) == 13
    assert (tmp_path / "table.md").read_text().count("\n| ") == 13
