"""Time per tree of the likelihood and its gradient on a GPU: python -m benchmarks.likelihood.gpu [--output FILE].

First the GPU kernels have to give the values and gradients of the compiled CPU kernels on trees of each data set; only
then are they timed, for batches of growing size, with the CPU kernels on all cores in the same run. Tensors are on the
device before and after; times include everything else a call does: checks, topologies and patterns copied to the
device, the autograd step. `gradient` is log-likelihood and gradient together. Float32 is timed below the autograd
step. `--block` and `--warps` try other shapes of programs.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks._common import RESULTS_FOLDER, alternating_medians, print_table, write_json_lines
from benchmarks.likelihood.problems import DATA, Problem, problem
from vbpi_mix.errors import BackendError
from vbpi_mix.felsenstein import get_threads, jc69_log_likelihood, spectral_log_likelihood, tree_log_likelihood
from vbpi_mix.felsenstein.gpu import backend as triton_backend
from vbpi_mix.felsenstein.gpu.launch import LAUNCH, Launch
from vbpi_mix.felsenstein.likelihood import spectral_matrices
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import substitution_model
from vbpi_mix.phylo import SitePatterns, TopologyBatch, site_patterns

DATA_SETS = ("DS1", "DS8")
GENERAL = "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}"
N_CHECKED = 4
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}  # relative to the largest entry
N_ON_CPU = 100
Function = Callable[..., Tensor]


def task_of(data: str, model: str, n_trees: int) -> Problem:
    """Trees of one data set; the patterns merged by relabelling only where the model allows it."""
    task = problem(data, n_trees)
    if model == "JC69":
        return task
    return replace(task, patterns=site_patterns(read_alignment(DATA / f"{data}.fasta")))


def arguments_of(model: str, task: Problem, device: torch.device) -> tuple[Function, list[Tensor]]:
    """The likelihood function of a model and its differentiable arguments on a device."""
    if model == "JC69":
        return jc69_log_likelihood, [task.lengths.to(device)]
    if model == "LG+G4":
        return partial(_protein_log_likelihood, constants=_protein_model(task, device)), [task.lengths.to(device)]
    general = substitution_model(GENERAL, task.patterns)
    tensors = (general.transition_matrices(task.lengths), general.root_frequencies(), general.category_weights())
    return tree_log_likelihood, [x.detach().to(device) for x in tensors]


def _protein_model(task: Problem, device: torch.device) -> list[Tensor]:
    """Eigenvalues, products of eigenvectors, frequencies and category weights of LG with rates of shape 0.5."""
    model = substitution_model("LG+G4{0.5}", task.patterns)
    spectrum = model.constant_spectrum()
    assert spectrum is not None
    return [x.detach().to(device) for x in (*spectrum, model.root_frequencies(), model.category_weights())]


def _protein_matrices(lengths: Tensor, task: Problem) -> list[Tensor]:
    """Transition matrices, generators, frequencies and category weights of `_protein_model`, on the lengths' device."""
    values, products, *rest = _protein_model(task, lengths.device)
    matrices = spectral_matrices(lengths.detach()[..., None, None] * values, products)
    return [matrices, torch.tensordot(values, products, 1), *rest]


def _protein_log_likelihood(
    lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, *, backend: str, constants: list[Tensor]
) -> Tensor:
    return spectral_log_likelihood(lengths, *constants, topologies, patterns, backend=backend)


def run(function: Function, inputs: list[Tensor], task: Problem, backend: str, *, gradient: bool) -> list[Tensor]:
    """Values and, if wanted, gradients, complete on the device."""
    return run_with(partial(function, backend=backend), inputs, task, gradient=gradient)


def run_float64(
    model: str, inputs: list[Tensor], task: Problem, *, gradient: bool, launch: Launch = LAUNCH
) -> list[Tensor]:
    """As `run` on the device, with a launch of the kernels."""
    functions = {"JC69": triton_backend.jc69_log_likelihood, "LG+G4": partial(_timed_log_likelihood, task=task)}
    function = functions.get(model, triton_backend.tree_log_likelihood)
    return run_with(partial(function, launch=launch), inputs, task, gradient=gradient)


def _timed_log_likelihood(
    lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, *, task: Problem, launch: Launch
) -> Tensor:
    """As `_protein_log_likelihood` on the device."""
    matrices, *rest = _protein_matrices(lengths, task)
    times = lengths[:, :, None].expand(matrices.shape[:3])
    return triton_backend.timed_log_likelihood(times, matrices, *rest, topologies, patterns, launch)


def run_with(function: Function, inputs: list[Tensor], task: Problem, *, gradient: bool) -> list[Tensor]:
    with torch.set_grad_enabled(gradient):
        leaves = [x.detach().requires_grad_(gradient) for x in inputs]
        values = function(*leaves, task.topologies, task.patterns)
        results = [values.detach(), *(torch.autograd.grad(values.sum(), leaves) if gradient else ())]
    synchronise(values.device)
    return results


