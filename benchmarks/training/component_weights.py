"""What learned component weights are worth: bounds, evidence and importance weights of runs, before and after.

    python -m benchmarks.training.component_weights primates_run other_run --out results/weights/weights.jsonl
    python -m benchmarks.training.component_weights --show results/weights/weights.jsonl

For every run the weights that raise the bound which it was trained with (K particles), and those that raise the ELBO.
The gate, before a row is written: the gain stated on the held-out draws is the difference of the two bounds from other
draws within five standard errors, where that bound is among the estimates (K = 1 and 10).
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import RESULTS_FOLDER, print_table
from vbpi_mix.analysis.weight_comparison import WeightComparison, compare_weights
from vbpi_mix.evaluate import LearnedWeights
from vbpi_mix.experiment import Run
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.provenance import describe

COLUMNS = ("run", "A", "S", "K", "weights", "gain", "ELBO", "LB-10", "-log ML (sd)", "pooled", "ESS")


def gate(both: WeightComparison, learned: LearnedWeights) -> None:
    """Stop unless the stated gain is the difference of the bounds."""
    names = {1: "elbo", 10: "lb10"}
    if learned.n_particles not in names:
        return
    before, after = (getattr(e, names[learned.n_particles]) for e in (both.uniform, both.weighted))
    error = np.sqrt(before.standard_error**2 + after.standard_error**2 + learned.gain.standard_error**2)
    if not abs(after.value - before.value - learned.gain.value) < 5 * error:
        sys.exit(f"gate: the bound rose by {after.value - before.value}, stated were {learned.describe()}")


def rows_of(path: Path, name: str, n_repeats: int) -> list[dict[str, Any]]:
    run = Run.load(path)
    rows = []
    for n_particles in dict.fromkeys((run.config.particles, 1)):
        load = os.getloadavg()[0]
        both = compare_weights(run, n_particles=1000, n_repeats=n_repeats, weight_particles=n_particles)
        gate(both, both.learned)
        config = run.config
        rows.append(
            {
                "run": name,
                "settings": {k: getattr(config, k) for k in ("recipe", "flow", "iterations", "seed", "estimator")},
                "components": config.components,
                "sampled": config.sampled,
                "load_average": round(load, 2),
                **both.learned.to_dict(),
                **both.to_dict(),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Two lines a row: equal weights, learned weights."""
    lines = []
    for row in rows:
        for which in ("uniform", "learned"):
            e, first = row[which], which == "uniform"
            weights = "equal" if first else " ".join(f"{w:.3f}" for w in row["weights"])
            gain = "" if first else f"{row['gain']:+.4f} +- {row['gain_se']:.4f}" + ("" if row["kept"] else " (left)")
            lines.append(
                {
                    "run": row["run"],
                    "A": str(row["components"]),
                    "S": str(row["sampled"]),
                    "K": str(row["n_particles"]),
                    "weights": weights,
                    "gain": gain,
                    "ELBO": f"{e['elbo']:.4f} +- {e['elbo_se']:.4f}",
                    "LB-10": f"{e['lb10']:.4f} +- {e['lb10_se']:.4f}",
                    "-log ML (sd)": f"{-e['log_ml']:.3f} ({e['log_ml_std']:.3f})",
                    "pooled": f"{e['log_ml_pooled']:.4f} +- {e['log_ml_pooled_se']:.4f}",
                    "ESS": f"{e['relative_ess']:.3g}",
                }
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="*", type=Path, help="folders of runs")
    parser.add_argument("--repeats", type=int, default=100, help="of 1,000 draws of each component")
    parser.add_argument("--threads", type=int, help="of the likelihood; one per core if not given")
    parser.add_argument("--out", type=Path, default=RESULTS_FOLDER / "weights" / "weights.jsonl")
    parser.add_argument("--show", type=Path, help="print the table of a file, nothing else")
    options = parser.parse_args()
    if options.show is not None:
        lines = [json.loads(line) for line in options.show.read_text(encoding="utf-8").splitlines()]
        print_table(table([line for line in lines if "provenance" not in line]), COLUMNS)
        return
    set_threads(options.threads)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"provenance": describe()}) + "\n")
        for path in options.runs:
            rows = rows_of(path, path.name, options.repeats)
            file.writelines(json.dumps(row) + "\n" for row in rows)
            print_table(table(rows), COLUMNS)


if __name__ == "__main__":
    main()
