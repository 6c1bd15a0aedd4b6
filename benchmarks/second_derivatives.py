"""Time per tree of second derivatives in the branch lengths: python benchmarks/second_derivatives.py [--output FILE].

First they have to agree with central differences of the gradient; then gradient, diagonal, Hessian and a product with
a vector are timed in turns. `ratio` is to the gradient; central differences of it take 2E gradients for a Hessian.
"""

import argparse
from pathlib import Path
from typing import Any

import torch
from _common import alternating_medians, print_table, write_json_lines
from problems import Problem, problem

from vbpi_mix.felsenstein import jc69_log_likelihood, set_threads
from vbpi_mix.felsenstein.second_derivatives import jc69_hessian, jc69_hessian_vector, jc69_second_derivatives

N_TREES = 20
STEP = 1e-6
TOLERANCE = 1e-5  # of differences, relative to the largest entry


def gradient(task: Problem) -> torch.Tensor:
    lengths = task.lengths.detach().requires_grad_()
    return torch.autograd.grad(jc69_log_likelihood(lengths, task.topologies, task.patterns).sum(), lengths)[0]


def check(data: str) -> None:
    """Stop unless a product with a vector is the difference of gradients, and the others agree with products."""
    task = problem(data, 2)
    inputs = (task.topologies, task.patterns)
    vectors = torch.ones_like(task.lengths)
    product = jc69_hessian_vector(task.lengths + 0.01, *inputs, vectors)
    hessian = jc69_hessian(task.lengths + 0.01, *inputs)
    diagonal = jc69_second_derivatives(task.lengths + 0.01, *inputs)[2]
    up, down = (
        gradient(
            Problem(data=data, patterns=task.patterns, topologies=task.topologies, lengths=task.lengths + 0.01 + s)
        )
        for s in (STEP, -STEP)
    )
    pairs = (
        (product, (up - down) / (2 * STEP)),
        (hessian.sum(dim=2), product),
        (diagonal, hessian.diagonal(dim1=1, dim2=2)),
    )
    for ours, expected in pairs:
        error = float((ours - expected).abs().max() / expected.abs().max())
        if not error <= TOLERANCE:
            raise SystemExit(f"second derivatives are wrong by {error:.1e} on {data}")


def measure(data: str) -> list[dict[str, Any]]:
    task = problem(data, N_TREES)
    inputs = (task.lengths, task.topologies, task.patterns)
    vectors = torch.ones_like(task.lengths)
    seconds = alternating_medians(
        {
            "gradient": lambda: gradient(task),
            "diagonal": lambda: jc69_second_derivatives(*inputs),
            "product": lambda: jc69_hessian_vector(*inputs, vectors),
            "hessian": lambda: jc69_hessian(*inputs),
        }
    )
    return [
        {
            "data": data,
            "engine": "vbpi_mix numba",
            "what": what,
            "model": "JC69",
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
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "second_derivatives.jsonl")
    arguments = parser.parse_args()
    set_threads(1)
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for data in arguments.data:
        check(data)
        rows += measure(data)
    print_table(rows, ["data", "edges", "what", "threads", "us_per_tree", "ratio"])
    write_json_lines(arguments.output, rows)
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
