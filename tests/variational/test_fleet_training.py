"""Training of several mixtures at once against the training of each alone."""

import json
import os
import signal
from functools import partial

import pytest
import torch

from tests.variational.test_fleet import MEMBERS, SMALL, objectives, problems
from tests.variational.test_placement import assert_equal_states
from vbpi_mix.errors import CheckpointError, ConfigError, NumericalError
from vbpi_mix.train import PlateauRule, Training, TrainSettings, fit, fit_fleet, load_checkpoint
from vbpi_mix.variational import PhyloFleet
from vbpi_mix.variational import fleet as fleet_module

CPU = torch.device("cpu")
RATES = {"topology": 0.01, "base": 0.01, "flow": 0.003, "parameters": 0.01}
JOIN = partial(PhyloFleet, backend="numba")
FEW = MEMBERS[1:4]


def settings(n_iterations, **other):
    return TrainSettings(n_iterations=n_iterations, learning_rates=RATES, **{"metrics_every": 5, **other})


def trainings(folder, every_settings, *, members=FEW, model="JC69", resume=False, bounds=None, **options):
    """A training of each member; its files are in a folder of its number."""
    made = []
    each = problems(model, members=members, **options)
    with torch.no_grad():
        for problem in each:  # shorter branches, whose weights do not underflow
            problem.mixture.branches.base.table[...] -= 0.5
    for i, (problem, objective) in enumerate(zip(each, objectives(members), strict=True)):
        own = folder / str(i)
        own.mkdir(parents=True, exist_ok=True)
        chosen = every_settings if isinstance(every_settings, TrainSettings) else every_settings[i]
        heard = [] if bounds is None else bounds.setdefault(i, [])
        made.append(
            Training(
                name=f"model {i}",
                problem=problem,
                objective=objective,
                settings=chosen,
                generator=torch.Generator().manual_seed(20 + i),
                checkpoint=own / "checkpoint.pt",
                metrics=own / "metrics.jsonl",
                identity={"support": str(i)},
                resume=resume,
                on_progress=lambda progress, heard=heard: heard.append(progress.bound),
            )
        )
    return made


def alone(training, *, compiled=False):
    """Train one model: in torch as the fleet does, on the CPU, or by the compiled kernels."""
    names = ("generator", "checkpoint", "metrics", "identity", "resume", "on_progress", "change")
    given = {name: getattr(training, name) for name in names}
    training.problem.place = partial(training.problem.place, backend="numba")
    device = None if compiled else CPU
    return fit(training.problem, training.objective, training.settings, device=device, **given)


def states(folder, n):
    found = [load_checkpoint(folder / str(i) / "checkpoint.pt") for i in range(n)]
    for state in found:
        state.pop("seconds"), state.pop("window_start")
    return found


def assert_equal_trainings(folder, ours, tolerance):
    """Checkpoints with parameters, moments and generators, and lines of metrics, of three models."""
    for i, (a, b) in enumerate(zip(states(folder / "alone", 3), states(ours, 3), strict=True)):
        assert torch.equal(a.pop("generator"), b.pop("generator"))
        assert_equal_states(a, b, tolerance)
        lines = [(f / str(i) / "metrics.jsonl").read_text().splitlines() for f in (folder / "alone", ours)]
        for x, y in zip(*([json.loads(line) for line in some] for some in lines), strict=True):
            x.pop("seconds"), y.pop("seconds")
            assert x == pytest.approx(y, rel=1e-8)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("JC69", {"flow": "skew"}),
        ("JC69", {"flow": "planar"}),
        ("JC69", {"flow": "realnvp", "members": MEMBERS[3:], **SMALL}),
        ("JC69", {"flow": "realnvp", "flow_per_component": True, **SMALL}),
        ("JC69", {"gradient": "path", "members": MEMBERS[3:]}),
        ("HKY+G2", {"flow": "skew", "gradient": "path"}),
    ],
)
def test_every_model_is_trained_as_alone(tmp_path, model, options):
    """Twelve steps at falling rates: parameters, moments, generators and metrics."""
    chosen = settings(12, decay_every=4, annealing_iterations=6)
    results = [alone(each) for each in trainings(tmp_path / "alone", chosen, model=model, **options)]
    together = trainings(tmp_path / "fleet", chosen, model=model, **options)
    ours = fit_fleet(together, JOIN, device=CPU)
    for training, a, b in zip(together, results, ours, strict=True):
        assert b.problem is training.problem
        assert (b.iteration, b.ending) == (a.iteration, a.ending) == (12, "iterations")
        for (name, x), y in zip(a.problem.named_parameters(), b.problem.parameters(), strict=True):
            torch.testing.assert_close(y, x, rtol=0, atol=1e-9 if x.dtype == torch.float64 else 1e-5, msg=name)
    assert_equal_trainings(tmp_path, tmp_path / "fleet", 1e-9 if options.get("flow") != "realnvp" else 1e-4)


