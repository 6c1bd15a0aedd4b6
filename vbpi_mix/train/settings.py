"""Settings of training: iterations, rates, tempering."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vbpi_mix.errors import ConfigError
from vbpi_mix.train.stopping import PlateauRule, Schedule


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The schedule of a fit; every quantity is a function of iterations and bounds, never of the clock.

    Arguments:
        n_iterations: optimiser steps in all; with `plateau` at most.
        learning_rates: Adam's step size by parameter group, as named by the problem.
        decay_factor: the step sizes are multiplied by this every `decay_every` iterations.
        decay_every: see `decay_factor`.
        annealing_iterations: the inverse temperature rises linearly to 1 over this many iterations (0: no tempering).
        initial_inverse_temperature: inverse temperature at the first iteration.
        metrics_every: iterations averaged into one line of metrics.
        checkpoint_seconds: time between checkpoints.
        change_every: iterations between calls of `change` (see `train.fit`); 0: none.
        plateau: rule by which rates fall and training ends, in place of `decay_every` and a fixed end; None: no such
            rule. It sees the windows of metrics, so `metrics_every` must divide its `check_every`.

    Raises:
        ConfigError: values out of range.
    """

    n_iterations: int
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    decay_factor: float = 0.75
    decay_every: int = 20_000
    annealing_iterations: int = 0
    initial_inverse_temperature: float = 0.001
    metrics_every: int = 100
    checkpoint_seconds: float = 60.0
    change_every: int = 0
    plateau: PlateauRule | None = None

    def __post_init__(self) -> None:
        for name in ("n_iterations", "decay_every", "metrics_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("annealing_iterations", "change_every"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, is {getattr(self, name)}")
        if not 0 < self.initial_inverse_temperature <= 1:
            raise ConfigError(f"initial_inverse_temperature must be in (0, 1], is {self.initial_inverse_temperature}")
        if not 0 < self.decay_factor <= 1:
            raise ConfigError(f"decay_factor must be in (0, 1], is {self.decay_factor}")
        if self.plateau is not None and self.plateau.check_every % self.metrics_every:
            raise ConfigError(
                f"metrics_every, {self.metrics_every}, must divide the {self.plateau.check_every} iterations between "
                "looks at the bound"
            )
        for group, rate in self.learning_rates.items():
            if not rate > 0:
                raise ConfigError(f"the learning rate of '{group}' must be positive, is {rate}")

    def inverse_temperature(self, iteration: int) -> float:
        """min(1, first + iteration / annealing_iterations), `iteration` counted from 0."""
        if self.annealing_iterations == 0:
            return 1.0
        return min(1.0, self.initial_inverse_temperature + iteration / self.annealing_iterations)

    def changes_at(self, iteration: int) -> bool:
        """Whether `change` is called after so many iterations."""
        return self.change_every > 0 and iteration > 0 and iteration % self.change_every == 0

    def schedule(self) -> Schedule:
        """A fresh account of when rates fall and training ends."""
        return Schedule(self.n_iterations, self.decay_factor, self.decay_every, self.plateau)
