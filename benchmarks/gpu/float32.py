"""The error of the GPU kernels in float32, without a GPU: TRITON_INTERPRET=1 python -m benchmarks.gpu.float32.

Triton's interpreter does the arithmetic of the kernels in NumPy, on the data sets of the repository, on made-up data
of 100 taxa (LG+G4 there too) and random trees; the compiled CPU kernels give the values in float64. Lengths are
exponential with mean 0.1. Errors are absolute for log-likelihoods, in nats, and relative to the largest entry for
their derivatives.
"""

import argparse
import json
import os
from pathlib import Path

import torch

from benchmarks._common import RESULTS_FOLDER, print_table
from benchmarks.gpu.run import models_of, trees_on
from benchmarks.likelihood.gpu import arguments_of, run, run_float32
from vbpi_mix.felsenstein.gpu.launch import Launch
from vbpi_mix.provenance import describe

DATA_SETS = (*(f"DS{i}" for i in range(1, 9)), "simulated100")
LAUNCH = Launch(block=1024)  # the interpreter takes as long for many patterns as for few


def errors(data: str, model: str, n_trees: int) -> dict[str, object]:
    """Errors of log-likelihoods and derivatives on one data set."""
    task = trees_on(data, model, n_trees)
    function, inputs = arguments_of(model, task, torch.device("cpu"))
    exact = run(function, inputs, task, "numba", gradient=True)
    rough = run_float32(model, inputs, task, gradient=True, launch=LAUNCH)
    values = float((rough[0] - exact[0]).abs().max())
    derivatives = max(float((r - e).abs().max() / e.abs().max()) for r, e in zip(rough[1:], exact[1:], strict=True))
    return {
        "data": data, "model": model, "trees": n_trees, "log_likelihood": float(exact[0].mean()),
        "error_nats": values, "error_derivatives": derivatives,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=DATA_SETS, help="data sets")
    parser.add_argument("--trees", type=int, default=1, help="trees on each")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "gpu" / "float32.json", help="the record")
    options = parser.parse_args()
    if os.environ.get("TRITON_INTERPRET") != "1":
        raise SystemExit("set TRITON_INTERPRET=1: this runs in Triton's interpreter")
    rows = [errors(data, model, options.trees) for data in options.data for model in models_of(data)]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({"provenance": describe(), "rows": rows}, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        row["error_nats"], row["error_derivatives"] = f"{row['error_nats']:.1e}", f"{row['error_derivatives']:.1e}"
    print_table(rows, list(rows[0]))
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
