"""Progress reporting for long-running work."""

from collections.abc import Callable
from typing import Protocol


class Reporter(Protocol):
    """Receives messages and progress; the command line prints them, a notebook may ignore them."""

    def message(self, text: str) -> None:
        """One line of information."""
        ...

    def warning(self, text: str) -> None:
        """One line that the user should act on or know about."""
        ...

    def progress(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """`done` of `total` units of a named stage are finished."""
        ...


class Silent:
    """A reporter that says nothing."""

    def message(self, text: str) -> None: ...

    def warning(self, text: str) -> None: ...

    def progress(self, stage: str, done: int, total: int, detail: str = "") -> None: ...


def stage(reporter: Reporter, name: str) -> Callable[[int, int], None]:
    """A (done, total) callback that reports one stage."""
    return lambda done, total: reporter.progress(name, done, total)
