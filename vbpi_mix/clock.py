"""Time limits, and signs of life of long searches."""

import time
from collections.abc import Callable


class OutOfTimeError(Exception):
    """The time allowed to a search is over; what it has found so far is whole."""


def time_is_up(until: float | None) -> bool:
    """Whether `time.perf_counter()` is past `until`; never where that is None."""
    return until is not None and time.perf_counter() > until


class Clock:
    """Asked between steps of a search.

    Arguments:
        until: `time.perf_counter()` at which the search ends, or None.
        alive: called at every step.
    """

    def __init__(self, until: float | None = None, alive: Callable[[], None] | None = None) -> None:
        self.until = until
        self._alive = alive

    @property
    def late(self) -> bool:
        """Whether the time is over."""
        return time_is_up(self.until)

    def tick(self) -> None:
        """Give a sign of life; raise `OutOfTimeError` if the time is over."""
        if self._alive is not None:
            self._alive()
        if self.late:
            raise OutOfTimeError
