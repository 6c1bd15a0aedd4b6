"""Log marginal likelihoods of several fits of the same data, annealed to the standard error that is asked for.

    python -m benchmarks.large.repeated DS5 DS6 --fits 10 --error 0.04 -o FILE

Each fit has a seed of its own, and is trained anew: `vbpi-mix fit DATA --model JC69 --finish importance`, and then
`vbpi-mix anneal RUN --error ERROR`. Printed: the mean, and the standard deviation over fits beside the error that these
state. The gate: fits differ no more than their mean squared error explains (chi-squared, p > 0.001). Fits that are
there already are not repeated.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from benchmarks._common import print_table
from benchmarks.large.versus_mrbayes import timed
from vbpi_mix.provenance import describe

_SIGNIFICANT = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="names of benchmark sets, or alignments")
    parser.add_argument("--model", default="JC69")
    parser.add_argument("--fits", type=int, default=10)
    parser.add_argument("--error", type=float, default=0.04, help="standard error of each fit")
    parser.add_argument("--work", type=Path, default=Path("repeated"), help="folder of the runs")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    rows, p_values = [], []
    for data in options.data:
        fits = [estimate(data, seed, options) for seed in range(1, options.fits + 1)]
        values, errors = (np.array([f[key] for f in fits]) for key in ("log_ml", "error"))
        p_values.append(float(chi2.sf(np.sum((values - values.mean()) ** 2) / np.mean(errors**2), len(fits) - 1)))
        rows.append({
            "data": Path(data).stem, "mean": float(values.mean()), "sd": float(values.std(ddof=1)),
            "stated": float(np.sqrt(np.mean(errors**2))), "p": p_values[-1],
            "groups": float(np.mean([f["groups"] for f in fits])),
            "fit_cpu_s": float(np.mean([f["fit_seconds"] for f in fits])),
            "anneal_cpu_s": float(np.mean([f["anneal_seconds"] for f in fits])), "fits": fits,
        })  # fmt: skip
    columns = list(rows[0])[:-1]
    print_table([{k: f"{r[k]:.3f}" if isinstance(r[k], float) else r[k] for k in columns} for r in rows], columns)
    if options.output is not None:
        options.output.write_text(json.dumps({"provenance": describe(), "rows": rows}, indent=1) + "\n")
    if min(p_values) < _SIGNIFICANT:
        raise SystemExit("fits differ by more than their errors explain")


def estimate(data: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One fit: log marginal likelihood, its error, groups, processor seconds of both commands."""
    run = options.work / f"{Path(data).stem}_{seed}"
    done, fitted = run / "repeated.json", run / "fitted.json"
    if not fitted.is_file():
        fit = ("fit", data, "-o", str(run), "--model", options.model, "--seed", str(seed), "--finish", "importance")
        fitted.write_text(json.dumps(_processor_seconds(run, *fit)))
    if not done.is_file():
        further = _processor_seconds(run, "anneal", str(run), "--error", str(options.error))
        found = json.loads((run / "evaluation.json").read_text())["annealing"]
        done.write_text(
            json.dumps({
                "seed": seed, "log_ml": found["log_ml"], "error": found["log_ml_se"],
                "groups": found["n_groups"], "bridged": found["bridged"],
                "fit_seconds": json.loads(fitted.read_text()), "anneal_seconds": further,
            })
        )  # fmt: skip
    found = json.loads(done.read_text())
    print(f"{run.name}: {found['log_ml']:.3f} ± {found['error']:.3f}", flush=True)
    return found


def _processor_seconds(run: Path, *arguments: str) -> float:
    """Those of a command, which writes beside the folder of the run what it says."""
    log = run.with_name(f"{run.name}_{arguments[0]}.log")
    return timed([sys.executable, "-m", "vbpi_mix", *arguments], Path(), log)[1]


if __name__ == "__main__":
    main()
