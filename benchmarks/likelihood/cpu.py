"""Time of the log-likelihood and its gradient in all branch lengths, per tree, of every engine that is installed.

    python -m benchmarks.likelihood.cpu [--data DS1 ...] [--models JC69 ...] [--threads 1 2] [--output FILE]
    python -m benchmarks.likelihood.cpu --show FILE ...

First each engine has to give the values and gradients of the plain definition; only then are they timed, in turns, in
one process. Times include everything a call does: checks, transition matrices, the autograd step. `gradient` is
log-likelihood and gradient together. Beside two threads stand two processes of one thread each that do the same work
at once: no two threads can gain more on the machine as it is at that moment. One line of JSON per figure, and a table.
"""

import argparse
import json
import os
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: its idle threads would keep the others' cores busy
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks._common import RESULTS_FOLDER, alternating_times, print_table, summary, write_json_lines
from benchmarks.calibration.simulate import simulate
from benchmarks.large.simulate import evolve_protein
from benchmarks.likelihood import peers
from benchmarks.likelihood.pair import Pair
from benchmarks.likelihood.peers import Evaluate, Problem
from benchmarks.likelihood.problems import problem as random_trees
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.phylo import SitePatterns, TopologyBatch, site_patterns, stack

SIMULATED = {"sim200": 200, "sim1000": 1000}  # taxa; 1,000 sites
PROTEINS = {"protein50": (50, 500), "protein20": (20, 300)}  # taxa and sites, evolved under LG+G4
DATA = ("DS1", "DS3", "DS5", "DS8", *SIMULATED, *PROTEINS)
MODELS = {
    "JC69": "JC69",
    "GTR+G4": "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}",
    "LG+G4": "LG+G4{0.5}",
}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
PAIR = "vbpi_mix, two processes"
BLOCKS = {"sim200": 9, "sim1000": 5}  # of each engine's time; 15 for the others
BLOCK_SECONDS = 0.1
# relative: of the values, of the gradients to the largest entry
TOLERANCE = {"float64": (1e-10, 1e-8), "float32": (1e-5, 1e-3)}


@cache
def trees(data: str, n_trees: int) -> tuple[SitePatterns, TopologyBatch, Tensor]:
    """Random topologies with exponential lengths of mean 0.1; for simulated data the true tree, its lengths varied."""
    if data in SIMULATED:
        generator = np.random.default_rng(1)
        alignment, topology, true_lengths = simulate(SIMULATED[data], 1000, generator)
        lengths = true_lengths * generator.lognormal(0.0, 0.3, size=(n_trees, len(true_lengths)))
        return site_patterns(alignment), stack([topology] * n_trees), torch.from_numpy(lengths)
    if data in PROTEINS:
        generator = np.random.default_rng(1)
        alignment, true_lengths, topology = evolve_protein(*PROTEINS[data], generator)
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
    set_threads(threads)
    torch.set_num_threads(1 if name == "vbpi_mix" else threads)
    what(evaluate, lengths)


def alone(data: str, model: str, dtype: str, what: str) -> Callable[[], object]:
    """What each process of a pair does: this package's work, on one thread."""
    task = problem(data, model, dtype, n_trees_of(data, "vbpi_mix"))
    return partial(timed, WHAT[what], "vbpi_mix", peers.ours(task), task.lengths, 1)


def forward(evaluate: Evaluate, lengths: Tensor) -> Tensor:
    with torch.no_grad():
        return evaluate(lengths)


def gradient(evaluate: Evaluate, lengths: Tensor) -> Tensor:
    leaf = lengths.detach().requires_grad_()
    values = evaluate(leaf)
    return torch.autograd.grad(values, leaf, torch.ones_like(values))[0]


