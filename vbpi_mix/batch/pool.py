"""Warm processes on this machine, each with one task at a time; one that dies costs its task a try, nothing else."""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from vbpi_mix.batch.locus import LocusTask, warm_up
from vbpi_mix.batch.table import Row, row_of_error
from vbpi_mix.errors import ConfigError

_LOOK_EVERY = 1.0  # seconds, at the memory of the workers
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    task: LocusTask | None = None
    tries: int = 0
    too_large: bool = False
    failures: list[str] = field(default_factory=list)


def run_in_processes(
    tasks: Iterable[LocusTask],
    n_workers: int,
    *,
    tries: int = 3,
    memory: int | None = None,
    prepare: Callable[[], Callable[[LocusTask], Row]] = warm_up,
) -> Iterator[Row]:
    """Rows of tasks, as they end.

    Processes are forked from one that has loaded everything. Tasks are taken from the iterable as processes become
    free, so it may be long.

    Arguments:
        tasks: Loci.
        n_workers: Processes.
        tries: Number of times that a locus is begun if its process dies.
        memory: Bytes that a process may use; one with more is ended, and its locus fails. Linux only.
        prepare: called once in each process; gives what does a task.

    Raises:
        ConfigError: a limit of memory on a system that does not tell it.
    """
    if memory is not None and not os.path.exists("/proc/self/statm"):  # noqa: PTH110
        raise ConfigError("a limit of memory needs Linux: leave it out here, or use Dask")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vbpi_mix.batch.locus"])
    waiting = iter(tasks)
    again: deque[tuple[LocusTask, int]] = deque()
    workers: list[_Worker] = []
    try:
        while True:
            while len(workers) < n_workers:
                first = _next(waiting, again)
                if first is None:
                    break
                workers.append(_start(context, prepare))
                _give(workers[-1], *first)
            if not workers:
                return
            ready = wait([w.pipe for w in workers], timeout=_LOOK_EVERY if memory else None)
            for worker in [w for w in workers if w.pipe in ready]:
                row = _answer(worker)
                if row is None:  # it died
                    workers.remove(worker)
                    worker.process.join()
                    yield from _after_death(worker, tries, again, memory)
                    continue
                yield row
                following = _next(waiting, again)
                if following is None:
                    workers.remove(worker)
                    _end(worker)
                else:
                    _give(worker, *following)
            if memory is not None:
                for worker in workers:
                    if _resident(worker.process.pid) > memory:
                        worker.too_large = True
                        worker.process.kill()
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()


def _next(waiting: Iterator[LocusTask], again: deque[tuple[LocusTask, int]]) -> tuple[LocusTask, int] | None:
    if again:
        return again.popleft()
    task = next(waiting, None)
    return None if task is None else (task, 1)


def _start(context: ForkServerContext, prepare: Callable[[], Callable[[LocusTask], Row]]) -> _Worker:
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, prepare), daemon=True)
    process.start()
    there.close()
    return _Worker(process=process, pipe=here)


def _serve(pipe: Connection, prepare: Callable[[], Callable[[LocusTask], Row]]) -> None:
    """Loop of a worker process: one task after the other until it is told to end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the master ends its workers
    threading.Thread(target=_end_with_master, daemon=True).start()
    do = prepare()
    with suppress(EOFError, OSError):
        while True:
            task = pipe.recv()
            if task is None:
                return
            pipe.send(do(task))


def _end_with_master() -> None:
    """End at once where the master was killed: the next call does the locus anew, and must find nobody at it."""
    master = multiprocessing.parent_process()
    assert master is not None
    master.join()
    os._exit(1)


def _give(worker: _Worker, task: LocusTask, tries: int) -> None:
    worker.task, worker.tries, worker.too_large = task, tries, False
    with suppress(OSError):  # died meanwhile: seen at the next look
        worker.pipe.send(task)


def _answer(worker: _Worker) -> Row | None:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        return None


def _after_death(worker: _Worker, tries: int, again: deque[tuple[LocusTask, int]], memory: int | None) -> Iterator[Row]:
    assert worker.task is not None
    name = worker.task.locus.name
    if worker.too_large:
        yield row_of_error(name, "", f"used more than {(memory or 0) / 2**20:,.0f} MiB of memory")
    elif worker.tries < tries:
        again.append((worker.task, worker.tries + 1))
    else:
        code = worker.process.exitcode or 0
        how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
        yield row_of_error(name, "", f"its process {how}, {worker.tries} times")


def _end(worker: _Worker) -> None:
    with suppress(OSError):
        worker.pipe.send(None)
    worker.process.join(timeout=5.0)
    if worker.process.is_alive():
        worker.process.kill()
        time.sleep(0)
        worker.process.join()


def _resident(pid: int | None) -> int:
    """Bytes of memory that a process uses; 0 if it has gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
