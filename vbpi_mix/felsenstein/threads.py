"""A few threads for compiled kernels, which release the interpreter lock while they run.

Numba's own parallel loops are not used: with its OpenMP layer, threads that wait keep their core busy, which makes a
call twenty times slower as soon as anything else runs on the machine, and its other built-in layer ends the process
when two Python threads call it at once.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vbpi_mix.errors import ConfigError

T = TypeVar("T")


class _Threads:
    """The number of threads asked for, and the pool, made when first needed and anew after a fork."""

    def __init__(self) -> None:
        self.count: int | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._owner: tuple[int, int] = (0, 0)
        self._lock = threading.Lock()

    def pool(self, n_workers: int) -> ThreadPoolExecutor:
        owner = (os.getpid(), n_workers)
        with self._lock:
            if self._pool is None or self._owner != owner:
                self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="felsenstein")
                self._owner = owner
            return self._pool


_THREADS = _Threads()


def set_threads(n_threads: int | None) -> None:
    """Set how many threads the likelihood uses; None: one per core that this process may use.

    Raises:
        ConfigError: a number below 1.
    """
    if n_threads is not None and n_threads < 1:
        raise ConfigError(f"the number of threads is {n_threads}: give at least 1")
    _THREADS.count = n_threads


def get_threads() -> int:
    """How many threads the likelihood uses."""
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
    waiting = deque(tasks)

    def work() -> None:
        workspace = make_workspace()
        while True:
            try:
                task = waiting.popleft()
            except IndexError:
                return
            task(workspace)

    helpers = min(n_workers, len(tasks)) - 1
    futures = [_THREADS.pool(helpers).submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        waiting.clear()
        # one that has not begun has nothing left to do
        errors = [future.exception() for future in futures if not future.cancel()]
    for error in errors:
        if error is not None:
            raise error
