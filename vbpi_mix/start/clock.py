"""A time limit and signs of life for long searches."""

import time
from collections.abc import Callable


class OutOfTimeError(Exception):
    """The time allowed to a search is over; what it has found so far is whole."""


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
        return self.until is not None and time.perf_counter() > self.until

    def tick(self) -> None:
        """Give a sign of life; raise `OutOfTimeError` if the time is over."""
        if self._alive is not None:
            self._alive()
        if self.late:
            raise OutOfTimeError
