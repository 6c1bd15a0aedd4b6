"""Rules for the learning rates and the end of training: a fixed iteration, or the plateau of the bound."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PlateauRule:
    """Full rates until the bound has stopped rising, then falling ones for a while, then the end.

    Every `check_every` iterations the mean bound of the last third of the iterations is compared with that of the
    third before. If it is not higher by more than `tolerance`, or by more than the standard error of that difference,
    the rates fall from then on, over `cooling` times the iterations done, by the steps of the fixed schedule
    (`n_decays` times `decay_factor`). The windows grow with the training, so that a slow rise is seen in time: what is
    given up is about what half as many iterations again would have gained.

    Arguments:
        check_every: iterations between looks; the first comes after three times as many.
        tolerance: nats.
        cooling: iterations with falling rates per iteration with full ones.
        n_decays: steps in which the rates fall.

    Raises:
        ConfigError: a number out of range.
    """

    check_every: int = 1000
    tolerance: float = 0.01
    cooling: float = 0.5
    n_decays: int = 20

    def __post_init__(self) -> None:
        if self.check_every < 1 or self.n_decays < 1 or not self.tolerance >= 0 or not self.cooling > 0:
            raise ConfigError(f"plateau rule: a number is out of range in {self}")


class Schedule:
    """State of the stopping rule during a training; part of a checkpoint.

    It depends on the bounds of the windows of metrics alone, never on the clock.

    Arguments:
        n_iterations: the end, or with a rule the latest end.
        decay_factor, decay_every: the fixed schedule, used without a rule; the factor also of a rule's cooling.
        rule: the rule, or None.
    """

    def __init__(self, n_iterations: int, decay_factor: float, decay_every: int, rule: PlateauRule | None) -> None:
        self.n_iterations, self.rule = n_iterations, rule
        self.decay_factor, self.decay_every = decay_factor, decay_every
        self._first = 0  # iteration before the first window that counts
        self._windows: list[tuple[int, float]] = []  # last iteration, mean bound
        self._cooling_from: int | None = None
        self._words = ""
        self._plan()

    @property
    def end(self) -> int:
        """The last iteration, as far as is known."""
        return self._end

    @property
    def words(self) -> str:
        """Last finding of the rule, for people; empty without a rule."""
        return self._words

    @property
    def reached_plateau(self) -> bool:
        """Whether the rule, not the number of iterations, makes the end."""
        return self._end < self.n_iterations

    def factor(self, iteration: int) -> float:
        """The factor on every learning rate at an iteration, counted from 0."""
        if self.rule is None:
            return self.decay_factor ** (iteration // self.decay_every)
        begin = self._latest if self._cooling_from is None else self._cooling_from
        if iteration < begin:
            return 1.0
        done = (iteration - begin) / max(self._end - begin, 1)
        return self.decay_factor ** min(int(done * self.rule.n_decays), self.rule.n_decays)

    def observe(self, iteration: int, bound: float) -> None:
        """Take note of the mean bound of the window of metrics that ends with an iteration (counted from 1)."""
        rule = self.rule
        if rule is None or self._cooling_from is not None or iteration > self._latest:
            return
        self._windows.append((iteration, bound))
        done = iteration - self._first
        if iteration % rule.check_every or done < 3 * rule.check_every:
            return
        gain, error = self._gain(done)
        limit = max(rule.tolerance, error)
        self._words = f"last third {gain:+.3f} nats, limit {limit:.3f}"
        if gain <= limit:
            self._cooling_from = iteration
            self._end = min(self.n_iterations, iteration + max(1, round(rule.cooling * done)))
            self._words = f"gain {gain:+.3f} <= {limit:.3f} nats: rates fall, end at {self._end:,}"

    def state(self) -> dict[str, Any]:
        """Everything that later decisions depend on."""
        return {
            "n_iterations": self.n_iterations,
            "first": self._first,
            "windows": [list(window) for window in self._windows],
            "cooling_from": self._cooling_from,
            "end": self._end,
            "words": self._words,
        }

    def load(self, state: Mapping[str, Any], iteration: int) -> None:
        """Go on from a saved state at an iteration.

        A training that has ended goes on, with full rates and without its memory of bounds, if more iterations are
        allowed than then.
        """
        if self.rule is None:
            return
        self._first = state["first"]
        self._windows = [(int(i), float(bound)) for i, bound in state["windows"]]
        self._cooling_from, self._words = state["cooling_from"], state["words"]
        self._plan()
        if self._cooling_from is not None:
            self._end = min(state["end"], self.n_iterations)
            if self._end < state["end"]:
                self._words = f"rates fall, end at {self._end:,}, where iterations are limited"
        if iteration >= state["end"] and self.n_iterations > state["n_iterations"]:
            self._first, self._windows, self._cooling_from, self._words = iteration, [], None, ""
            self._plan()

    def _plan(self) -> None:
        """The end, and the latest iteration at which rates can begin to fall."""
        self._end = self.n_iterations
        if self.rule is not None:
            full = (self.n_iterations - self._first) / (1 + self.rule.cooling)
            self._latest = self._first + max(0, round(full))

    def _gain(self, done: int) -> tuple[float, float]:
        """Mean bound of the last third of `done` iterations minus that of the third before, and its standard error."""
        ends = np.array([end for end, _ in self._windows]) - self._first
        bounds = np.array([bound for _, bound in self._windows])
        last, before = bounds[ends > 2 * done / 3], bounds[(ends > done / 3) & (ends <= 2 * done / 3)]
        variance = sum(float(part.var(ddof=1)) / len(part) for part in (last, before) if len(part) > 1)
        return float(last.mean() - before.mean()), variance**0.5
