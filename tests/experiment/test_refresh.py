"""Topologies that enter while a mixture is trained, on supports made from too few trees."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from vbpi_mix.experiment import Run, Silent, fit_alignment, fit_folder, make_config
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import collect
from vbpi_mix.phylo.distances import total_variation
from vbpi_mix.support import build_support
from vbpi_mix.train import load_checkpoint


class Listening(Silent):
    def __init__(self):
        self.said = []

    def message(self, text):
        self.said.append(text)


def write(folder, n_candidates=1, **options):
    """Settings of a run whose support is that of the first trees only: the paper's recipe takes it as it is."""
    alignment, trees = write_example(folder, n_sites=40)
    few = folder / "few.nwk"
    few.write_text("".join(trees.read_text().splitlines(keepends=True)[:n_candidates]))
    given = {
        "recipe": "paper", "iterations": 600, "annealing_iterations": 100, "components": 2, "particles": 5,
        "model": "JC69", "refresh_every": 200, "seed": 3, "rate_topology": 0.01, "rate_base": 0.01, **options,
    }  # fmt: skip
    return make_config(alignment=str(alignment), trees=(str(few),), **given)


@pytest.mark.parametrize("flow", ["identity", "realnvp"])
def test_a_run_stopped_at_any_time_goes_on_bit_for_bit(tmp_path, flow):
    settings = write(tmp_path, flow=flow)
    listening = Listening()
    whole, _ = fit_folder(settings, tmp_path / "whole", reporter=listening)
    assert sum("are new" in line for line in listening.said) >= 1
    endings = []
    run, result = fit_folder(settings, tmp_path / "parts", max_seconds=0.05)
    while result.iteration < settings.iterations:
        endings.append(result.iteration)
        run, result = fit_folder(settings, tmp_path / "parts", resume=True, max_seconds=0.2)
    assert len(endings) > 1
    a, b = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    assert a["changed_at"] == b["changed_at"] == 400
    for one, other in zip(a["optimizer"]["tables"], b["optimizer"]["tables"], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert run.inputs.support == whole.inputs.support

    again = Run.load(tmp_path / "whole")
    assert again.inputs.support == whole.inputs.support
    assert again.inputs.support.n_pcsps > build_support(_few(settings)).n_pcsps
    assert again.evaluate(n_particles=50, n_repeats=2) == whole.evaluate(n_particles=50, n_repeats=2)


def _few(settings):
    return read_trees([settings.trees[0]], read_alignment(settings.alignment).taxa).topologies


def test_the_missing_mass_is_found(tmp_path):
    """Evidence and topology probabilities from one candidate tree agree with those from all 105."""
    alone = write(tmp_path, refresh_every=0, iterations=2000)
    refreshed = write(tmp_path, iterations=2000)
    everything = write(tmp_path, n_candidates=105, refresh_every=0, iterations=2000)
    alignment = read_alignment(alone.alignment)
    estimates, samples = [], []
    for settings, n in ((alone, 1), (refreshed, 1), (everything, 105)):
        write(tmp_path, n_candidates=n)
        run = fit_alignment(alignment, read_trees([settings.trees[0]], alignment.taxa), settings)
        sample = run.weighted_sample(n_particles=2000, n_repeats=10)
        draws = sample.draws
        estimates.append(sample.evaluation.log_ml_pooled)
        samples.append(collect(draws.taxa, draws.topologies, draws.weights()))
    without, found, full = (e.value for e in estimates)
    assert without < full - 0.3  # one tree has a support of its own topology alone
    error = np.hypot(estimates[1].standard_error, estimates[2].standard_error)
    assert abs(found - full) < 5 * error + 0.01
    assert total_variation(samples[1], samples[2]) < 0.05
    assert total_variation(samples[0], samples[2]) > 0.2


def test_a_support_that_lacks_nothing_stays(tmp_path):
    settings = write(tmp_path, n_candidates=105)
    listening = Listening()
    run, _ = fit_folder(settings, tmp_path / "run", reporter=listening)
    assert sum("lacks nothing" in line for line in listening.said) == 2
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["extra"] == {}
    assert run.inputs.support == build_support(_few(settings))
    plain, _ = fit_folder(write(tmp_path, n_candidates=105, refresh_every=0), tmp_path / "plain")
    assert torch.equal(plain.problem.mixture.networks.logits, run.problem.mixture.networks.logits)