WHAT = {"forward": forward, "gradient": gradient}


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
    dtype: str,
    engines: dict[str, peers.Engine],
    errors: dict[tuple[str, str], float],
    threads: dict[str, list[int]],
    pair: Pair | None,
) -> list[dict[str, Any]]:
    """Rows of the table for one problem and type.

    Arguments:
        data: its name.
        model: a key of MODELS.
        dtype: a key of DTYPES.
        engines: by name.
        errors: see `gate`.
        threads: numbers of threads by engine.
        pair: two processes that make `alone`; None: without them.
    """
    chosen = {name: engine for name, engine in engines.items() if (name, dtype) in errors}
    tasks = {name: problem(data, model, dtype, n_trees_of(data, name)) for name in chosen}
    evaluates = {name: engine.make(tasks[name]) for name, engine in chosen.items()}
    rows = []
    for what, function in WHAT.items():
        runs: dict[tuple[str, int], Callable[[], object]] = {
            (name, n): partial(timed, function, name, evaluate, tasks[name].lengths, n)
            for name, evaluate in evaluates.items()
            for n in threads[name]
        }
        n_trees = {key: float(tasks[key[0]].topologies.n_trees) for key in runs}
        if pair is not None:
            pair.prepare(data, model, dtype, what)
            n_calls = calls_per_block(runs["vbpi_mix", 1])
            runs[PAIR, 2] = partial(pair.run, n_calls)
            n_trees[PAIR, 2] = 2.0 * n_calls * n_trees["vbpi_mix", 1]
        load = os.getloadavg()[0]
        times = alternating_times(runs, n_blocks=BLOCKS.get(data, 15), block_seconds=BLOCK_SECONDS)
        figures = {key: summary([1e6 * s / n_trees[key] for s in seconds]) for key, seconds in times.items()}
        own = figures["vbpi_mix", threads["vbpi_mix"][0]]["median"]
        for (name, n), of_one in figures.items():
            engine = "vbpi_mix" if name == PAIR else name
            rows.append(
                {
                    "data": data,
                    "engine": name,
                    "what": what,
                    "model": model,
                    "threads": n,
                    "dtype": dtype,
                    "us_per_tree": round(of_one["median"], 2),
                    "us_fastest_block": round(of_one["fastest"], 2),
                    "ratio": round(of_one["median"] / own, 2),
                    "n_trees": tasks[engine].topologies.n_trees,
                    "relative_error": errors[engine, dtype],
                    "load_average": round(load, 2),
                }
            )
    return rows


def calls_per_block(run: Callable[[], object]) -> int:
    run()
    begun = time.perf_counter()
    run()
    return max(1, round(BLOCK_SECONDS / (time.perf_counter() - begun)))


KEYS = ("data", "model", "what", "dtype")


def report(rows: list[dict[str, Any]]) -> None:
    columns = ["data", "model", "what", "threads", "dtype", "engine", "us_per_tree", "us_fastest_block", "ratio"]
    print_table(rows, columns)
    figures = {(*(r[k] for k in KEYS), r["engine"], r["threads"]): r for r in rows}
    print("\ntimes as fast as one thread: medians, and in brackets fastest blocks")
    for row in rows:
        key = tuple(row[k] for k in KEYS)
        one, pair = figures.get((*key, "vbpi_mix", 1)), figures.get((*key, PAIR, 2))
        if row["engine"] == "vbpi_mix" and row["threads"] == 2 and one is not None:
            limit = "" if pair is None else f"; two processes {gains(one, pair)}"
            print(f"  {' '.join(key)}: two threads {gains(one, row)}{limit}")


def gains(one: dict[str, Any], other: dict[str, Any]) -> str:
    medians, fastest = (one[key] / other[key] for key in ("us_per_tree", "us_fastest_block"))
    return f"{medians:.2f} ({fastest:.2f})"


def read(paths: list[Path]) -> list[dict[str, Any]]:
    """Rows of result files."""
    lines = [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in lines if "provenance" not in row]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=DATA, default=DATA)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], help="of this package")
    parser.add_argument("--peer-threads", nargs="+", type=int, default=[1], help="of torch, when torchtree runs")
    parser.add_argument("--dtypes", nargs="+", choices=list(DTYPES), default=list(DTYPES))
    parser.add_argument("--engines", nargs="+", help="of those installed; all")
    folder = RESULTS_FOLDER / "likelihood"
    parser.add_argument("--output", type=Path, default=folder / "likelihood.jsonl")
    parser.add_argument("--show", nargs="+", type=Path, metavar="FILE", help="print the table of such files; no timing")
    arguments = parser.parse_args()
    if arguments.show is not None:
        report(read(arguments.show))
        return
    engines = {n: e for n, e in peers.installed().items() if arguments.engines is None or n in arguments.engines}
    own_threads = sorted(arguments.threads)
    threads = {name: arguments.peer_threads if engine.threads else [1] for name, engine in engines.items()}
    threads["vbpi_mix"] = own_threads
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        pair = stack.enter_context(Pair(alone)) if own_threads[:2] == [1, 2] else None
        for data in arguments.data:
            for model in arguments.models:
                if (model == "LG+G4") != (data in PROTEINS):
                    continue
                able = {name: engine for name, engine in engines.items() if model in engine.models}
                errors = gate(data, model, arguments.dtypes, able)
                for dtype in arguments.dtypes:
                    rows += measure(data, model, dtype, able, errors, threads, pair)
                write_json_lines(arguments.output, rows)  # so far: a run takes some minutes
    report(rows)
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
