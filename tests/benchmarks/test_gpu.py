"""The prepared script for a GPU, on six taxa: in Triton's interpreter where there is no GPU."""

import importlib.util
import json
import sys
from dataclasses import replace

import pytest
import torch

from benchmarks.gpu import annealing, run
from vbpi_mix.model import PhyloModel


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
    device, cpu = found["annealing"]
    assert (device["on"], cpu["on"], cpu["times_cpu"]) == ("device", "cpu", 1.0)
    assert device["temperatures"] > 1
    assert not any("annealing" in text for text in found["not_measured"])


def test_marginal_likelihoods_that_differ_end_the_comparison(monkeypatch):
    """With the CPU in place of the device."""
    monkeypatch.setattr(PhyloModel, "placed", lambda self, *_: self)
    size = replace(annealing.TINY, n_particles=12, n_on_cpu=12)
    rows = annealing.compare_annealing(size, torch.device("cpu"))
    assert rows[0]["particles_per_second"] > 0.0
    honest = annealing.pooled_log_ml
    values = iter([0.0, 50.0])
    monkeypatch.setattr(annealing, "pooled_log_ml", lambda groups: (honest(groups)[0] + next(values), 0.1))
    with pytest.raises(SystemExit, match="wrong: log marginal likelihoods"):
        annealing.compare_annealing(size, torch.device("cpu"))
