"""A few times in half a minute, beside those on record.

    python -m benchmarks.short [--record]

Log-likelihood and gradient in all branch lengths of a tree (JC69 on DS1 and DS8, GTR+G4 on DS1, as `likelihood.cpu`),
a step of training (primates, GTR+G4 inferred) and a round of local moves (50 taxa, 300 sites, GTR+G4), one thread. The
gates: values and gradients are those of the definition in torch, and the log-likelihood that a walk returns is that of
its tree, evaluated whole.

`results/short.json` has the times on record. Machines differ, so all times are divided by that of a piece of NumPy's
own work in the same run; the ratio of two machines still is only a rough one. `--record` writes the file anew.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, alternating_times, print_table
from benchmarks.large.rounds import TYPICAL, error_of, settled_chain
from benchmarks.likelihood import cpu, peers
from benchmarks.training.parameter_step import gate, problem_of, stepper
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.provenance import describe
from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap
from vbpi_mix.threads import set_threads

RECORD = RESULTS_FOLDER / "short.json"
LIKELIHOODS = (("DS1", "JC69"), ("DS8", "JC69"), ("DS1", "GTR+G4"))
_TREES = 20
_YARDSTICK = "NumPy"


def likelihood(data: str, model: str) -> Callable[[], object]:
    """Log-likelihoods and gradients of twenty trees, after the gate."""
    cpu.gate(data, model, ["float64"], {"vbpi_mix": peers.installed()["vbpi_mix"]})
    task = cpu.problem(data, model, "float64", _TREES)
    return partial(cpu.gradient, peers.ours(task), task.lengths)


def training_step() -> Callable[[], object]:
    """A step of training under an inferred model, after the gate."""
    alignment = read_alignment(resolve("primates"))
    problem, config = problem_of("primates", alignment, veryfasttree_bootstrap(alignment, 8, seed=1), "GTR+G4")
    gate(problem)
    return stepper(problem, config)[0]


def round_of_moves() -> Callable[[], object]:
    """The same round again and again, after the gate."""
    model, walker, particles = settled_chain("GTR+G4", 50, 300)
    particles = walker.move(particles, [np.random.default_rng(1)], rounds=10.0, typical=TYPICAL)
    error = error_of(model, particles)
    assert error < 1e-8, f"a walk's log-likelihood is wrong by {error}"
    return lambda: walker.move(particles, [np.random.default_rng(2)], rounds=1.0, typical=TYPICAL)


def yardstick() -> Callable[[], object]:
    """Products of matrices and exponentials that fit into the second level of the cache."""
    x = np.random.default_rng(1).random((120, 120))
    return lambda: [np.exp(-(x @ x)) for _ in range(10)]


def times() -> dict[str, float]:
    """Microseconds: of a tree, a step, a round, and of the yardstick."""
    set_threads(1)
    torch.set_num_threads(1)
    runs = {f"gradient, {data}, {model}": likelihood(data, model) for data, model in LIKELIHOODS}
    runs |= {"step, primates, GTR+G4": training_step(), "round, 50 taxa, GTR+G4": round_of_moves()}
    fastest = {name: min(t) * 1e6 for name, t in alternating_times({**runs, _YARDSTICK: yardstick()}).items()}
    return {name: t / (_TREES if name.startswith("gradient") else 1) for name, t in fastest.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write results/short.json")
    options = parser.parse_args()
    found = times()
    if options.record:
        content = {"provenance": describe(), "microseconds": found}
        RECORD.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    known = json.loads(RECORD.read_text(encoding="utf-8"))
    before, made = known["microseconds"], known["provenance"]
    machine = found[_YARDSTICK] / before[_YARDSTICK]
    rows = [
        {"what": name, "us": t, "us on record": before[name], "times as fast": f"{before[name] * machine / t:.2f}"}
        for name, t in found.items()
        if name != _YARDSTICK and name in before
    ]
    print_table(rows, ("what", "us", "us on record", "times as fast"))
    whose = f"commit {made['commit'][:7]}, {made['processor']}"
    print(f"on record: {whose}; NumPy's work takes {machine:.2f} times as long here")


if __name__ == "__main__":
    main()
