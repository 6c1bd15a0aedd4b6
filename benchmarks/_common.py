"""Timing and results shared by the benchmarks."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vbpi_mix.provenance import describe

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


def alternating_medians(
    runs: Mapping[str, Callable[[], object]], *, n_blocks: int = 15, block_seconds: float = 0.1
) -> dict[str, float]:
    """Medians of `alternating_times`."""
    times = alternating_times(runs, n_blocks=n_blocks, block_seconds=block_seconds)
    return {name: statistics.median(values) for name, values in times.items()}


def summary(times: Sequence[float]) -> dict[str, float]:
    """Median, and the fastest block, which other people's work on the machine disturbs least."""
    return {"median": statistics.median(times), "fastest": min(times)}


def write_json_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line with machine, versions and commit, then one line per row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"provenance": describe()}), *(json.dumps(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows under their column names, aligned."""
    cells = [list(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
