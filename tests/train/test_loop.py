"""The training loop on an enumerable problem: it converges, stops cleanly and resumes bit for bit."""

import os
import signal

import pytest
import torch

from tests.estimators.categorical import CategoricalProblem
from vbpi_mix.errors import CheckpointError, ConfigError, NumericalError
from vbpi_mix.estimators import Objective
from vbpi_mix.train import Change, TrainSettings, add_to_checkpoint, fit, load_checkpoint, read_metrics, state


class Trainable(CategoricalProblem):
    def parameter_groups(self):
        return {"topology": [self.logits]}


def settings(n_iterations, **other):
    given = {"learning_rates": {"topology": 0.02}, "metrics_every": 10, **other}
    return TrainSettings(n_iterations=n_iterations, **given)


def objective(estimator="s2a"):
    return Objective(estimator=estimator, n_components=3, n_sampled=2, n_particles=4)


def run(folder, n_iterations, *, problem=None, **arguments):
    problem = problem or Trainable(3, 5, seed=1)
    generator = torch.Generator().manual_seed(7)
    chosen = arguments.pop("settings", settings(n_iterations))
    result = fit(
        problem,
        objective(),
        chosen,
        generator=generator,
        checkpoint=folder / "checkpoint.pt",
        metrics=folder / "metrics.jsonl",
        **arguments,
    )
    return problem, generator, result


def test_training_finds_the_posterior(tmp_path):
    problem, _, result = run(tmp_path, 3000, settings=settings(3000, decay_every=300))
    with torch.no_grad():
        mixture = torch.softmax(problem.logits, 1).mean(0)
        posterior = torch.softmax(problem.log_likelihood + problem.log_prior, 0)
    assert result.ending == "iterations"
    assert float((mixture - posterior).abs().sum()) / 2 < 0.02
    last = read_metrics(tmp_path / "metrics.jsonl")[-1]
    assert last["iteration"] == 3000
    assert last["bound"] == pytest.approx(float(problem.log_evidence), abs=0.02)


@pytest.mark.parametrize("cut", [37, 60])
def test_a_resumed_run_is_bit_identical(tmp_path, cut):
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, generator, _ = run(tmp_path / "whole", 100)

    problem = Trainable(3, 5, seed=1)
    step = problem.draw
    count = iter(range(1, 10**6))

    def draw_then_interrupt(*arguments):
        if next(count) == cut:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*arguments)

    problem.draw = draw_then_interrupt
    _, _, first = run(tmp_path / "parts", 100, problem=problem)
    assert (first.ending, first.signal_number, first.iteration) == ("signal", signal.SIGTERM, cut)

    with (tmp_path / "parts" / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 70, "bou')  # as after a crash
    fresh = Trainable(3, 5, seed=1)
    with torch.no_grad():
        fresh.logits.zero_()
    resumed, generator_2, second = run(tmp_path / "parts", 100, problem=fresh, resume=True)
    assert second.iteration == 100
    assert torch.equal(resumed.logits, whole.logits)
    assert torch.equal(generator.get_state(), generator_2.get_state())
    keep = ("iteration", "bound", "ess")
    records = [
        [[r[k] for k in keep] for r in read_metrics(tmp_path / part / "metrics.jsonl")] for part in ("whole", "parts")
    ]
    assert records[0] == records[1]
    a, b = (load_checkpoint(tmp_path / part / "checkpoint.pt") for part in ("whole", "parts"))
    state_a, state_b = a["optimizer"]["dense"]["state"][0], b["optimizer"]["dense"]["state"][0]
    assert all(torch.equal(state_a[k], state_b[k]) for k in ("step", "exp_avg", "exp_avg_sq"))


def test_time_limit_ends_the_call_and_keeps_the_state(tmp_path):
    _, _, result = run(tmp_path, 10**6, max_seconds=0.05)
    assert result.ending == "time"
    assert load_checkpoint(tmp_path / "checkpoint.pt")["iteration"] == result.iteration


def test_a_signal_while_the_last_state_is_saved_is_answered(tmp_path, monkeypatch):
    save = state.save_checkpoint

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGTERM)
        save(*given)

    monkeypatch.setattr(state, "save_checkpoint", interrupted)
    _, _, result = run(tmp_path, 20)
    assert (result.ending, result.signal_number, result.iteration) == ("signal", signal.SIGTERM, 20)


