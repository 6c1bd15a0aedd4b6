"""A time limit shared out among the stages of a fit."""

import time
from dataclasses import dataclass
from typing import Literal

Stage = Literal["candidates", "start", "tables", "training", "annealing", "evaluation"]
# share of the limit by which a stage must have ended; what a stage leaves goes to the following ones
_ENDS: dict[Stage, float] = {
    "candidates": 0.15,
    "start": 0.5,
    "tables": 0.55,
    "training": 0.7,
    "annealing": 0.9,
    "evaluation": 0.97,
}


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """Deadlines of the stages.

    Arguments:
        begun: `time.perf_counter()` at the beginning of the call.
        seconds: Time allowed to the call; None for no limit.
    """

    begun: float
    seconds: float | None

    @classmethod
    def from_now(cls, seconds: float | None) -> "Deadlines":
        """Deadlines of a call that begins now."""
        return cls(begun=time.perf_counter(), seconds=seconds)

    def until(self, stage: Stage) -> float | None:
        """`time.perf_counter()` by which a stage ends, or None."""
        return None if self.seconds is None else self.begun + _ENDS[stage] * self.seconds

    def left(self, stage: Stage) -> float | None:
        """Seconds left to a stage, or None."""
        until = self.until(stage)
        return None if until is None else max(0.0, until - time.perf_counter())

    def describe(self) -> str:
        """The shares in a sentence."""
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in _ENDS.items())
        return (
            f"time limit of {self.seconds or 0.0:,.0f} s; stages end at the latest after so much of it: {shares} "
            "(kernels that have to be compiled first are always compiled to the end)"
        )
