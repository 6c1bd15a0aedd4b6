"""Invariable sites beside a gamma distribution, or free rates: which one the marginal likelihood prefers.

    python -m benchmarks.questions.rate_models data/examples/primates.fasta --iterations 3000

Every alignment is fitted by `vbpi-mix fit` under both models, once for each seed, with annealing where importance
weights are not dependable. Seeds agree where their log marginal likelihoods differ by no more than three standard
errors of the difference, each at least 0.05 nats: those of a few groups of particles are known to a third.
"""

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks._common import RESULTS_FOLDER, final_log_ml, print_table, write_json_lines
from vbpi_mix.io.alignments import read_alignment

_LEAST_ERROR = 0.05


def fitted(path: Path, model: str, seed: int, more: list[str]) -> dict[str, Any]:
    """What a fit in a folder of its own says of the marginal likelihood."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = ["fit", str(path), "--model", model, "--seed", str(seed), "-q", "-o", str(run), *more]
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "vbpi_mix", *words], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - begun
        found = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    log_ml, error = final_log_ml(found)
    return {
        "log_ml": log_ml, "error": error, "finish": found["finish"], "seconds": seconds,
        "verdict": found["verdict"]["text"],
        "parameters": {name: row["mean"] for name, row in found["parameters"].items()},
    }  # fmt: skip


def row_of(path: Path, models: list[str], by_seed: list[list[dict[str, Any]]]) -> dict[str, Any]:
    """One alignment: the estimates of every seed, and the difference of the models by their means."""
    alignment = read_alignment(path)
    row: dict[str, Any] = {"data": path.stem, "taxa": alignment.n_taxa, "sites": alignment.n_sites, "models": models}
    means = []
    for i, name in enumerate(models):
        fits = [of_models[i] for of_models in by_seed]
        values, errors = [fit["log_ml"] for fit in fits], sorted(max(fit["error"], _LEAST_ERROR) for fit in fits)
        means.append(sum(values) / len(values))
        row |= {f"model {i + 1}": name, f"log ML {i + 1}": [round(x, 3) for x in values]}
        row |= {f"errors {i + 1}": [round(fit["error"], 3) for fit in fits]}
        row |= {f"{word} {i + 1}": [fit[word] for fit in fits] for word in ("finish", "verdict")}
        row[f"seconds {i + 1}"] = [round(fit["seconds"], 1) for fit in fits]
        row[f"agree {i + 1}"] = max(values) - min(values) <= 3 * math.hypot(*errors[-2:])
        row[f"parameters {i + 1}"] = fits[0]["parameters"]
    row["second less first"] = means[1] - means[0]
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("alignments", nargs="+", type=Path)
    parser.add_argument("--models", nargs=2, default=["GTR+I+G4", "GTR+R4"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--iterations", type=int, help="of the training; annealing makes up for few")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "questions" / "rate_models.jsonl")
    options = parser.parse_args()
    if len(options.seeds) < 2:
        parser.error("--seeds: two at least are compared")
    more = ["--threads", str(options.threads)]
    if options.iterations is not None:
        more += ["--iterations", str(options.iterations)]
    rows = []
    for path in options.alignments:
        by_seed = [[fitted(path, m, seed, more) for m in options.models] for seed in options.seeds]
        rows.append(row_of(path, options.models, by_seed))
        columns = ["data", "log ML 1", "errors 1", "log ML 2", "errors 2", "agree 1", "agree 2", "second less first"]
        print_table(rows, columns)
        sys.stdout.flush()
        write_json_lines(options.output, rows)


if __name__ == "__main__":
    main()
