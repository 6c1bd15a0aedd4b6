"""Invariable sites beside a gamma distribution, or free rates: which one the marginal likelihood prefers.

    python -m benchmarks.questions.rate_models data/examples/primates.fasta data/examples/woodmouse.fasta

Every alignment is fitted by `vbpi-mix models` under both models, once for each seed. Seeds agree where their log
marginal likelihoods differ by no more than three standard errors of the difference.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines
from vbpi_mix.io.alignments import read_alignment


def compared(path: Path, models: list[str], seed: int, threads: int) -> list[dict[str, Any]]:
    """The rows of `vbpi-mix models`, in the order of the models."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "models.json"
        names, numbers = ",".join(models), ["--seed", str(seed), "--threads", str(threads)]
        command = [sys.executable, "-m", "vbpi_mix", "models", str(path), "-m", names, *numbers, "-q", "-o", str(table)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(table.read_text(encoding="utf-8"))["models"]
    by_model = {row["model"]: row for row in rows}
    return [by_model[model] for model in models]


def row_of(path: Path, models: list[str], by_seed: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """One alignment: the estimates of every seed, and the difference of the models by their means."""
    alignment = read_alignment(path)
    row: dict[str, Any] = {"data": path.stem, "taxa": alignment.n_taxa, "sites": alignment.n_sites, "models": models}
    means = []
    for i, name in enumerate(models):
        values = [rows[i]["log_evidence"] for rows in by_seed]
        errors = [rows[i]["log_evidence_se"] for rows in by_seed]
        means.append(sum(values) / len(values))
        row |= {f"model {i + 1}": name, f"log ML {i + 1}": [round(x, 3) for x in values]}
        row |= {
            f"errors {i + 1}": [round(x, 3) for x in errors],
            f"k {i + 1}": [rows[i]["pareto_k"] for rows in by_seed],
        }
        row[f"agree {i + 1}"] = max(values) - min(values) <= 3 * math.hypot(max(errors), sorted(errors)[-2])
        row[f"parameters {i + 1}"] = by_seed[0][i]["parameters"]
    row["second less first"] = means[1] - means[0]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("alignments", nargs="+", type=Path)
    parser.add_argument("--models", nargs=2, default=["GTR+I+G4", "GTR+R4"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "questions" / "rate_models.jsonl")
    options = parser.parse_args()
    if len(options.seeds) < 2:
        parser.error("--seeds: two at least are compared")
    rows = []
    for path in options.alignments:
        by_seed = [compared(path, options.models, seed, options.threads) for seed in options.seeds]
        rows.append(row_of(path, options.models, by_seed))
        columns = ["data", "log ML 1", "errors 1", "log ML 2", "errors 2", "agree 1", "agree 2", "second less first"]
        print_table(rows, columns)
        sys.stdout.flush()
        write_json_lines(options.output, rows)


if __name__ == "__main__":
    main()
