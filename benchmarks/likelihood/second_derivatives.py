"""Time per tree of second derivatives in the branch lengths.

    python -m benchmarks.likelihood.second_derivatives [--output FILE]

First they have to agree with central differences of the gradient; then gradient, diagonal, Hessian and a product with
a vector are timed in turns, under JC69 and GTR+G4, all with the making of transition matrices. `ratio` is to the
gradient; central differences of it take 2E gradients for a Hessian.
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks._common import RESULTS_FOLDER, alternating_medians, print_table, write_json_lines
from benchmarks.likelihood.problems import Problem, problem
from vbpi_mix.felsenstein import (
    jc69_hessian,
    jc69_hessian_vector,
    jc69_log_likelihood,
    jc69_second_derivatives,
    set_threads,
    tree_hessian,
    tree_hessian_vector,
    tree_second_derivatives,
)
from vbpi_mix.model import PhyloModel, ReversibleModel, SiteRates

N_TREES = 20
STEP = 1e-6
TOLERANCE = 1e-5  # of differences, relative to the largest entry
MODELS = ("JC69", "GTR+G4")
GTR = ReversibleModel(
    torch.tensor([1.2, 3.1, 0.7, 0.9, 4.0, 1.0], dtype=torch.float64),
    torch.tensor([0.3, 0.2, 0.2, 0.3], dtype=torch.float64),
    site_rates=SiteRates(gamma_shape=torch.tensor(0.5, dtype=torch.float64)),
)


def general(task: Problem) -> tuple[Any, ...]:
    """The arguments of the functions for any model."""
    matrices = GTR.transition_derivatives(task.lengths)
    return *matrices, GTR.root_frequencies(), GTR.category_weights(), task.topologies, task.patterns


def gradient(task: Problem, model: str) -> torch.Tensor:
    lengths = task.lengths.detach().requires_grad_()
    if model == "JC69":
        value = jc69_log_likelihood(lengths, task.topologies, task.patterns)
    else:
        target = PhyloModel(task.patterns, task.topologies.n_taxa, substitution_model=GTR)
        value = target.log_likelihood(lengths, task.topologies)
    return torch.autograd.grad(value.sum(), lengths)[0]


def diagonal(task: Problem, model: str) -> torch.Tensor:
    if model == "JC69":
        return jc69_second_derivatives(task.lengths, task.topologies, task.patterns)[2]
    return tree_second_derivatives(*general(task))[2]


def product(task: Problem, model: str) -> torch.Tensor:
    vectors = torch.ones_like(task.lengths)
    if model == "JC69":
        return jc69_hessian_vector(task.lengths, task.topologies, task.patterns, vectors)
    return tree_hessian_vector(*general(task), vectors)


def hessian(task: Problem, model: str) -> torch.Tensor:
    if model == "JC69":
        return jc69_hessian(task.lengths, task.topologies, task.patterns)
    return tree_hessian(*general(task))


FUNCTIONS = {"gradient": gradient, "diagonal": diagonal, "product": product, "hessian": hessian}


def moved(task: Problem, by: float) -> Problem:
    return replace(task, lengths=task.lengths + by)


def check(data: str, model: str) -> None:
    """Stop unless a product with a vector is the difference of gradients, and the others agree with products."""
    task = moved(problem(data, 2, merged=model == "JC69"), 0.01)
    entries = hessian(task, model)
    differences = (gradient(moved(task, STEP), model) - gradient(moved(task, -STEP), model)) / (2 * STEP)
    pairs = (
        (product(task, model), differences),
        (entries.sum(dim=2), product(task, model)),
        (diagonal(task, model), entries.diagonal(dim1=1, dim2=2)),
    )
    for ours, expected in pairs:
        error = float((ours - expected).abs().max() / expected.abs().max())
        if not error <= TOLERANCE:
            raise SystemExit(f"second derivatives under {model} are wrong by {error:.1e} on {data}")


def measure(data: str, model: str) -> list[dict[str, Any]]:
    task = problem(data, N_TREES, merged=model == "JC69")
    seconds = alternating_medians({what: partial(f, task, model) for what, f in FUNCTIONS.items()})
    return [
        {
            "data": data,
            "engine": "vbpi_mix numba",
            "what": what,
            "model": model,
            "threads": 1,
            "dtype": "float64",
            "us_per_tree": 1e6 * time / N_TREES,
            "ratio": time / seconds["gradient"],
            "edges": task.topologies.n_edges,
        }
        for what, time in seconds.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["DS1", "DS8"])
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "second_derivatives.jsonl")
    arguments = parser.parse_args()
    set_threads(1)
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for data in arguments.data:
        for model in MODELS:
            check(data, model)
            rows += measure(data, model)
    print_table(rows, ["data", "model", "edges", "what", "threads", "us_per_tree", "ratio"])
    write_json_lines(arguments.output, rows)
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