def run_float32(
    model: str, inputs: list[Tensor], task: Problem, *, gradient: bool, launch: Launch = LAUNCH
) -> list[Tensor]:
    """As `run`, with the GPU kernels in float32 and a launch of them."""
    given: dict[str, Any] = {"with_gradient": gradient, "dtype": torch.float32, "launch": launch}
    if model == "JC69":
        results = triton_backend.jc69(*inputs, task.topologies, task.patterns, **given)
    elif model == "LG+G4":
        matrices, generators, *rest = _protein_matrices(inputs[0], task)
        value, of_times, *_ = triton_backend.general(
            matrices, *rest, task.topologies, task.patterns, generators=generators, **given
        )
        results = value, of_times.sum(dim=2)
    else:
        results = triton_backend.general(*inputs, task.topologies, task.patterns, **given)
    synchronise(inputs[0].device)
    if not gradient:
        return [results[0]]
    return [results[0], *(g if g.shape == x.shape else g.sum(dim=0) for g, x in zip(results[1:], inputs, strict=True))]


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def largest_errors(model: str, task: Problem, device: torch.device, launch: Launch = LAUNCH) -> dict[str, float]:
    """Largest difference to the CPU kernels by type, relative to the largest entry; SystemExit beyond the tolerance."""
    function, inputs = arguments_of(model, task, device)
    expected = run(function, [x.cpu() for x in inputs], task, "numba", gradient=True)
    ours = {
        torch.float64: run_float64(model, inputs, task, gradient=True, launch=launch),
        torch.float32: run_float32(model, inputs, task, gradient=True, launch=launch),
    }
    errors = {}
    for dtype, results in ours.items():
        error = errors[str(dtype)] = max(
            float((own.cpu() - cpu).abs().max() / cpu.abs().max()) for own, cpu in zip(results, expected, strict=True)
        )
        if not error <= TOLERANCE[dtype]:
            raise SystemExit(f"wrong: triton, {dtype}, differs from numba by {error:.1e}: {task.data}, {model}")
    return errors


def measure(
    data: str, model: str, batches: list[int], device: torch.device, launch: Launch = LAUNCH
) -> list[dict[str, Any]]:
    """Rows of the table for one data set and model."""
    rows = []
    cpu_task = task_of(data, model, N_ON_CPU)
    cpu_function, cpu_inputs = arguments_of(model, cpu_task, torch.device("cpu"))
    for n_trees in batches:
        task = task_of(data, model, n_trees)
        _, inputs = arguments_of(model, task, device)
        for what in ("forward", "gradient"):
            gradient = what == "gradient"
            # what is bound in a lambda is what it is called with: the loop goes on
            runs: dict[str, Callable[[], object]] = {
                "triton float64": lambda i=inputs, t=task, g=gradient: run_float64(
                    model, i, t, gradient=g, launch=launch
                ),
                "triton float32": lambda i=inputs, t=task, g=gradient: run_float32(
                    model, i, t, gradient=g, launch=launch
                ),
                "numba float64": lambda g=gradient: run(cpu_function, cpu_inputs, cpu_task, "numba", gradient=g),
            }
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            seconds = alternating_medians(runs, n_blocks=7)
            peak = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
            on_cpu = 1e6 * seconds["numba float64"] / N_ON_CPU
            for name, time in seconds.items():
                engine, dtype = name.split()
                count = N_ON_CPU if engine == "numba" else n_trees
                per_tree = 1e6 * time / count
                rows.append(
                    {
                        "data": data,
                        "engine": f"vbpi_mix {engine}",
                        "what": what,
                        "model": "JC69" if model == "JC69" else "GTR+G4",
                        "trees": count,
                        "threads": get_threads() if engine == "numba" else 1,
                        "dtype": dtype,
                        "us_per_tree": per_tree,
                        "faster than cpu": on_cpu / per_tree,
                        "peak GiB": peak,
                    }
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=DATA_SETS)
    parser.add_argument("--models", nargs="+", choices=("JC69", "general"), default=["JC69", "general"])
    parser.add_argument("--batches", nargs="+", type=int, default=[10, 100, 1000, 4000])
    parser.add_argument("--block", type=int, default=LAUNCH.block, help="patterns per program, a power of 2")
    parser.add_argument("--warps", type=int, default=LAUNCH.n_warps, help="warps per program")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "likelihood_gpu.jsonl")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("no CUDA device: this benchmark needs a GPU and a torch built for it")
    device = torch.device("cuda")
    launch = LAUNCH._replace(block=arguments.block, n_warps=arguments.warps)
    name = torch.cuda.get_device_name(device)
    print(f"{name}, {arguments.block} patterns and {arguments.warps} warps per program")
    rows: list[dict[str, Any]] = []
    try:
        for data in arguments.data:
            for model in arguments.models:
                largest_errors(model, task_of(data, model, N_CHECKED), device, launch)
                rows += measure(data, model, arguments.batches, device, launch)
    except BackendError as error:
        raise SystemExit(f"error: {error}") from error
    print_table(
        rows,
        ["data", "engine", "what", "model", "trees", "threads", "dtype", "us_per_tree", "faster than cpu", "peak GiB"],
    )
    shape = {"device": name, "block": arguments.block, "warps": arguments.warps}
    write_json_lines(arguments.output, [row | shape for row in rows])
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
