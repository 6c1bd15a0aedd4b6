"""Threads: a few for compiled kernels, which release the interpreter lock while they run, and those of torch.

Numba's own parallel loops are not used: with its OpenMP layer, threads that wait keep their core busy, which makes a
call twenty times slower as soon as anything else runs on the machine, and its other built-in layer ends the process
when two Python threads call it at once. Nor are the executors of the standard library: their futures take as long as
the likelihood of a tree.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from vbpi_mix.errors import ConfigError

T = TypeVar("T")


class _Job(Generic[T]):
    """The tasks of one call; the caller works on them, and helpers that come in time."""

    def __init__(self, tasks: Sequence[Callable[[T], None]], make_workspace: Callable[[], T]) -> None:
        self._waiting = deque(tasks)
        self._make_workspace = make_workspace
        self._lock = threading.Lock()
        self._open = True
        self._n_helpers = 0
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def work(self, workspace: T) -> None:
        while True:
            try:
                task = self._waiting.popleft()
            except IndexError:
                return
            task(workspace)

    def help(self) -> None:
        with self._lock:
            if not self._open:
                return
            self._n_helpers += 1
        error = None
        try:
            self.work(self._make_workspace())
        except BaseException as caught:  # noqa: BLE001 - raised again in the thread of the caller
            error = caught
        self._ended.put(error)

    def close(self) -> list[BaseException]:
        """Let nobody begin any more, wait for those who have, and return what went wrong with them."""
        self._waiting.clear()
        with self._lock:
            self._open = False
        ends = [self._ended.get() for _ in range(self._n_helpers)]
        return [error for error in ends if error is not None]


class _Threads:
    """The number of threads asked for, and the helpers, started when first needed and anew after a fork."""

    def __init__(self) -> None:
        self.count: int | None = None
        self._process = 0
        self._n_started = 0
        self._jobs: SimpleQueue[_Job[Any]] = SimpleQueue()
        self._lock = threading.Lock()

    def ask_for_help(self, job: _Job[Any], n_helpers: int) -> None:
        with self._lock:
            if self._process != os.getpid():
                self._process, self._n_started, self._jobs = os.getpid(), 0, SimpleQueue()
            while self._n_started < n_helpers:
                threading.Thread(target=_serve, args=(self._jobs,), name="vbpi_mix helper", daemon=True).start()
                self._n_started += 1
        for _ in range(n_helpers):
            self._jobs.put(job)


def _serve(jobs: "SimpleQueue[_Job[Any]]") -> None:
    while True:
        jobs.get().help()


_THREADS = _Threads()


def set_threads(n_threads: int | None) -> None:
    """Set how many threads compiled kernels use; None: one per core that this process may use.

    Raises:
        ConfigError: a number below 1.
    """
    if n_threads is not None and n_threads < 1:
        raise ConfigError(f"the number of threads is {n_threads}: give at least 1")
    _THREADS.count = n_threads


def get_threads() -> int:
    """Number of threads that compiled kernels use."""
    if _THREADS.count is not None:
        return _THREADS.count
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def run_tasks(tasks: Sequence[Callable[[T], None]], make_workspace: Callable[[], T], n_workers: int) -> None:
    """Run tasks in the calling thread and up to `n_workers` - 1 others; returns when all are done.

    Each thread makes one workspace and takes one task after the other, so that on a busy machine a thread that gets
    no core leaves its share to the rest. An exception of a task is raised here, once no task runs any more.
    """
    job = _Job(tasks, make_workspace)
    n_helpers = min(n_workers, len(tasks)) - 1
    workspace = make_workspace()
    if n_helpers < 1:
        job.work(workspace)
        return
    # last: a helper that wakes up while this thread still holds the interpreter lock falls asleep again
    _THREADS.ask_for_help(job, n_helpers)
    try:
        job.work(workspace)
    finally:
        errors = job.close()
    for error in errors:
        raise error


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch's own operations use `n_threads` within the block; compiled kernels have their own threads.

    A step on trees is made of small tensors, for which waking a second thread costs more than it saves, and costs
    milliseconds when another program runs on its core.
    """
    import torch  # not above: readers of files need threads for their kernels, and no torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
