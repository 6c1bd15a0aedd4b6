"""The prepared script for a GPU, on six taxa: in Triton's interpreter where there is no GPU."""

import importlib.util
import json
import sys

import pytest

from benchmarks.gpu import run


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_the_script_runs_to_its_end(tmp_path, monkeypatch, capsys):
    record = tmp_path / "record.json"
    monkeypatch.setattr(sys, "argv", ["run", "--tiny", "--output", str(record)])
    run.main()
    assert "correct: likelihoods, gradients and a training step" in capsys.readouterr().out
    found = json.loads(record.read_text())
    models = ["JC69", "GTR+G4", "LG+G4"]
    assert list(found["errors"]) == [f"simulated6 {model}" for model in models]
    assert {row["model"] for row in found["likelihood"]} == set(models)
    assert {(row["model"], row["on"]) for row in found["steps"]} == {
        (model, on) for model in ("JC69", "LG+G4") for on in ("device", "cpu")
    }
    assert found["left_out_for_time"] == []
