"""Time of the log-likelihood and its gradient in all branch lengths, per tree, of every engine that is installed.

    python benchmarks/likelihood.py [--data DS1 ...] [--models JC69 ...] [--threads 1 2] [--output FILE]

First each engine has to give the values and gradients of the plain definition; only then are they timed, in turns, in
one process. Times include everything a call does: checks, transition matrices, the autograd step. `gradient` is
log-likelihood and gradient together. One line of JSON per figure, and a table.
"""

import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: its idle threads would keep the others' cores busy
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
from _common import alternating_times, print_table, summary, write_json_lines
from peers import Evaluate, Problem
from problems import problem as random_trees
from simulate import simulate
from torch import Tensor

from vbpi_mix.felsenstein import set_threads
from vbpi_mix.phylo import SitePatterns, TopologyBatch, site_patterns, stack

SIMULATED = {"sim200": 200, "sim1000": 1000}  # taxa; 1,000 sites
DATA = ("DS1", "DS3", "DS5", "DS8", *SIMULATED)
MODELS = {"JC69": "JC69", "GTR+G4": "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}"}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
# relative: of the values, of the gradients to the largest entry
TOLERANCE = {"float64": (1e-10, 1e-8), "float32": (1e-5, 1e-3)}
REQUIRED = (
    ("DS1", "JC69", "at most 105 us", lambda own, _: own <= 105),
    ("DS8", "JC69", "at most 120 us", lambda own, _: own <= 120),
    ("DS1", "JC69", "5 times physher", lambda own, other: other("physher") >= 5 * own),
    ("DS8", "JC69", "4.5 times physher", lambda own, other: other("physher") >= 4.5 * own),
    ("DS1", "JC69", "25 times torchtree", lambda own, other: other("torchtree") >= 25 * own),
    ("DS8", "JC69", "25 times torchtree", lambda own, other: other("torchtree") >= 25 * own),
    ("DS1", "GTR+G4", "2.5 times physher", lambda own, other: other("physher") >= 2.5 * own),
    ("DS8", "GTR+G4", "2.5 times physher", lambda own, other: other("physher") >= 2.5 * own),
)


@cache
def trees(data: str, n_trees: int) -> tuple[SitePatterns, TopologyBatch, Tensor]:
    """Random topologies with exponential lengths of mean 0.1; for simulated data the true tree, its lengths varied."""
    if data in SIMULATED:
        generator = np.random.default_rng(1)
        alignment, topology, true_lengths = simulate(SIMULATED[data], 1000, generator)
        lengths = true_lengths * generator.lognormal(0.0, 0.3, size=(n_trees, len(true_lengths)))
        return site_patterns(alignment), stack([topology] * n_trees), torch.from_numpy(lengths)
    known = random_trees(data, n_trees, merged=False)
    return known.patterns, known.topologies, known.lengths


def problem(data: str, model: str, dtype: str, n_trees: int) -> Problem:
    patterns, topologies, lengths = trees(data, n_trees)
    return Problem(
        data=data, model=MODELS[model], patterns=patterns, topologies=topologies, lengths=lengths, dtype=DTYPES[dtype]
    )


def n_trees_of(data: str, engine: str) -> int:
    """Enough of them for one call to be more than overhead, few enough for a call to be short."""
    return {"sim200": 8, "sim1000": 2}.get(data, 20) if engine == "vbpi_mix" else {"sim1000": 1}.get(data, 2)


def timed(
    what: Callable[[Evaluate, Tensor], Tensor], name: str, evaluate: Evaluate, lengths: Tensor, threads: int
) -> None:
    """One call; this package's kernels have their own threads, and its tensors are too small for several of torch's."""
    torch.set_num_threads(1 if name == "vbpi_mix" else threads)
    what(evaluate, lengths)


def forward(evaluate: Evaluate, lengths: Tensor) -> Tensor:
    with torch.no_grad():
        return evaluate(lengths)


def gradient(evaluate: Evaluate, lengths: Tensor) -> Tensor:
    leaf = lengths.detach().requires_grad_()
    values = evaluate(leaf)
    return torch.autograd.grad(values, leaf, torch.ones_like(values))[0]


