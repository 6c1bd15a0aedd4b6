"""Progress for people: a live line on a terminal, plain lines elsewhere; both on stderr."""

import sys
import threading
import time
from contextlib import suppress
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

_BAR = 20  # characters
_SECONDS_BETWEEN_LINES = 5.0
_MAY_END_EARLIER = frozenset({"topologies", "training", "rounds at the posterior", "iterations of IQ-TREE"})


class ConsoleReporter:
    """A `Reporter` that writes to stderr; use it as a context manager.

    Arguments:
        quiet: say nothing but warnings.
        seconds_of_silence: Time in seconds after which a line says that the work goes on.

    Attributes:
        warnings: warnings that were given, to be repeated at the end.
    """

    def __init__(self, *, quiet: bool = False, seconds_of_silence: float = 8.0) -> None:
        self._quiet, self._seconds_of_silence = quiet, seconds_of_silence
        self._console = Console(stderr=True, highlight=False)
        self._live = self._console.is_terminal and not quiet
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        self._printed: dict[str, float] = {}
        self._done: dict[str, int] = {}
        self.warnings: list[str] = []
        self._doing, self._since = "", time.monotonic()
        self._last_sign = time.monotonic()
        self._over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "ConsoleReporter":
        if self._live:
            self._bars = Progress(
                TextColumn("{task.description}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=_BAR),
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                TimeRemainingColumn(compact=True, table_column=Column(no_wrap=True)),
                # what does not fit is cut off here and nowhere else
                TextColumn("{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
                console=self._console,
                expand=True,
            )
            with suppress(OSError, ValueError):
                self._bars.start()
        if not self._quiet:
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._heart.is_alive():
            self._heart.join()
        if self._bars is not None:
            with suppress(OSError, ValueError):
                self._bars.stop()

    def _beat(self) -> None:
        """A line whenever there has been no other sign of life for a while."""
        while not self._over.wait(1.0):
            now = time.monotonic()
            if now - self._last_sign > self._seconds_of_silence:
                self._print(f"{self._doing or 'working'}: {duration(now - self._since)} so far")

    def _begin(self, doing: str) -> None:
        if doing != self._doing:
            self._doing, self._since = doing, time.monotonic()

    def message(self, text: str) -> None:
        """One line of information."""
        self._begin("")
        if not self._quiet:
            self._print(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)
        self._print(f"warning: {text}")

    def progress(self, stage: str, done: int, total: int, detail: str = "") -> None:
        if self._quiet:
            return
        self._begin(stage)
        if done < self._done.get(stage, 0):  # the stage of another fit begins
            for known in (self._begun, self._printed):
                known.pop(stage, None)
        self._done[stage] = done
        if self._bars is not None:
            self._last_sign = time.monotonic()
            with suppress(OSError, ValueError):
                if stage not in self._tasks:
                    self._finish_others()
                    self._tasks[stage] = self._bars.add_task(stage, total=total, detail=detail)
                self._bars.update(self._tasks[stage], completed=done, total=total, detail=detail)
            return
        now = time.monotonic()
        begun = self._begun.setdefault(stage, now)
        if done < total and now - self._printed.get(stage, begun) < _SECONDS_BETWEEN_LINES:
            return
        self._printed[stage] = now
        line = f"{stage}: {done:,} of {total:,}"
        if done < total and done > 0 and now > begun:
            most = "at most " if stage in _MAY_END_EARLIER else ""
            line += f", {most}{duration((now - begun) * (total - done) / done)} left"
        self._print(line + (f", {detail}" if detail else ""))

    def _finish_others(self) -> None:
        """Show the bars of stages that ended before they had to as full."""
        for task in self._bars.tasks if self._bars is not None else ():
            if task.total is not None and task.completed < task.total and self._bars is not None:
                self._bars.update(task.id, total=max(1, task.completed), completed=max(1, task.completed))

    def _print(self, text: str) -> None:
        """Print a line; what nobody can read any more (a closed pipe, a full disk) must not end the work."""
        self._last_sign = time.monotonic()
        with suppress(OSError, ValueError):
            if self._bars is not None:
                self._console.print(printable(text), markup=False)
            else:
                print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """A text in one line, with what a terminal would obey or cannot show written as an escape."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 05 s, 2 h 10 min."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
