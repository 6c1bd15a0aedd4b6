"""The prepared script for a GPU, on six taxa: in Triton's interpreter where there is no GPU."""

import importlib.util
import json
import sys
from dataclasses import replace

import pytest
import torch

from benchmarks.gpu import annealing, fleet, images, run, start
from vbpi_mix.estimators import joint
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.priors import ExponentialBranchPrior


@pytest.mark.gpu
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_the_script_runs_to_its_end(tmp_path, monkeypatch, capsys):
    record = tmp_path / "record.json"
    monkeypatch.setattr(sys, "argv", ["run", "--tiny", "--seconds", "3600", "--output", str(record)])
    run.main()
    said = capsys.readouterr().out
    assert "correct: likelihoods, gradients, training steps of one model, a fleet and images, and weights of" in said
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
    together, one_by_one = found["fleet"]
    assert found["fleet_error"] < 1e-8
    assert (together["on"], together["models"]) == ("device, together", 3)
    assert together["times_cpu"] == pytest.approx(one_by_one["ms_per_step"] / together["ms_per_step"])
    assert found["images_error"] < 1e-8
    assert [row["on"] for row in found["images"]] == ["device", "cpu"]
    assert all(row["s_per_epoch"] > row["s_per_step"] > 0 for row in found["images"])
    errors = found["start_errors"]["JC69"]
    assert errors.keys() == start.TOLERANCES.keys()
    assert 0.0 < errors["second derivatives"] < 1e-6  # by differences, as on a GPU
    device, cpu = found["start"]
    assert [(row["on"], row["topologies"]) for row in found["start"]] == [("device", 2), ("cpu", 1)]
    assert device["times_cpu"] == pytest.approx(device["topologies_per_second"] / cpu["topologies_per_second"])
    assert not any(word in text for text in found["not_measured"] for word in ("annealing", "fleet", "MNIST", "weigh"))


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


def test_a_fleet_that_differs_ends_the_comparison(monkeypatch):
    """With the CPU in place of the device, first as it is, then with other weights in the bound."""
    patterns = run.patterns_of("simulated6", "JC69")
    assert 0.0 < fleet.check_fleet(fleet.TINY, patterns, torch.device("cpu"), backend="numba") < 1e-8
    monkeypatch.setattr(joint, "outer_weights", lambda plan, _: torch.full((plan.n_sampled,), 1.001 / plan.n_sampled))
    with pytest.raises(SystemExit, match="wrong: A2_S2_a2a_seed0 in a fleet"):
        fleet.check_fleet(fleet.TINY, patterns, torch.device("cpu"), backend="numba")


def test_launches_do_not_depend_on_the_number_of_models():
    """What a model adds is done on the CPU: the count is that of a fleet of any size."""
    patterns = run.patterns_of("simulated6", "JC69")
    few, more = (replace(fleet.TINY, rows=fleet.TABLE3_ROWS[4 : 4 + n]) for n in (1, 3))
    counts = [fleet.launches_of_a_step(size, patterns) for size in (few, more)]
    assert 300 < counts[0] < 1500
    assert abs(counts[1] - counts[0]) < 30
    assert 0.0 < fleet.seconds_to_draw(few, patterns) < 1.0


def test_a_wrong_step_on_images_stops_the_script(monkeypatch):
    plain = images.objective_of
    calls = []

    def other_weights(n):
        calls.append(n)
        return replace(plain(n), n_particles=len(calls))  # the second step has another number of particles

    assert images.check_images(torch.device("cpu")) == 0.0
    monkeypatch.setattr(images, "objective_of", other_weights)
    with pytest.raises(SystemExit, match="wrong"):
        images.check_images(torch.device("cpu"))


SMALL_START = replace(start.TINY, n_topologies=6, n_on_cpu=4, n_checked=3)


@pytest.mark.parametrize("model", start.MODELS)
def test_topologies_are_weighed_around_the_tree_of_the_data(monkeypatch, model):
    """With the CPU in place of the device: fixed parameters, distinct topologies, and no differences but one."""
    monkeypatch.setattr(PhyloModel, "placed", lambda self, *_: self)
    target, topologies, begin = start.weighing(SMALL_START, model)
    assert target.parameters.n_coordinates == 0
    assert topologies.unique()[0].n_trees == 6
    assert begin.shape == (6, 9)
    errors = start.check_start(SMALL_START, model, torch.device("cpu"))
    assert {name for name, error in errors.items() if error > 0.0} == {"second derivatives"}
    device, cpu = start.start_rows(SMALL_START, model, torch.device("cpu"))
    assert (device["topologies"], cpu["topologies"], cpu["times_cpu"]) == (6, 4, 1.0)
    assert device["largest_difference"] < start.SLACK
    seconds = cpu["s_lengths"] + cpu["s_curvature"]
    assert cpu["topologies_per_second"] == pytest.approx(4 / seconds)


@pytest.mark.parametrize("rate", [10.001, 10.1])
def test_topologies_weighed_differently_stop_the_script(monkeypatch, rate):
    """With a model of another prior in place of the device."""
    patterns, _ = start.simulated(6, 30)
    other = PhyloModel(patterns, 6, branch_prior=ExponentialBranchPrior(rate))
    monkeypatch.setattr(PhyloModel, "placed", lambda *_: other)
    with pytest.raises(SystemExit, match=r"wrong: topologies weighed on cpu differ from the CPU's under JC69: .*modes"):
        start.check_start(SMALL_START, "JC69", torch.device("cpu"))
    if rate > 10.01:
        with pytest.raises(SystemExit, match="wrong: log weights on cpu differ"):
            start.start_rows(SMALL_START, "JC69", torch.device("cpu"))
