"""Runs in folders that are trained together, against each trained alone."""

from dataclasses import replace

import pytest
import torch

from tests.experiment.simulated import write_example
from tests.experiment.test_refresh import Listening, write
from vbpi_mix.errors import BackendError, ConfigError
from vbpi_mix.experiment import FleetMember, Run, Silent, fit_folder, fit_folders, make_config
from vbpi_mix.experiment import prepare as preparation
from vbpi_mix.experiment.device import fleet_device
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.prepare import begin_alike
from vbpi_mix.experiment.start import shared_start
from vbpi_mix.train import load_checkpoint


def members(folder, every_settings, *, resume=False, reporter=None):
    return [
        FleetMember(
            name=f"run {i}",
            config=settings,
            path=folder / str(i),
            resume=resume and (folder / str(i) / "config.toml").is_file(),
            reporter=reporter or Silent(),
        )
        for i, settings in enumerate(every_settings)
    ]


def checkpoints(folder, n):
    return [load_checkpoint(folder / str(i) / "checkpoint.pt") for i in range(n)]


def assert_equal(a, b):
    """Bit for bit, but for times."""
    assert a["model"].keys() == b["model"].keys()
    assert all(torch.equal(a["model"][name], b["model"][name]) for name in a["model"])
    assert torch.equal(a["generator"], b["generator"])
    assert a["changed_at"] == b["changed_at"]
    for one, other in zip(a["optimizer"]["tables"], b["optimizer"]["tables"], strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_supports_that_grow_in_the_middle(tmp_path):
    """Models whose support changes at their own iteration, in a fleet with one whose support does not."""
    (tmp_path / "data").mkdir()
    settings = [
        write(tmp_path / "data", seed=3, iterations=300, refresh_every=100),
        write(tmp_path / "data", seed=4, iterations=240, refresh_every=80, components=3, sampled=1, estimator="s2s"),
        write(tmp_path / "data", seed=5, iterations=200, refresh_every=0, components=1, sampled=1),
    ]
    alone = [fit_folder(one, tmp_path / "alone" / str(i))[0] for i, one in enumerate(settings)]
    listening = Listening()
    found = fit_folders(members(tmp_path / "together", settings, reporter=listening), reporter=listening)
    assert sum("are new" in line for line in listening.said) >= 2
    for one, (run, result) in zip(alone, found, strict=True):
        assert result.ending == "iterations"
        assert run.inputs.support == one.inputs.support
        ours, theirs = (r.evaluate(n_particles=100, n_repeats=2).elbo.value for r in (run, one))
        assert ours == pytest.approx(theirs, abs=1e-3)
    again = Run.load(tmp_path / "together" / "0")
    assert again.evaluate(n_particles=50, n_repeats=2) == found[0][0].evaluate(n_particles=50, n_repeats=2)

    # cut short wherever the time ends
    parts = fit_folders(members(tmp_path / "parts", settings), max_seconds=0.2)
    endings = [result.iteration for _, result in parts]
    assert 0 < max(endings) < 300
    while any(result.ending == "time" for _, result in parts):
        parts = fit_folders(members(tmp_path / "parts", settings, resume=True), max_seconds=2.0)
    assert [result.iteration for _, result in parts] == [300, 240, 200]
    for a, b in zip(checkpoints(tmp_path / "together", 3), checkpoints(tmp_path / "parts", 3), strict=True):
        assert_equal(a, b)


def config(folder, **given):
    alignment, trees = write_example(folder)
    settings = {"model": "JC69", "start": "list", "finish": "importance", "components": 2, "iterations": 20}
    return make_config(alignment=str(alignment), trees=(str(trees),), **{**settings, **given})


def test_runs_that_cannot_be_trained_together(tmp_path):
    (tmp_path / "other").mkdir()
    ours = config(tmp_path)
    for i, (theirs, message) in enumerate(
        (
            (config(tmp_path / "other"), "have one alignment"),
            (config(tmp_path, particles=5), "equal numbers of particles"),
            (config(tmp_path, flow="identity"), "give them the same flow"),
            (config(tmp_path, model="K80{2}"), "the same alignment, model of substitution and priors"),
            (config(tmp_path, constraints=("not ((t0,t1),'taxon 2',t3,t4,t5);",)), "no constraints"),
        )
    ):
        with pytest.raises(ConfigError, match=message):
            fit_folders(members(tmp_path / f"runs{i}", [ours, theirs]))


def test_a_folder_that_holds_a_run_is_refused(tmp_path):
    ours = config(tmp_path)
    fit_folders(members(tmp_path, [ours]))
    with pytest.raises(ConfigError, match="holds a run already"):
        fit_folders(members(tmp_path, [ours]))


def test_the_device_of_a_fleet(tmp_path, monkeypatch):
    """`auto` goes by the trees of all models together."""
    ours, listening = config(tmp_path, particles=3), Listening()
    run, _ = fit_folders(members(tmp_path, [ours]), reporter=listening)[0]
    assert any("slower" in line for line in listening.said)
    assert fleet_device("cpu", [(run.problem, ours)], listening) == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackendError, match="use --device cpu"):
        fit_folders(members(tmp_path / "x", [ours]), device="cuda")
    assert not (tmp_path / "x").exists()
    pytest.importorskip("triton")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    part = run.problem.model.parts[0]
    n = -(-int(2e7) // (2 * 3 * 9 * part.patterns.n_patterns))  # two components, three particles, nine edges
    assert fleet_device("auto", [(run.problem, ours)] * n, listening) == torch.device("cuda")
    assert fleet_device("auto", [(run.problem, ours)] * (n - 1), listening) == torch.device("cpu")


def test_first_parameters_are_computed_once_for_runs_that_begin_alike(tmp_path, monkeypatch):
    """Three runs of one start, two of which differ in their bounds alone, against three starts read from one file."""
    settings = [config(tmp_path), config(tmp_path, estimator="s2s", sampled=1), config(tmp_path, components=3)]
    computed = []
    honest = preparation.start_problem

    def counting(problem, *arguments, **options):
        computed.append(problem.n_components)
        honest(problem, *arguments, **options)

    monkeypatch.setattr(preparation, "start_problem", counting)
    starts = [shared_start(settings[0], tmp_path / "start.npz") for _ in range(3)]
    expected = {"shared": [2, 3], "apart": [2, 2, 3]}
    for folder, given in (("shared", starts[:1] * 3), ("apart", starts)):
        computed.clear()
        runs = members(tmp_path / folder, settings)
        fit_folders([replace(run, start=start) for run, start in zip(runs, given, strict=True)])
        assert computed == expected[folder]
    for ours, theirs in zip(checkpoints(tmp_path / "shared", 3), checkpoints(tmp_path / "apart", 3), strict=True):
        assert_equal(ours, theirs)
    seconds = [RunFolder(tmp_path / "shared" / str(i)).read_start()["seconds"]["start"] for i in range(3)]
    assert seconds[0] == seconds[1] != seconds[2]


def test_a_run_that_is_trained_already_gives_no_first_parameters(tmp_path):
    settings = [config(tmp_path, iterations=30), config(tmp_path, iterations=30, estimator="s2s", sampled=1)]
    start = shared_start(settings[0], tmp_path / "start.npz")
    fit_folder(replace(settings[0], iterations=20), tmp_path / "0", start=start)
    fit_folder(settings[1], tmp_path / "alone", start=start)
    fit_folders([replace(run, start=start) for run in members(tmp_path, settings, resume=True)])
    ours, theirs = (load_checkpoint(tmp_path / name / "checkpoint.pt")["model"] for name in ("1", "alone"))
    for name, values in ours.items():
        assert torch.allclose(values, theirs[name], atol=1e-8), name


@pytest.mark.parametrize(
    "other", [{"components": 3}, {"seed": 5}, {"model": "K80"}, {"flow": "identity"}, {"tying": "branch"}]
)
def test_runs_that_begin_differently(tmp_path, other):
    ours = config(tmp_path)
    assert begin_alike(ours, config(tmp_path, estimator="s2s", sampled=1))
    assert not begin_alike(ours, config(tmp_path, **other))