def gate(data: str, model: str, dtypes: list[str], engines: dict[str, peers.Engine]) -> dict[tuple[str, str], float]:
    """Relative errors of the values by engine and type, of those engines that agree with the definition.

    This package has to, and everybody in float64; a peer's float32 that does not is left out, and said so.
    """
    task = problem(data, model, "float64", 1)
    exact = peers.definition(task)
    values, slopes = forward(exact, task.lengths), gradient(exact, task.lengths)
    errors = {}
    for dtype in dtypes:
        for name, engine in engines.items():
            if dtype == "float32" and not engine.float32:
                continue
            evaluate = engine.make(replace(task, dtype=DTYPES[dtype]))
            error = float(((forward(evaluate, task.lengths) - values) / values).abs().max())
            slope_error = float((gradient(evaluate, task.lengths) - slopes).abs().max() / slopes.abs().max())
            if error <= TOLERANCE[dtype][0] and slope_error <= TOLERANCE[dtype][1]:
                errors[name, dtype] = error
                continue
            message = f"{name}, {dtype}, is off by {error:.1e} (gradient {slope_error:.1e}) for {model} on {data}"
            if name == "vbpi_mix" or dtype == "float64":
                raise SystemExit(message)
            print(f"left out: {message}", flush=True)
    return errors


def measure(
    data: str,
    model: str,
    threads: int,
    dtype: str,
    engines: dict[str, peers.Engine],
    errors: dict[tuple[str, str], float],
) -> list[dict[str, Any]]:
    """Rows of the table for one problem, type and number of threads."""
    set_threads(threads)
    chosen = {
        name: engine for name, engine in engines.items() if (name, dtype) in errors and (engine.threads or threads == 1)
    }
    tasks = {name: problem(data, model, dtype, n_trees_of(data, name)) for name in chosen}
    evaluates = {name: engine.make(tasks[name]) for name, engine in chosen.items()}
    rows = []
    for what in (forward, gradient):
        runs = {
            name: partial(timed, what, name, evaluate, tasks[name].lengths, threads)
            for name, evaluate in evaluates.items()
        }
        load = os.getloadavg()[0]
        per_tree = {
            name: [1e6 * s / tasks[name].topologies.n_trees for s in seconds]
            for name, seconds in alternating_times(runs).items()
        }
        own = summary(per_tree["vbpi_mix"])
        for name, times in per_tree.items():
            figures = summary(times)
            rows.append(
                {
                    "data": data,
                    "engine": name,
                    "what": what.__name__,
                    "model": model,
                    "threads": threads,
                    "dtype": dtype,
                    "us_per_tree": round(figures["median"], 2),
                    "us_fastest_block": round(figures["fastest"], 2),
                    "ratio": round(figures["median"] / own["median"], 2),
                    "n_trees": tasks[name].topologies.n_trees,
                    "relative_error": errors[name, dtype],
                    "load_average": round(load, 2),
                }
            )
    return rows


def report(rows: list[dict[str, Any]]) -> None:
    columns = ["data", "model", "what", "threads", "dtype", "engine", "us_per_tree", "us_fastest_block", "ratio"]
    print_table(rows, columns)
    found = {
        (r["data"], r["model"], r["engine"]): r["us_per_tree"]
        for r in rows
        if (r["what"], r["threads"], r["dtype"]) == ("gradient", 1, "float64")
    }
    print("\nrequired of forward and gradient, one thread, float64:")
    for data, model, text, met in REQUIRED:
        if (data, model, "vbpi_mix") not in found:
            continue
        try:
            verdict = "yes" if met(found[data, model, "vbpi_mix"], lambda e, d=data, m=model: found[d, m, e]) else "NO"
        except KeyError:
            verdict = "not measured: the peer is not installed"
        print(f"  {data} {model} {text}: {verdict}")
    ours = {(r["data"], r["model"], r["what"], r["dtype"], r["threads"]): r for r in rows if r["engine"] == "vbpi_mix"}
    for (*which, threads), row in ours.items():
        alone = ours.get((*which, 1))
        if threads > 1 and alone is not None:
            gains = [alone[key] / row[key] for key in ("us_per_tree", "us_fastest_block")]
            print(f"  {' '.join(which)}: {threads} threads {gains[0]:.2f} times one (fastest blocks {gains[1]:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--engines", nargs="+", help="of those installed; all")
    folder = Path(__file__).parent / "results" / "likelihood"
    parser.add_argument("--output", type=Path, default=folder / "likelihood.jsonl")
    arguments = parser.parse_args()
    engines = {n: e for n, e in peers.installed().items() if arguments.engines is None or n in arguments.engines}
    rows: list[dict[str, Any]] = []
    for data in arguments.data:
        for model in arguments.models:
            errors = gate(data, model, arguments.dtypes, engines)
            for threads in arguments.threads:
                for dtype in arguments.dtypes:
                    rows += measure(data, model, threads, dtype, engines, errors)
            write_json_lines(arguments.output, rows)  # so far: a run takes many minutes
    report(rows)
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
