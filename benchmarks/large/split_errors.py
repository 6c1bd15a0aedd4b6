"""Whether the stated errors of split frequencies are right: differences between fits with two seeds, in these errors.

    python -m benchmarks.large.split_errors testHKY520.nex testHKY767.nex --work FOLDER -o FILE

Every alignment is fitted by `vbpi-mix fit` with both seeds, unless `--work` has the fits. For splits with frequencies
of 0.1 to 0.9 in both: the largest difference, and the root mean square of differences in standard errors
(`anneal.convergence.split_times`), which is 1 where the errors are right. The gate: at most 1.5 over all alignments.
"""

import argparse
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import print_table, write_json_lines
from vbpi_mix.anneal.convergence import NumberedSplits, SplitTimes, split_times
from vbpi_mix.experiment.run import Run

_MOST = 1.5


def fitted(path: Path, model: str, seed: int, work: Path) -> tuple[Run, SplitTimes]:
    folder = work / f"{path.stem}.{seed}"
    if not (folder / "evaluation.json").is_file():
        words = ["fit", str(path), "--model", model, "--seed", str(seed), "-q", "-o", str(folder)]
        subprocess.run([sys.executable, "-m", "vbpi_mix", *words], check=True, stdout=subprocess.DEVNULL)
    run = Run.load(folder)
    assert run.annealed is not None, f"{path.stem} has importance weights in place of chains"
    found = run.annealed
    return run, split_times(NumberedSplits.of(found.particles.topologies), found.chains)


def row_of(path: Path, model: str, seeds: list[int], work: Path) -> tuple[dict[str, Any], np.ndarray]:
    """The numbers of one alignment, and the differences in errors."""
    (one, first), (other, second) = (fitted(path, model, seed, work) for seed in seeds)
    assert one.annealed is not None
    assert other.annealed is not None
    _, here, there = np.intersect1d(first.split, second.split, return_indices=True)
    apart = np.abs(first.frequency[here] - second.frequency[there])
    away = apart / np.hypot(first.error[here], second.error[there])
    posteriors = one.annealed, other.annealed
    return {
        "data": path.stem, "taxa": one.problem.model.n_taxa, "splits": len(apart),
        "sides": [round(p.convergence.largest, 3) for p in posteriors],
        "stated": [round(first.largest_error, 3), round(second.largest_error, 3)],
        "difference": round(float(apart.max(initial=0.0)), 3), "in_errors": round(_root_mean_square(away), 2),
        "most": round(float(away.max(initial=0.0)), 2), "log_ml": [round(p.log_ml[0], 2) for p in posteriors],
    }, away  # fmt: skip


def _root_mean_square(x: np.ndarray) -> float:
    return math.sqrt(float((x**2).mean())) if len(x) else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("alignments", nargs="+", type=Path)
    parser.add_argument("--model", default="HKY")
    parser.add_argument("--seeds", nargs=2, type=int, default=[1, 2])
    parser.add_argument("--work", type=Path, required=True, help="folder of the fits")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows, away = [], []
    for path in options.alignments:
        row, more = row_of(path, options.model, options.seeds, options.work)
        rows.append(row)
        away.append(more)
        print_table(rows, tuple(row))
        sys.stdout.flush()
        if options.output is not None:
            write_json_lines(options.output, rows)
    whole = _root_mean_square(np.concatenate(away))
    print(f"{sum(map(len, away))} splits: differences are {whole:.2f} stated errors, root mean square")
    if whole > _MOST:
        raise SystemExit("frequencies are less certain than is stated")


if __name__ == "__main__":
    main()
