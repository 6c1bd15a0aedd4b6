"""Timing and results shared by the benchmarks."""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vbpi_mix.provenance import describe
from vbpi_mix.replication.timing import alternating_times

RESULTS_FOLDER = Path(__file__).resolve().parent / "results"


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


def final_log_ml(evaluation: Mapping[str, Any]) -> tuple[float, float]:
    """Log marginal likelihood of an `evaluation.json` and its error: by annealing where the fit ended with that."""
    annealing = evaluation.get("annealing", {})
    value = annealing.get("log_ml", evaluation["log_ml_pooled"])
    return value, annealing.get("log_ml_se", evaluation["log_ml_pooled_se"])


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows under their column names, aligned."""
    cells = [list(columns), *([_cell(row[c]) for c in columns] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def _cell(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
