"""Time of the JC69 log-likelihood and its gradient per tree: python benchmarks/likelihood.py [--output FILE].

First every engine has to give the same values and gradients as the reference; only then are they timed, in turns.
Times include everything a call does: checks, patterns into blocks, the autograd step. `gradient` is log-likelihood
and gradient together.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _common import alternating_medians, print_table, write_json_lines
from torch import Tensor

from vbpi_mix.felsenstein import jc69_log_likelihood, set_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import SitePatterns, TopologyBatch, merge_relabelled, random_topologies, site_patterns

DATA = Path(__file__).resolve().parent.parent / "data" / "alignments"
DATA_SETS = ("DS1", "DS3", "DS5", "DS8")
TOLERANCE = 1e-10  # relative to the largest entry
# the reference is hundreds of times slower: fewer trees and blocks are enough for its median
N_TREES = {"numba": 20, "reference": 2}
Engine = Callable[[Tensor, TopologyBatch, SitePatterns], Tensor]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """T trees with branch lengths on one data set."""

    data: str
    patterns: SitePatterns
    topologies: TopologyBatch
    lengths: Tensor


def engines() -> dict[str, Engine]:
    """Functions of branch lengths, topologies and patterns by name; other packages join here when installed."""

    def engine(backend: str) -> Engine:
        return lambda lengths, topologies, patterns: jc69_log_likelihood(lengths, topologies, patterns, backend=backend)

    return {backend: engine(backend) for backend in N_TREES}


def problem(data: str, n_trees: int) -> Problem:
    patterns = merge_relabelled(site_patterns(read_alignment(DATA / f"{data}.fasta")))
    generator = np.random.default_rng(1)
    topologies = random_topologies(n_trees, patterns.n_taxa, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(n_trees, topologies.n_edges)))
    return Problem(data=data, patterns=patterns, topologies=topologies, lengths=lengths)


def forward(engine: Engine, task: Problem) -> Tensor:
    with torch.no_grad():
        return engine(task.lengths, task.topologies, task.patterns)


def gradient(engine: Engine, task: Problem) -> Tensor:
    lengths = task.lengths.detach().requires_grad_()
    return torch.autograd.grad(engine(lengths, task.topologies, task.patterns).sum(), lengths)[0]


def check(data: str) -> None:
    """Stop unless all engines agree with the reference."""
    task = problem(data, 2)
    known = engines()
    for what in (forward, gradient):
        expected = what(known["reference"], task)
        for name, engine in known.items():
            error = float((what(engine, task) - expected).abs().max() / expected.abs().max())
            if not error <= TOLERANCE:
                raise SystemExit(f"{name} differs from the reference by {error:.1e} in {what.__name__} of {data}")


def measure(data: str, threads: int, *, with_reference: bool) -> list[dict[str, Any]]:
    """Rows of the table for one data set and number of threads."""
    set_threads(threads)
    torch.set_num_threads(threads)
    chosen = {name: e for name, e in engines().items() if with_reference or name != "reference"}
    tasks = {name: problem(data, N_TREES[name]) for name in chosen}
    rows = []
    for what in (forward, gradient):
        runs = {name: (lambda n=name, e=e, w=what: w(e, tasks[n])) for name, e in chosen.items()}
        for name, seconds in alternating_medians(runs).items():
            rows.append(
                {
                    "data": data,
                    "engine": f"vbpi_mix {name}",
                    "what": what.__name__,
                    "model": "JC69",
                    "threads": threads,
                    "dtype": "float64",
                    "us_per_tree": 1e6 * seconds / N_TREES[name],
                }
            )
    for row in rows:
        fastest = min(r["us_per_tree"] for r in rows if r["what"] == row["what"])
        row["ratio"] = row["us_per_tree"] / fastest
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=DATA_SETS)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "likelihood.jsonl")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for data in arguments.data:
        check(data)
        for threads in arguments.threads:
            rows += measure(data, threads, with_reference=threads == arguments.threads[0])
    print_table(rows, ["data", "engine", "what", "model", "threads", "dtype", "us_per_tree", "ratio"])
    one = {(r["data"], r["what"]): r["us_per_tree"] for r in rows if r["threads"] == 1 and "numba" in r["engine"]}
    for row in rows:
        if row["threads"] > 1 and (row["data"], row["what"]) in one:
            gain = one[row["data"], row["what"]] / row["us_per_tree"]
            print(f"{row['data']} {row['what']}: {row['threads']} threads are {gain:.2f} times one")
    write_json_lines(arguments.output, rows)
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
