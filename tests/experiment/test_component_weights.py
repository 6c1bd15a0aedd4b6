"""Learned component weights in a run: kept, saved, resumed, left out."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.experiment.few_draws import learn_from
from tests.experiment.simulated import write_example
from vbpi_mix.analysis import summarise
from vbpi_mix.analysis.compare import compare
from vbpi_mix.analysis.diagnose import diagnose
from vbpi_mix.analysis.posteriors import log_q_topologies, posterior_of_sample
from vbpi_mix.analysis.weight_comparison import compare_weights
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate import Estimate, LearnedWeights, evaluate_log_weights
from vbpi_mix.experiment import Run, Silent, fit_alignment, fit_folder, make_config, resumed_config
from vbpi_mix.experiment import component_weights as module
from vbpi_mix.experiment.command import command_of
from vbpi_mix.experiment.component_weights import find_weights
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.support import encode
from vbpi_mix.train import load_checkpoint

FEW = {"n_draws": 12_000, "draws_at_once": 500}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    learn_from(monkeypatch, **FEW)


def config(folder, **options):
    alignment, trees = write_example(folder, n_sites=30)
    given = {
        "iterations": 100, "components": 3, "sampled": 1, "particles": 4, "seed": 5, "estimator": "s2s",
        "rate_topology": 0.05, "rate_base": 0.05, "learn_weights": True,
        "gradient": "total", "stop": "iterations", "model": "JC69", **options,
    }  # fmt: skip
    return make_config(alignment=str(alignment), trees=(str(trees),), **given)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A badly trained run: its components are not equally good."""
    with pytest.MonkeyPatch.context() as patch:
        learn_from(patch, **FEW)
        folder = tmp_path_factory.mktemp("weights")
        return fit_folder(config(folder, seed=5), folder / "run")[0]


def test_weights_are_found_kept_and_saved(trained):
    assert trained.learned is not None
    assert trained.learned.kept
    weights = trained.problem.mixture.component_weights
    np.testing.assert_allclose(weights, trained.learned.weights, rtol=1e-14)
    assert np.abs(weights - 1 / 3).max() > 0.02
    again = Run.load(trained.folder.path)
    assert again.learned.to_dict() == trained.learned.to_dict()
    assert np.array_equal(again.problem.mixture.component_weights, weights)
    assert again.evaluate(n_particles=50, n_repeats=4) == trained.evaluate(n_particles=50, n_repeats=4)
    assert load_checkpoint(trained.folder.checkpoint)["format_version"] == 5


def test_everything_downstream_uses_them(trained):
    """The densities of q, its topology probabilities, estimates, shares and summaries, against formulas."""
    sample = trained.weighted_sample(n_particles=300, n_repeats=10)
    draws = sample.draws
    mixture, weights = trained.problem.mixture, trained.learned.weights
    made = np.bincount(draws.components, minlength=3)
    assert np.array_equal(made, np.ceil(9000 * weights))
    encoded = encode(mixture.support, draws.topologies)
    lengths = torch.from_numpy(draws.branch_lengths)
    with torch.no_grad():
        log_q = mixture.log_prob(encoded, lengths.log()).numpy()
        each = mixture.networks.log_prob(encoded).numpy()
        log_joint = trained.problem.model.log_joint(lengths, draws.topologies).numpy()
    log_mix = np.log(weights @ np.exp(log_q))
    strata = (9000 * weights / made)[draws.components]
    np.testing.assert_allclose(draws.log_weights, log_joint - log_mix + np.log(strata), rtol=1e-9)
    np.testing.assert_allclose(log_q_topologies(trained, draws.topologies), np.log(weights @ np.exp(each)), rtol=1e-9)
    everything = log_q_topologies(trained, all_topologies(6))
    assert np.exp(everything).sum() == pytest.approx(1)

    evaluation = evaluate_log_weights(sample.log_weights, mixture.component_weights)
    assert trained.evaluate(n_particles=300, n_repeats=10) == evaluation
    diagnosis = diagnose(trained, sample, name="x", neighbours=False)
    assert diagnosis.evaluation == evaluation
    w = np.exp(log_joint - log_mix) * strata
    shares = np.bincount(draws.components, weights=w, minlength=3) / w.sum()
    np.testing.assert_allclose(diagnosis.shares, shares, rtol=1e-9)
    posterior = posterior_of_sample(trained, sample, name="x")
    assert posterior.log_ml == (evaluation.log_ml_pooled.value, evaluation.log_ml_pooled.standard_error)
    assert posterior.effective_size == pytest.approx(evaluation.ess, rel=0.2)  # other draws
    reference = posterior_of_sample(trained, sample, name="y")
    of_q = compare(posterior, reference).topologies_of_q
    listed = reference.topologies
    difference = np.abs(np.exp(log_q_topologies(trained, listed.topologies)) - listed.probabilities()).sum()
    assert of_q.total_variation >= 0.5 * difference - 1e-12