def test_the_compiled_kernels_train_the_same(tmp_path):
    """But for rows that a step reads without effect, as those of impossible rootings: the kernels touch them."""
    compiled = [alone(each, compiled=True) for each in trainings(tmp_path / "a", settings(12), flow="skew")]
    ours = fit_fleet(trainings(tmp_path / "b", settings(12), flow="skew"), JOIN, device=CPU)
    for a, b in zip(compiled, ours, strict=True):
        for (name, x), y in zip(a.problem.named_parameters(), b.problem.parameters(), strict=True):
            torch.testing.assert_close(y, x, rtol=0, atol=1e-4, msg=name)


def test_models_that_are_done_leave(tmp_path):
    """Three numbers of iterations, one of them through a plateau, and metrics as alone."""
    rule = PlateauRule(check_every=5, tolerance=1000.0)
    chosen = [settings(4), settings(40, plateau=rule), settings(17)]
    expected = [alone(each) for each in trainings(tmp_path / "alone", chosen)]
    assert [result.ending for result in expected] == ["iterations", "plateau", "iterations"]
    sizes = []

    def join(problems, device):
        sizes.append(len(problems))
        return JOIN(problems, device)

    ours = fit_fleet(trainings(tmp_path / "fleet", chosen), join, device=CPU)
    assert [(r.ending, r.iteration) for r in ours] == [(r.ending, r.iteration) for r in expected]
    assert sizes == [3, 2, 1]
    assert_equal_trainings(tmp_path, tmp_path / "fleet", 1e-9)


def interrupted_at(monkeypatch, step, *, number=signal.SIGTERM):
    """Send a signal to this process during a step of the fleet."""
    draw, count = PhyloFleet.draw, iter(range(1, 10**6))

    def counted(*arguments):
        if next(count) == step:
            os.kill(os.getpid(), number)
        return draw(*arguments)

    monkeypatch.setattr(PhyloFleet, "draw", counted)


@pytest.mark.parametrize("cut", [3, 11])
def test_a_fleet_that_goes_on_is_bit_identical(tmp_path, monkeypatch, cut):
    """Before and after the first model is done; then in a fleet again."""
    chosen = [settings(20), settings(7), settings(14)]
    fit_fleet(trainings(tmp_path / "alone", chosen, flow="skew"), JOIN, device=CPU)
    with monkeypatch.context() as patch:
        interrupted_at(patch, cut)
        first = fit_fleet(trainings(tmp_path / "parts", chosen, flow="skew"), JOIN, device=CPU)
    assert {result.signal_number for result in first} == {signal.SIGTERM}
    assert [result.iteration for result in first] == [cut, min(cut, 7), cut]
    again = fit_fleet(trainings(tmp_path / "parts", chosen, flow="skew", resume=True), JOIN, device=CPU)
    assert [result.iteration for result in again] == [20, 7, 14]
    assert_equal_trainings(tmp_path, tmp_path / "parts", 0.0)


