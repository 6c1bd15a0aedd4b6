"""Functions timed in turns."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

K = TypeVar("K")


def alternating_times(
    runs: Mapping[K, Callable[[], object]], *, n_blocks: int = 15, block_seconds: float = 0.1
) -> dict[K, list[float]]:
    """Seconds per call in each block of several functions, timed in turns so that a slow minute hits all of them.

    Arguments:
        runs: functions by name; each is called once before, to compile.
        n_blocks: blocks of calls per function.
        block_seconds: about how long one block takes.
    """
    calls = {}
    for name, run in runs.items():
        run()
        start = time.perf_counter()
        run()
        calls[name] = max(1, round(block_seconds / max(time.perf_counter() - start, 1e-9)))
    seconds: dict[K, list[float]] = {name: [] for name in runs}
    for _ in range(n_blocks):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(calls[name]):
                run()
            seconds[name].append((time.perf_counter() - start) / calls[name])
    return seconds
