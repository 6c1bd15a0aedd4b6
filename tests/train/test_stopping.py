"""When rates fall and training ends: the rule on bounds made up for it, and in a training that is interrupted."""

import numpy as np
import pytest
import torch

from tests.train.test_loop import Trainable, objective, settings
from vbpi_mix.errors import ConfigError
from vbpi_mix.train import PlateauRule, TrainSettings, fit, load_checkpoint, read_metrics
from vbpi_mix.train.stopping import Schedule


def schedule(n_iterations=20_000, **rule):
    return Schedule(n_iterations, 0.75, 1000, PlateauRule(**rule))


def run(watched, bound, first=0, last=20_000, window=100):
    """Bounds of windows up to the end; the iteration at which training would stop."""
    iteration = first
    while iteration < min(watched.end, last):
        iteration = min(iteration + window, watched.end)
        watched.observe(iteration, bound(iteration))
    return iteration


def saturating(rise, scale, noise=0.0, seed=1):
    generator = np.random.default_rng(seed)
    return lambda i: -100 - rise * np.exp(-i / scale) + noise * generator.standard_normal()


def test_without_a_rule_the_schedule_is_fixed():
    fixed = Schedule(100_000, 0.75, 20_000, None)
    assert [fixed.factor(i) for i in (0, 19_999, 20_000, 45_000)] == [1, 1, 0.75, 0.75**2]
    fixed.observe(20_000, -1.0)
    assert fixed.end == 100_000
    assert not fixed.reached_plateau
    assert fixed.words == ""


def test_rates_fall_once_the_bound_is_flat_and_training_ends_half_as_much_later():
    watched = schedule()
    assert run(watched, lambda _: -100.0) == 4500
    assert watched.reached_plateau
    assert watched.factor(2999) == 1.0
    assert [watched.factor(i) for i in (3000, 3075, 4499)] == [1.0, 0.75, 0.75**19]
    assert "end at 4,500" in watched.words


def test_a_slow_rise_is_followed_until_half_as_many_iterations_again_gain_little():
    """For -exp(-i / s) the gain between thirds is exp(-i / 3s) - exp(-2i / 3s) minus what windows blur."""
    scale, tolerance = 2000.0, 0.01
    watched = schedule(40_000, tolerance=tolerance)
    end = run(watched, saturating(1.0, scale), last=40_000)
    began = next(i for i in range(0, 40_000, 1000) if watched.factor(i + 1000) < 1)
    exact = [
        (3 * scale / i) * (np.exp(-i / 3 / scale) * (1 - np.exp(-i / 3 / scale)) ** 2) for i in (began - 1000, began)
    ]
    assert exact[0] > tolerance >= exact[1] * 0.9
    assert end == pytest.approx(1.5 * began, abs=1)


def test_noise_sets_the_limit_where_it_is_larger_than_the_tolerance():
    ends = [run(schedule(), saturating(0.0, 1.0, noise=0.2, seed=seed)) for seed in range(20)]
    assert np.mean([end == 4500 for end in ends]) > 0.6  # gains of pure noise seldom exceed one standard error
    assert max(ends) < 20_000


def test_a_bound_that_keeps_rising_uses_all_iterations_and_its_rates_still_fall():
    watched = schedule(9000)
    assert run(watched, lambda i: float(i)) == 9000
    assert not watched.reached_plateau
    assert watched.factor(5999) == 1.0
    assert [watched.factor(i) for i in (6000, 8999)] == [1.0, 0.75**19]


def test_few_iterations_are_all_done():
    assert run(schedule(300), lambda _: 0.0) == 300


def test_a_saved_state_decides_as_the_whole_would_have():
    bounds = saturating(1.0, 1500.0, noise=0.02)
    values = {i: bounds(i) for i in range(100, 20_100, 100)}
    whole = schedule()
    end = run(whole, values.__getitem__)
    for cut in (1500, 3000, end - 200):
        part = schedule()
        run(part, values.__getitem__, last=cut)
        later = schedule()
        later.load(part.state(), cut)
        assert run(later, values.__getitem__, first=cut) == end
        assert [later.factor(i) for i in range(cut, end, 50)] == [whole.factor(i) for i in range(cut, end, 50)]


def test_an_ended_training_goes_on_at_full_rates_only_if_more_iterations_are_allowed():
    ended = schedule()
    end = run(ended, lambda _: 0.0)
    same = schedule()
    same.load(ended.state(), end)
    assert same.end == end
    more = schedule(30_000)
    more.load(ended.state(), end)
    assert more.factor(end) == 1.0
    assert run(more, lambda _: 0.0, first=end, last=30_000) == 4500 + 3500 + 1750


def test_a_resumed_training_ends_where_iterations_are_limited_to_fewer():
    planned = schedule()
    end = run(planned, lambda _: 0.0, last=3600)
    assert (end, planned.end) == (3600, 4500)
    fewer = schedule(4000)
    fewer.load(planned.state(), end)
    assert fewer.end == 4000
    assert "4,000" in fewer.words
    assert fewer.factor(3999) == planned.factor(4499)  # rates have fallen as far by then
    assert not fewer.reached_plateau


@pytest.mark.parametrize("wrong", [{"check_every": 0}, {"tolerance": -0.1}, {"cooling": 0.0}, {"n_decays": 0}])
def test_rules_out_of_range(wrong):
    with pytest.raises(ConfigError):
        PlateauRule(**wrong)


def test_windows_of_metrics_must_fit_the_rule():
    with pytest.raises(ConfigError, match="divide"):
        TrainSettings(n_iterations=10, metrics_every=300, plateau=PlateauRule())


def test_a_training_ends_at_its_plateau_and_a_resumed_one_is_bit_identical(tmp_path):
    chosen = settings(3000, plateau=PlateauRule(check_every=100, tolerance=0.02))

    def train(folder, *, seconds=None, resume=False):
        folder.mkdir(exist_ok=True)
        problem, generator = Trainable(3, 5, seed=1), torch.Generator().manual_seed(7)
        result = fit(
            problem,
            objective(),
            chosen,
            generator=generator,
            checkpoint=folder / "checkpoint.pt",
            metrics=folder / "metrics.jsonl",
            max_seconds=seconds,
            resume=resume,
        )
        return problem, result

    problem, whole = train(tmp_path / "whole")
    assert whole.ending == "plateau"
    assert whole.iteration < 3000
    _, part = train(tmp_path / "parts", seconds=1e-9)
    while part.ending == "time":
        again, part = train(tmp_path / "parts", seconds=0.05, resume=True)
    assert (part.ending, part.iteration) == ("plateau", whole.iteration)
    assert torch.equal(problem.logits, again.logits)
    lines = [read_metrics(tmp_path / name / "metrics.jsonl") for name in ("whole", "parts")]
    assert [m["bound"] for m in lines[0]] == [m["bound"] for m in lines[1]]
    factors = [m["learning_rate_factor"] for m in lines[0]]
    assert factors[0] == 1.0
    assert factors[-1] == pytest.approx(0.75**19)
    saved = load_checkpoint(tmp_path / "whole" / "checkpoint.pt")
    assert saved["schedule"]["end"] == whole.iteration