def test_signal_handlers_are_put_back(tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    run(tmp_path, 3)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_loss_that_is_not_finite_stops_with_the_state_saved_and_the_cause_named(tmp_path):
    problem = Trainable(3, 5, seed=1)
    draw, count = problem.draw, iter(range(1, 10**6))

    def broken(*arguments):
        if next(count) == 21:
            problem.log_prior = torch.full((5,), float("nan"), dtype=torch.float64)
        return draw(*arguments)

    problem.draw = broken
    with pytest.raises(NumericalError, match=r"iteration 20: not finite: log_prior"):
        run(tmp_path, 100, problem=problem)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["iteration"] == 20
    assert torch.isfinite(saved["model"]["logits"]).all()


def test_resume_refuses_another_run_and_damaged_files(tmp_path):
    run(tmp_path, 5, identity={"support": "abc"})
    with pytest.raises(CheckpointError, match=r"support is abc, .* xyz"):
        run(tmp_path, 5, identity={"support": "xyz"}, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(CheckpointError, match="damaged"):
        run(tmp_path, 5, resume=True)
    (tmp_path / "checkpoint.pt").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint"):
        run(tmp_path, 5, resume=True)


def test_every_group_needs_a_rate(tmp_path):
    with pytest.raises(ConfigError, match="topology"):
        run(tmp_path, 5, settings=TrainSettings(n_iterations=5, learning_rates={"base": 0.1}))


def test_a_problem_that_takes_over_goes_on_with_the_moments_of_the_other(tmp_path):
    """An equal copy in the middle of training changes nothing; it is asked for when settings say, once each."""
    (tmp_path / "plain").mkdir()
    whole, _, _ = run(tmp_path / "plain", 100)
    asked = []

    def copy(iteration, problem):
        asked.append(iteration)
        if iteration == 50:
            return None
        other = Trainable(3, 5, seed=1)
        with torch.no_grad():
            other.logits.copy_(problem.logits)
        return Change(problem=other, rows={}, extra={"copies": iteration})

    chosen = settings(100, change_every=25)
    _, _, result = run(tmp_path, 100, settings=chosen, change=copy)
    assert asked == [25, 50, 75]  # and not at the end
    assert torch.equal(result.problem.logits, whole.logits)
    saved = load_checkpoint(tmp_path / "checkpoint.pt")
    assert (saved["changed_at"], saved["extra"]) == (75, {"copies": 75})

    asked.clear()
    longer = settings(101, change_every=25)
    run(tmp_path, 101, settings=longer, change=copy, resume=True)
    assert asked == [100]


def test_checkpoints_of_older_formats_can_be_resumed(tmp_path):
    run(tmp_path, 10)
    content = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert content["format_version"] == 5
    old = {key: value for key, value in content.items() if key not in ("changed_at", "extra")}
    for version, saved in ((3, content), (2, old)):
        torch.save({**saved, "format_version": version}, tmp_path / "checkpoint.pt")
        _, _, result = run(tmp_path, 20, resume=True)
        assert result.iteration == 20
    torch.save({**old, "format_version": 1}, tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match=r"format 1, .*formats 2 to 5"):
        run(tmp_path, 30, resume=True)


def test_what_is_added_after_training_stays_until_training_goes_on(tmp_path):
    run(tmp_path, 10)
    path = tmp_path / "checkpoint.pt"
    before = load_checkpoint(path)
    for value in (1, 2):
        add_to_checkpoint(path, {"found": value})
    after = load_checkpoint(path)
    assert after.pop("after") == {"found": 2}
    assert after.keys() == before.keys()
    assert torch.equal(after["generator"], before["generator"])
    run(tmp_path, 20, resume=True)
    assert "after" not in load_checkpoint(path)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        add_to_checkpoint(tmp_path / "absent.pt", {})
