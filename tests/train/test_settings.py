"""Schedules of a training, and what is refused."""

import pytest

from vbpi_mix.errors import ConfigError
from vbpi_mix.train import TrainSettings


def settings(n_iterations, **other):
    given = {"learning_rates": {"topology": 0.02}, "metrics_every": 10, **other}
    return TrainSettings(n_iterations=n_iterations, **given)


def test_schedules():
    schedule = settings(10, annealing_iterations=100_000)
    assert schedule.inverse_temperature(0) == 0.001
    assert schedule.inverse_temperature(50_000) == pytest.approx(0.501)
    assert schedule.inverse_temperature(99_900) == 1.0
    assert settings(1).inverse_temperature(0) == 1.0
    assert [schedule.schedule().factor(i) for i in (0, 19_999, 20_000, 45_000)] == [1, 1, 0.75, 0.75**2]


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_iterations": 0},
        {"decay_factor": 0.0},
        {"annealing_iterations": -1},
        {"initial_inverse_temperature": 0.0},
        {"learning_rates": {"topology": -1.0}},
    ],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError):
        TrainSettings(**{"n_iterations": 5, **wrong})