def test_a_fleet_goes_on_alone_and_the_other_way_round(tmp_path):
    """Five steps together and seven alone; and alone to different steps, whose windows of metrics end there, then
    together.
    """
    for each in trainings(tmp_path / "alone", settings(12), flow="skew"):
        alone(each)
    fit_fleet(trainings(tmp_path / "there", settings(5), flow="skew"), JOIN, device=CPU)
    for each in trainings(tmp_path / "there", settings(12), flow="skew", resume=True):
        alone(each)
    for each in trainings(tmp_path / "back", [settings(3), settings(6), settings(9)], flow="skew"):
        alone(each)
    fit_fleet(trainings(tmp_path / "back", settings(12), flow="skew", resume=True), JOIN, device=CPU)
    assert_equal_trainings(tmp_path, tmp_path / "there", 1e-9)
    found = states(tmp_path / "alone", 3), states(tmp_path / "back", 3)
    for a, b in zip(*found, strict=True):
        assert a["iteration"] == b["iteration"] == 12
        assert torch.equal(a["generator"], b["generator"])
        assert_equal_states([a["model"], a["optimizer"]], [b["model"], b["optimizer"]], 1e-9)


def test_the_end_of_the_time_is_that_of_all(tmp_path):
    chosen = [settings(3), settings(10**6), settings(10**6)]
    results = fit_fleet(trainings(tmp_path, chosen), JOIN, device=CPU, max_seconds=0.2)
    assert [result.ending for result in results] == ["iterations", "time", "time"]
    saved = [load_checkpoint(tmp_path / str(i) / "checkpoint.pt")["iteration"] for i in range(3)]
    assert saved == [result.iteration for result in results]
    assert saved[1] == saved[2] > 3


def test_states_are_saved_meanwhile_which_changes_nothing(tmp_path, monkeypatch):
    fit_fleet(trainings(tmp_path / "alone", settings(10)), JOIN, device=CPU)
    monkeypatch.setattr("vbpi_mix.train.loop._SHARE_OF_SAVING", 1.0)
    draw, seen = PhyloFleet.draw, []

    def looking(*arguments):
        path = tmp_path / "often" / "1" / "checkpoint.pt"
        seen.append(load_checkpoint(path)["iteration"] if path.is_file() else 0)
        return draw(*arguments)

    monkeypatch.setattr(PhyloFleet, "draw", looking)
    fit_fleet(trainings(tmp_path / "often", settings(10, checkpoint_seconds=0.0)), JOIN, device=CPU)
    assert seen == list(range(10))
    assert_equal_trainings(tmp_path, tmp_path / "often", 0.0)


def test_a_loss_that_is_not_finite_names_the_model(tmp_path, monkeypatch):
    count, densities = iter(range(1, 10**6)), fleet_module.densities

    def broken(*arguments):
        log_likelihood, log_prior = densities(*arguments)
        if next(count) == 5:
            log_prior = torch.cat([log_prior[:6], log_prior[6:12] * torch.nan, log_prior[12:]])
        return log_likelihood, log_prior

    monkeypatch.setattr(fleet_module, "densities", broken)
    with pytest.raises(NumericalError, match="model 1: the loss is nan at iteration 4: not finite: log_prior; the"):
        fit_fleet(trainings(tmp_path, settings(20)), JOIN, device=CPU)
    assert [state["iteration"] for state in states(tmp_path, 3)] == [4, 4, 4]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    fit_fleet(trainings(tmp_path, settings(2)), JOIN, device=CPU)
    (tmp_path / "0" / "checkpoint.pt").write_bytes((tmp_path / "1" / "checkpoint.pt").read_bytes())
    with pytest.raises(CheckpointError, match=r"support is 1, .* 0"):
        fit_fleet(trainings(tmp_path, settings(4), resume=True), JOIN, device=CPU)


def test_weighted_components_are_refused(tmp_path):
    (training, *_) = trainings(tmp_path, settings(2))
    weighted = Training(**{**vars(training), "mixture_weights": torch.ones(3)})
    with pytest.raises(ConfigError, match="equal weights"):
        fit_fleet([weighted], JOIN, device=CPU)
