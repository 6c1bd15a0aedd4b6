"""Annealing beside training: particles that begin at the trees of chains need nothing of the mixture."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Lock

from vbpi_mix.anneal.result import AnnealedPosterior
from vbpi_mix.experiment.finish import finish_run
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.run import Run
from vbpi_mix.threads import get_threads

Annealing = Callable[[], AnnealedPosterior | None]


@contextmanager
def annealing_beside(
    run: Run, reporter: Reporter, *, until: float | None = None, device: str = "cpu"
) -> Iterator[Annealing | None]:
    """Anneal a run in a thread of its own while its mixture is trained within the block.

    What is found is bit for bit what annealing after training would find. A block that is left without asking for it
    ends the annealing at its next report; `finish_run` then goes on from what the folder keeps.

    Arguments:
        run: run in a folder, trained or not.
        reporter: told about the annealing from the moment that its outcome is asked for, not before.
        until: `time.perf_counter()` at which annealing ends.
        device: word of `experiment.device.Device`; only the CPU has threads to spare.

    Yields:
        A function that waits for the trees, or None where annealing has to come after training: it begins at draws of
        the mixture, is not wanted or has been done, or there is only one thread.
    """
    folder = run.folder
    if (
        folder is None
        or run.config.finish == "importance"
        or not folder.chains.is_file()
        or folder.annealed.is_file()
        or device != "cpu"
        or get_threads() == 1
    ):
        yield None
        return
    quiet = _Held(reporter)
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(finish_run, run, quiet, until=until)

        def annealed() -> AnnealedPosterior | None:
            quiet.release()
            return future.result().annealed

        try:
            yield annealed
        finally:
            quiet.stopped = True  # means nothing to work that is done


class _StoppedError(Exception):
    """Nobody wants the outcome any more."""


class _Held:
    """A reporter of work in another thread: holds back what it is told until `release`, and can end the work."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._lock = Lock()
        self._held: list[Callable[[], None]] | None = []
        self.stopped = False

    def message(self, text: str) -> None:
        self._tell(partial(self._reporter.message, text))

    def warning(self, text: str) -> None:
        self._tell(partial(self._reporter.warning, text))

    def progress(self, stage: str, done: int, total: int, detail: str = "") -> None:
        if self.stopped:
            raise _StoppedError
        if self._held is None:
            self._reporter.progress(stage, done, total, detail)

    def release(self) -> None:
        """Pass on what was held back, and all that follows."""
        with self._lock:
            for tell in self._held or ():
                tell()
            self._held = None

    def _tell(self, tell: Callable[[], None]) -> None:
        with self._lock:
            if self._held is not None:
                self._held.append(tell)
                return
        tell()