def test_weights_change_no_estimate_beyond_its_error(trained):
    uniform = Run.load(trained.folder.path)
    uniform.problem.mixture.set_component_weights(None)
    ours, theirs = (r.evaluate(n_particles=500, n_repeats=40).log_ml_pooled for r in (trained, uniform))
    assert ours.value == pytest.approx(theirs.value, abs=4.7 * np.hypot(ours.standard_error, theirs.standard_error))


def test_the_bound_rises_by_what_was_said(trained):
    ten = replace(trained, config=replace(trained.config, particles=10))
    both = compare_weights(ten, n_particles=500, n_repeats=40, seed=77, reporter=Silent())
    rise = both.weighted.lb10.value - both.uniform.lb10.value
    error = np.hypot(both.weighted.lb10.standard_error, both.uniform.lb10.standard_error)
    assert rise == pytest.approx(both.learned.gain.value, abs=4.7 * np.hypot(error, both.learned.gain.standard_error))
    assert both.learned.gain.value > 0


def test_comparing_leaves_run_and_folder_alone(trained):
    before = {p: p.read_bytes() for p in trained.folder.path.rglob("*") if p.is_file()}
    weights = trained.problem.mixture.component_weights
    both = compare_weights(trained, n_particles=100, n_repeats=5, seed=None, reporter=Silent())
    assert np.array_equal(trained.problem.mixture.component_weights, weights)
    assert {p: p.read_bytes() for p in trained.folder.path.rglob("*") if p.is_file()} == before
    assert both.learned.to_dict() == trained.learned.to_dict()  # equal seeds, equal weights
    assert both.weighted.elbo.value == pytest.approx(trained.evaluate(n_particles=100, n_repeats=5).elbo.value)
    plain = Run.load(trained.folder.path)
    plain.problem.mixture.set_component_weights(None)
    again = compare_weights(plain, n_particles=100, n_repeats=5, seed=None, reporter=Silent())
    assert again.uniform == plain.evaluate(n_particles=100, n_repeats=5)


def test_runs_without_weights_are_as_they_always_were(tmp_path):
    plain = config(tmp_path, learn_weights=False, iterations=40)
    run, _ = fit_folder(plain, tmp_path / "plain")
    assert run.learned is None
    assert run.problem.mixture.component_weights is None
    assert "after" not in load_checkpoint(run.folder.checkpoint)
    weighted, _ = fit_folder(replace(plain, learn_weights=True), tmp_path / "weighted")
    for name, value in run.problem.state_dict().items():
        assert torch.equal(value, weighted.problem.state_dict()[name])
    sample = run.weighted_sample(n_particles=50, n_repeats=10)
    assert np.array_equal(sample.draws.log_weights, sample.log_weights.reshape(-1))
    assert run.evaluate(n_particles=50, n_repeats=10) == evaluate_log_weights(sample.log_weights)
    summarise(run)
    assert "component_weights" not in json.loads(run.folder.evaluation.read_text())
    assert "Component weights" not in run.folder.report.read_text()


def test_a_run_stopped_at_any_time_ends_with_the_same_weights(tmp_path):
    settings = config(tmp_path, iterations=300)
    whole, _ = fit_folder(settings, tmp_path / "whole")
    part, result = fit_folder(settings, tmp_path / "parts", max_seconds=0.02)
    assert result.ending == "time"
    assert part.learned is not None  # of what there is so far
    assert part.learned.to_dict() != whole.learned.to_dict()
    parts, _ = fit_folder(settings, tmp_path / "parts", resume=True)
    assert parts.learned.to_dict() == whole.learned.to_dict()
    a, b = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    assert a["after"] == b["after"]

    more, _ = fit_folder(settings, tmp_path / "parts", resume=True, iterations=320)
    straight, _ = fit_folder(settings.with_iterations(320), tmp_path / "straight")
    assert more.learned.to_dict() == straight.learned.to_dict()
    for name, value in straight.problem.state_dict().items():
        assert torch.equal(value, more.problem.state_dict()[name])


def test_a_signal_leaves_learning_for_later(tmp_path):
    run, result = fit_folder(config(tmp_path, iterations=20), tmp_path / "run")
    stopped = module.finish_weights(replace(run, learned=None), replace(result, ending="signal"), Silent())
    assert stopped.learned is None


