"""Where the truth of a simulation lies among posterior draws, and files with one line per simulated alignment."""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vbpi_mix.posterior.intervals import highest_density_interval
from vbpi_mix.provenance import describe

MASSES = (0.5, 0.95)
Row = dict[str, Any]


def append_rows(options: argparse.Namespace, settings: Row, one: Callable[[int, argparse.Namespace], Row]) -> None:
    """Fit the alignments that a file does not have yet.

    Arguments:
        options: with `output`, the file; `replicates`, alignments in all; `max_seconds`, after which none is begun.
        settings: what a row depends on, kept in the first line.
        one: simulates and fits the alignment of a number.

    Raises:
        SystemExit: the file was made with other settings.
    """
    path: Path = options.output
    begin = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    if lines and json.loads(lines[0])["settings"] != settings:
        raise SystemExit(f"{path} was made with other settings: give another --output")
    with path.open("a", encoding="utf-8") as file:
        if not lines:
            print(json.dumps({"provenance": describe(), "settings": settings}), file=file, flush=True)
        for replicate in range(max(len(lines) - 1, 0), options.replicates):
            if time.perf_counter() - begin > options.max_seconds:
                break
            row = one(replicate, options)
            print(json.dumps(row), file=file, flush=True)
            done = f"{replicate}: {row['seconds']:.1f} s, ESS {row['ess']:.0f} of {row['draws']}"
            print(f"{done}, k {row['pareto_k']:.2f}" if "pareto_k" in row else done, flush=True)


def read_rows(path: Path) -> list[Row]:
    """The alignments of a file, without its first line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def judge(values: np.ndarray, truth: float, generator: np.random.Generator) -> Row:
    """The rank of the truth among the values as a share, and for each mass whether either kind of interval holds it."""
    below = int((values < truth).sum())
    rank = (below + generator.random()) / (len(values) + 1)
    held: Row = {"rank": rank, "n": len(values)}
    for mass in MASSES:
        low, high = highest_density_interval(values, mass=mass)
        held[f"shortest_{mass}"] = bool(low <= truth <= high)
        held[f"central_{mass}"] = bool(abs(rank - 0.5) <= mass / 2)
    return held
