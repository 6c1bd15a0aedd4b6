"""Runs in a folder: files, resume, refusals."""

import json

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from vbpi_mix.analysis import summarise
from vbpi_mix.errors import BackendError, CheckpointError, ConfigError, InputError
from vbpi_mix.experiment import Run, Silent, fit_alignment, fit_folder, make_config, prepare, resumed_config
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import DNA, PROTEIN, SitePatterns
from vbpi_mix.support import represented
from vbpi_mix.train import load_checkpoint, read_metrics


def config(folder, **options):
    alignment, trees = write_example(folder)
    given = {"model": "JC69", "iterations": 150, "components": 3, "sampled": 2, "particles": 4, "seed": 5, **options}
    return make_config(alignment=str(alignment), trees=(str(trees),), **given)


def models(*runs):
    return [load_checkpoint(r / "checkpoint.pt")["model"] for r in runs]


@pytest.mark.parametrize("options", [{}, {"recipe": "paper"}, {"estimator": "s2s", "tying": "topology"}])
def test_a_run_leaves_all_its_files_and_opens_again(tmp_path, options):
    run, result = fit_folder(config(tmp_path, **options), tmp_path / "run")
    summary = summarise(run)
    assert result.ending == "iterations"
    names = {p.relative_to(tmp_path / "run").as_posix() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    grown = {"start.json"} | (set() if options.get("recipe") == "paper" else {"growth.json"})
    assert names == grown | {
        "config.toml", "inputs.npz", "checkpoint.pt", "metrics.jsonl", "provenance.json", "evaluation.json",
        "posterior/sample.trees", "posterior/consensus.nwk", "posterior/consensus.nex", "posterior/consensus.svg",
        "posterior/consensus.png", "posterior/splits.tsv", "posterior/topologies.tsv", "posterior/parameters.tsv",
        "figures/tree.svg", "figures/cloud.svg", "figures/lengths_inner.svg", "figures/lengths_tips.svg",
        "figures/training.svg", "figures/credible.svg", "report.html",
    }  # fmt: skip
    assert [r["iteration"] for r in read_metrics(tmp_path / "run" / "metrics.jsonl")] == [100, 150]
    saved = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert saved["log_ml_pooled"] == summary.evaluation.log_ml_pooled.value

    again = Run.load(tmp_path / "run")
    assert again.config == run.config
    assert again.inputs.taxa == run.inputs.taxa == ("t0", "t1", "taxon 2", "t3", "t4", "t5")
    assert again.inputs.support == run.inputs.support
    ours, theirs = (r.evaluate(n_particles=50, n_repeats=10) for r in (run, again))
    assert ours == theirs
    sample = again.sample(40)
    assert (sample.n_trees, sample.branch_lengths.shape) == (40, (40, 9))
    assert np.array_equal(sample.branch_lengths, run.sample(40).branch_lengths)


def test_equal_seeds_give_equal_runs_and_memory_equals_folder(tmp_path):
    settings = config(tmp_path)
    fit_folder(settings, tmp_path / "a")
    alignment = read_alignment(settings.alignment)
    run = fit_alignment(alignment, read_trees([settings.trees[0]], alignment.taxa), settings)
    (saved,) = models(tmp_path / "a")
    for name, value in run.problem.state_dict().items():
        assert torch.equal(value, saved[name])
    with pytest.raises(ConfigError, match="folder"):
        summarise(run)


def test_a_run_stopped_by_time_goes_on_bit_for_bit(tmp_path):
    settings = config(tmp_path, iterations=400)
    fit_folder(settings, tmp_path / "whole")
    _, first = fit_folder(settings, tmp_path / "parts", max_seconds=0.02)
    assert first.ending == "time"
    assert 0 < first.iteration < 400
    _, second = fit_folder(settings, tmp_path / "parts", resume=True)
    assert second.iteration == 400
    whole, parts = models(tmp_path / "whole", tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_run_stopped_in_its_bootstrap_goes_on(tmp_path):
    alignment, _ = write_example(tmp_path)
    settings = make_config(
        alignment=str(alignment), model="JC69", iterations=20, bootstrap_replicates=6, components=2, particles=2
    )
    fit_folder(settings, tmp_path / "whole")

    class Impatient(Silent):
        def progress(self, stage, done, *_):
            if stage == "candidate trees" and done == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_folder(settings, tmp_path / "parts", reporter=Impatient())
    assert len((tmp_path / "parts" / "bootstrap.tsv").read_text().splitlines()) == 4
    with pytest.raises(ConfigError, match="--resume"):
        fit_folder(settings, tmp_path / "parts")
    fit_folder(resumed_config(tmp_path / "parts", settings, set()), tmp_path / "parts", resume=True)
    whole, parts = models(tmp_path / "whole", tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_bootstrap_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    alignment, _ = write_example(tmp_path)
    settings = make_config(alignment=str(alignment), iterations=20)

    def fail(*_):
        raise BackendError("out of luck")

    monkeypatch.setattr("vbpi_mix.support.veryfasttree.run_program", fail)
    with pytest.raises(BackendError, match="out of luck"):
        fit_folder(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("keep", [True, False])
def test_the_users_topologies_stay_representable(tmp_path, keep):
    settings = config(tmp_path, iterations=20, keep_candidates=keep)
    alignment, trees = write_example(tmp_path, n_sites=2000)  # so many that most topologies are hopeless
    given = read_trees([trees], read_alignment(alignment).taxa)
    run, _ = fit_folder(settings, tmp_path / "run")
    assert represented(run.inputs.support, given.topologies).all() == keep
    assert np.isfinite(run.evaluate(n_particles=20, n_repeats=2).log_ml_pooled.value)


def test_only_the_users_topologies_stay_unasked(tmp_path):
    assert config(tmp_path).keep_candidates
    assert not make_config(alignment="x").keep_candidates


def test_a_run_that_stopped_before_training_begins_anew(tmp_path):
    settings = config(tmp_path)
    fit_folder(settings, tmp_path / "whole")
    fit_folder(settings, tmp_path / "early")
    for name in ("checkpoint.pt", "inputs.npz", "metrics.jsonl"):
        (tmp_path / "early" / name).unlink()
    fit_folder(settings, tmp_path / "early", resume=True)
    whole, early = models(tmp_path / "whole", tmp_path / "early")
    assert all(torch.equal(whole[name], early[name]) for name in whole)


def test_more_iterations_can_be_asked_for_on_resume(tmp_path):
    settings = config(tmp_path)
    fit_folder(settings, tmp_path / "run")
    run, _ = fit_folder(settings, tmp_path / "run", resume=True, iterations=250)
    assert run.iteration == run.config.iterations == Run.load(tmp_path / "run").config.iterations == 250
    with pytest.raises(ConfigError, match="250 iterations are done already"):
        fit_folder(settings, tmp_path / "run", resume=True, iterations=200)
    assert Run.load(tmp_path / "run").config.iterations == 250


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    settings = config(tmp_path)
    fit_folder(settings, tmp_path / "run")
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    with pytest.raises(ConfigError, match="--resume"):
        fit_folder(settings, tmp_path / "run")
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_resume_refuses_settings_that_contradict_the_run(tmp_path):
    settings = config(tmp_path)
    fit_folder(settings, tmp_path / "run")
    other = config(tmp_path, components=2)
    with pytest.raises(ConfigError, match=r"components = 3, .* 2"):
        resumed_config(tmp_path / "run", other, {"components"})
    assert resumed_config(tmp_path / "run", other, {"seed"}) == settings


def test_wrong_input_leaves_nothing_behind(tmp_path):
    settings = config(tmp_path)
    (tmp_path / "example.fasta").write_text(">a\nACGT\n>b\nACG\n")
    with pytest.raises(InputError, match=r"example\.fasta"):
        fit_folder(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folders_that_are_no_runs_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        Run.load(tmp_path / "absent")
    with pytest.raises(ConfigError, match="folder of a run"):
        Run.load(tmp_path)
    fit_folder(config(tmp_path), tmp_path / "run")
    (tmp_path / "run" / "inputs.npz").write_bytes(b"PK nonsense")
    with pytest.raises(CheckpointError, match="damaged"):
        Run.load(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"no such folder|cannot be read"):
        resumed_config(tmp_path / "absent", config(tmp_path), set())


@pytest.mark.parametrize(
    ("data_type", "n_taxa", "n_patterns", "expected"),
    [
        (DNA, 50, 300, 300),
        (DNA, 250, 1_000, 300),
        (DNA, 500, 1_000, 150),
        (PROTEIN, 20, 100, 300),
        (PROTEIN, 50, 500, 120),
        (PROTEIN, 100, 500, 100),
    ],
)
def test_training_from_a_sample_is_shorter_where_likelihoods_take_long(data_type, n_taxa, n_patterns, expected):
    sets = np.ones((n_taxa, n_patterns), dtype=data_type.dtype)
    patterns = SitePatterns(state_sets=sets, weights=np.ones(n_patterns), data_type=data_type)
    assert prepare._iterations_from_a_sample(patterns) == expected