def test_weights_can_be_asked_for_afterwards(tmp_path):
    plain = config(tmp_path, learn_weights=False, iterations=60)
    fit_folder(plain, tmp_path / "run")
    given = replace(plain, learn_weights=True)
    settings = resumed_config(tmp_path / "run", given, {"learn_weights", "seed"})
    assert settings == given
    run, _ = fit_folder(settings, tmp_path / "run", resume=True)
    assert run.learned is not None
    whole, _ = fit_folder(given, tmp_path / "whole")
    assert run.learned.to_dict() == whole.learned.to_dict()
    assert Run.load(tmp_path / "run").config.learn_weights
    assert resumed_config(tmp_path / "run", plain, set()).learn_weights  # once asked for, they stay
    with pytest.raises(ConfigError, match="components"):
        resumed_config(tmp_path / "run", replace(plain, components=2), {"components"})


def test_memory_equals_folder(tmp_path):
    settings = config(tmp_path, iterations=40)
    run, _ = fit_folder(settings, tmp_path / "run")
    alignment = read_alignment(settings.alignment)
    other = fit_alignment(alignment, read_trees([settings.trees[0]], alignment.taxa), settings)
    assert other.learned.to_dict() == run.learned.to_dict()


def test_weights_without_gain_are_told_and_left_out(tmp_path, monkeypatch):
    nothing = LearnedWeights(
        weights=np.array([0.5, 0.3, 0.2]), n_particles=4, gain=Estimate(value=0.001, standard_error=0.002), kept=False
    )
    monkeypatch.setattr(module, "choose_weights", lambda *_, **__: nothing)
    run, _ = fit_folder(config(tmp_path, iterations=20), tmp_path / "run")
    assert run.learned == nothing
    assert run.problem.mixture.component_weights is None
    again = Run.load(tmp_path / "run")
    assert again.learned.to_dict() == nothing.to_dict()
    assert again.problem.mixture.component_weights is None
    summarise(run)
    assert json.loads(run.folder.evaluation.read_text())["component_weights"]["kept"] is False
    assert "equal weights stay" in run.folder.report.read_text()


def test_one_component_draws_nothing(tmp_path):
    run, _ = fit_folder(config(tmp_path, components=1, sampled=1, iterations=20), tmp_path / "run")
    assert run.learned.describe() == "1: a single component"
    assert not run.learned.kept


@pytest.mark.parametrize("version", [2, 3])
def test_older_checkpoints_have_equal_weights(tmp_path, version):
    settings = config(tmp_path, iterations=40)
    run, _ = fit_folder(settings, tmp_path / "run")
    content = load_checkpoint(run.folder.checkpoint)
    del content["after"]
    if version == 2:
        del content["changed_at"], content["extra"]
    torch.save({**content, "format_version": version}, run.folder.checkpoint)
    old = Run.load(tmp_path / "run")
    assert old.learned is None
    assert old.problem.mixture.component_weights is None
    assert old.iteration == 40
    resumed, _ = fit_folder(settings, tmp_path / "run", resume=True)
    assert resumed.learned.to_dict() == run.learned.to_dict()


def test_a_refresh_hands_the_weights_on(trained):
    from vbpi_mix.experiment.refresh import find_missing, make_mixture
    from vbpi_mix.start.extend import extend_mixture

    old = trained.problem.mixture
    missing = find_missing(trained.problem, trained.inputs.taxa, torch.Generator().manual_seed(1))
    new = make_mixture(trained.config, missing.support)
    extend_mixture(old, new, missing.weighted, n_sites=30.0)
    assert np.array_equal(new.component_weights, old.component_weights)


def test_candidates_from_a_weighted_run_follow_its_weights(trained):
    from vbpi_mix.experiment.candidates import PreviousRun

    alignment = read_alignment(trained.config.alignment)
    sample = PreviousRun(path=trained.folder.path, seed=3, n_draws=300).collect(alignment, Silent())
    draws = Run.load(trained.folder.path).weighted_sample(n_particles=100, n_repeats=1, seed=3).draws
    expected = collect(draws.taxa, draws.topologies, draws.weights())
    np.testing.assert_array_equal(sample.weights, expected.weights)


def test_reports_and_commands_name_them(trained):
    summarise(trained)
    page = trained.folder.report.read_text()
    assert "Component weights" in page
    assert trained.learned.describe().split(";")[0] in page
    assert json.loads(trained.folder.evaluation.read_text())["component_weights"] == trained.learned.to_dict()
    words = command_of(trained.config, "RUN").split()
    assert words[words.index("--learn-weights") + 1].startswith("--")


def test_equal_seeds_give_equal_weights_and_others_nearly(trained):
    first, again = (find_weights(trained.problem, n_particles=4, seed=4, reporter=Silent(), **FEW) for _ in range(2))
    other = find_weights(trained.problem, n_particles=4, seed=5, reporter=Silent(), **FEW)
    assert first.to_dict() == again.to_dict()
    assert first.to_dict() != other.to_dict()
    np.testing.assert_allclose(first.weights, other.weights, atol=0.1)
