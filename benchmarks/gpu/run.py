"""Likelihood, training, fleets, images, annealing and the start on a GPU beside a CPU: python -m benchmarks.gpu.run.

At most eight minutes on a GPU. Correctness comes first: values and gradients of the likelihood on every data set, a
training step, a step of the 48 models of a column of Table 3 together, one on images, and branch lengths and weights of
topologies must equal those of the CPU, as far as each of them says. If they do not, nothing is timed. Then, in this
order, training steps, the fleet, an epoch of MNIST with the published networks, 2,000 particles of 100 taxa annealed
beside walks on two cores (`annealing`), a thousand topologies weighed (`start`), and trees per second of the likelihood
and its gradient for batches of growing size, in float64 and float32, with the CPU kernels on all cores in the same run.
Measurements for which the time did not suffice are listed in the record, as is what this script has no measurement for.

`--tiny` runs the same path on six taxa in seconds: on a GPU, or in Triton's interpreter (TRITON_INTERPRET=1), where its
times say nothing. Without either the script says that there is no GPU, with exit status 2.
"""

import argparse
import copy
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, alternating_medians, print_table
from benchmarks.gpu import fleet, images, start
from benchmarks.gpu.annealing import TINY, WHOLE, compare_annealing
from benchmarks.likelihood.gpu import arguments_of, largest_errors, run, run_float32, synchronise
from benchmarks.likelihood.problems import DATA, Problem
from vbpi_mix.estimators import Objective
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.felsenstein.gpu.launch import LAUNCH
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import DNA, SitePatterns, merge_relabelled, random_topologies, site_patterns
from vbpi_mix.phylo.data_type import PROTEIN
from vbpi_mix.provenance import describe
from vbpi_mix.support import build_support
from vbpi_mix.train import TrainSettings, fit
from vbpi_mix.variational import PhyloMixture, PhyloProblem

DATA_SETS = ("DS1", "DS8", "simulated100", "simulated1000")
BATCHES = (1, 10, 100, 1000, 10_000)
STEPS = (  # data, model, components, particles
    ("DS1", "JC69", 4, 10),
    ("DS1", "JC69", 4, 100),
    ("DS8", "JC69", 4, 100),
    ("DS1", "JC69", 48, 10),
    ("simulated100", "LG+G4", 4, 10),
)
N_CHECKED = 4
N_ON_CPU = 100
# trees times taxa: transition matrices take 0.5 kB an edge with four states, 13 kB with twenty
LARGEST = {"GTR+G4": 1_000_000, "LG+G4": 100_000}
NOT_IN_HERE = (
    "candidates and local moves of the start, which the CPU makes",
    *(f"{model} on more than {largest:,} trees times taxa" for model, largest in LARGEST.items()),
)
PARTS = ("steps", "fleet", "images", "annealing", "start", "likelihood")  # of the record
Rows = list[dict[str, Any]]


class Clock:
    """What is left of the time, and the measurements that it did not suffice for."""

    def __init__(self, seconds: float) -> None:
        self._until = time.perf_counter() + seconds
        self.left_out: list[str] = []

    def allows(self, what: str, seconds: float = 0.0) -> bool:
        if time.perf_counter() + seconds < self._until:
            return True
        self.left_out.append(what)
        return False


def models_of(data: str) -> tuple[str, ...]:
    """Models measured on a data set: that of proteins where the data are made up, up to 100 taxa."""
    return ("JC69", "GTR+G4", "LG+G4") if data in ("simulated6", "simulated100") else ("JC69", "GTR+G4")


def patterns_of(data: str, model: str) -> SitePatterns:
    """Site patterns of a data set, merged by relabelling for JC69; simulated ones are random sites.

    There are 1,000 of them, or 500 of amino acids; 5 for six taxa.
    """
    if data.startswith("DS"):
        patterns = site_patterns(read_alignment(DATA / f"{data}.fasta"))
        return merge_relabelled(patterns) if model == "JC69" else patterns
    n_taxa = int(data.removeprefix("simulated"))
    data_type = PROTEIN if model == "LG+G4" else DNA
    n_patterns = 5 if n_taxa == 6 else 500 if data_type == PROTEIN else 1000
    sets = 1 << np.random.default_rng(n_taxa).integers(0, data_type.n_states, size=(n_taxa, n_patterns))
    return SitePatterns(
        state_sets=sets.astype(data_type.dtype), weights=np.ones(n_patterns), data_type=data_type
    )  # fmt: skip


def trees_on(data: str, model: str, n_trees: int) -> Problem:
    """Random trees with lengths of mean 0.1; beyond 100 the same topologies and lengths over and over."""
    patterns = patterns_of(data, model)
    generator = np.random.default_rng(1)
    topologies = random_topologies(min(n_trees, 100), patterns.n_taxa, generator)
    lengths = generator.exponential(0.1, size=(topologies.n_trees, topologies.n_edges))
    again = np.arange(n_trees) % topologies.n_trees
    return Problem(data=data, patterns=patterns, topologies=topologies[again], lengths=torch.from_numpy(lengths[again]))


def step_problem(data: str, model: str, n_components: int) -> PhyloProblem:
    """A mixture with the flow `skew` on a support of random trees, its parameters random; the model's are inferred."""
    patterns = patterns_of(data, model)
    generator = np.random.default_rng(2)
    support = build_support(random_topologies(20, patterns.n_taxa, generator))
    target = PhyloModel(patterns, patterns.n_taxa, substitution_model=model)
    mixture = PhyloMixture(
        support, n_components=n_components, flow="skew", n_parameters=target.parameters.n_coordinates
    )  # fmt: skip
    with torch.no_grad():
        mixture.networks.logits.copy_(torch.from_numpy(generator.normal(size=tuple(mixture.networks.logits.shape))))
        mixture.branches.base.table[..., 0] -= 1.0
    return PhyloProblem(target, mixture)


def objective_of(n_components: int, n_particles: int) -> Objective:
    return Objective(estimator="a2a", n_components=n_components, n_sampled=n_components, n_particles=n_particles)


def check_step(data: str, model: str, device: torch.device) -> dict[str, float]:
    """Differences of bound and gradients of a step, relative to the largest entry; SystemExit if they are not small."""
    compiled = step_problem(data, model, 2)
    placed = copy.deepcopy(compiled)
    placed.place(device)
    bounds = []
    for each in (compiled, placed):
        step = objective_of(2, 2).step(each, torch.Generator().manual_seed(3))
        step.loss.backward()
        bounds.append(float(step.bound))
    errors = {"bound": abs(bounds[1] / bounds[0] - 1)}
    for (name, ours), theirs in zip(compiled.named_parameters(), placed.parameters(), strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        errors[name] = float((theirs.grad.cpu() - ours.grad).abs().max() / ours.grad.abs().max())
    worst = max(errors.values())
    if not worst < 1e-8:
        raise SystemExit(f"wrong: a training step on {device} differs from the CPU's by {worst:.1e} on {data}, {model}")
    return errors


def step_rows(
    data: str, model: str, n_components: int, n_particles: int, device: torch.device, n_steps: int
) -> Rows:  # fmt: skip
    """Milliseconds of a training step, optimiser included, on the device and on the CPU."""
    rows: Rows = []
    for name, where in (("device", device), ("cpu", None)):
        problem = step_problem(data, model, n_components)
        rates = dict.fromkeys(problem.parameter_groups(), 0.001)
        seconds = []
        for n in (n_steps, 2 * n_steps):  # the first run compiles
            result = fit(
                problem,
                objective_of(n_components, n_particles),
                TrainSettings(n_iterations=n, learning_rates=rates),
                generator=torch.Generator().manual_seed(1),
                device=where,
            )
            seconds.append(result.seconds / n)
        rows.append(
            {"data": data, "model": model, "components": n_components, "particles": n_particles, "on": name,
             "ms_per_step": 1e3 * seconds[1], "trees_per_second": n_components * n_particles / seconds[1]}
        )  # fmt: skip
    return rows


def likelihood_rows(
    data: str, model: str, n_trees: int, device: torch.device, n_on_cpu: int, n_blocks: int
) -> Iterator[dict[str, Any]]:
    """Trees per second of one batch, forward and with gradient, beside a batch on the CPU."""
    task, cpu_task = trees_on(data, model, n_trees), trees_on(data, model, n_on_cpu)
    function, inputs = arguments_of(model, task, device)
    _, cpu_inputs = arguments_of(model, cpu_task, torch.device("cpu"))
    for gradient in (False, True):
        runs: dict[str, Callable[[], object]] = {
            "device float64": lambda g=gradient: run(function, inputs, task, "triton", gradient=g),
            "device float32": lambda g=gradient: run_float32(model, inputs, task, gradient=g),
            "cpu float64": lambda g=gradient: run(function, cpu_inputs, cpu_task, "numba", gradient=g),
        }
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        seconds = alternating_medians(runs, n_blocks=n_blocks, block_seconds=0.05) if n_blocks else _once(runs)
        peak = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
        for name, one in seconds.items():
            count = n_on_cpu if name.startswith("cpu") else n_trees
            yield {
                "data": data, "model": model, "what": "gradient" if gradient else "forward", "trees": count, "on": name,
                "trees_per_second": count / one, "peak_gigabytes": 0.0 if name.startswith("cpu") else peak,
                "times_cpu": (count / one) / (n_on_cpu / seconds["cpu float64"]),
            }  # fmt: skip


def _once(runs: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of a single call, which may compile."""
    seconds = {}
    for name, run_it in runs.items():
        start = time.perf_counter()
        run_it()
        seconds[name] = time.perf_counter() - start
    return seconds


def machine(device: torch.device) -> dict[str, Any]:
    """Device, driver, versions and commit."""
    found: dict[str, Any] = {**describe(), "threads": get_threads(), "device": str(device)}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            driver = "unknown"
        found |= {
            "device": properties.name, "memory_gigabytes": properties.total_memory / 1e9, "driver": driver,
            "cuda": torch.version.cuda, "capability": f"{properties.major}.{properties.minor}",
        }  # fmt: skip
    return found


def chosen_device(*, tiny: bool) -> torch.device:
    """The GPU; for `--tiny` also the interpreter; SystemExit if there is neither."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if tiny and os.environ.get("TRITON_INTERPRET") == "1":
        return torch.device("cpu")
    hint = "" if tiny else "; --tiny with TRITON_INTERPRET=1 runs in Triton's interpreter"
    print(f"no GPU: PyTorch {torch.__version__} finds no CUDA device here{hint}", file=sys.stderr)
    raise SystemExit(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="six taxa, a few seconds; also in Triton's interpreter")
    parser.add_argument("--seconds", type=float, default=450.0, help="time for all of it; default 450")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "gpu" / "run.json", help="the record")
    options = parser.parse_args()
    device = chosen_device(tiny=options.tiny)
    clock = Clock(options.seconds)
    data_sets = ("simulated6",) if options.tiny else DATA_SETS
    batches = (1,) if options.tiny else BATCHES
    n_checked = 1 if options.tiny else N_CHECKED
    steps = tuple(("simulated6", model, 2, 2) for model in ("JC69", "LG+G4")) if options.tiny else STEPS
    record: dict[str, Any] = {"machine": machine(device), "tiny": options.tiny, "block": LAUNCH.block}
    record["errors"] = {
        f"{d} {m}": largest_errors(m, trees_on(d, m, n_checked), device) for d in data_sets for m in models_of(d)
    }
    record["step_errors"] = {f"{d} {m}": check_step(d, m, device) for d, m in dict.fromkeys(s[:2] for s in steps)}
    column = fleet.TINY if options.tiny else fleet.WHOLE
    record["fleet_error"] = fleet.check_fleet(column, patterns_of(column.data, "JC69"), device)
    record["images_error"] = images.check_images(device)
    weighed = start.TINY if options.tiny else start.WHOLE
    record["start_errors"] = {model: start.check_start(weighed, model, device) for model in weighed.models}
    print(
        "correct: likelihoods, gradients, training steps of one model, a fleet and images, and weights of topologies "
        "equal those of the CPU"
    )
    for name in PARTS:
        record[name] = []
    for data, model, n_components, n_particles in steps:
        if clock.allows(f"step {data}, {model}, {n_components} components, {n_particles} particles", 20.0):
            record["steps"] += step_rows(data, model, n_components, n_particles, device, 1 if options.tiny else 20)
    if clock.allows(f"a fleet of {column.n_seeds * len(column.rows)} models", 60.0):
        record["fleet"] = fleet.fleet_rows(column, patterns_of(column.data, "JC69"), device)
    if clock.allows("images", 60.0):
        record["images"] = images.image_rows(images.TINY if options.tiny else images.WHOLE, device)
    if clock.allows("annealing", 0.4 * options.seconds):
        record["annealing"] = compare_annealing(TINY if options.tiny else WHOLE, device)
    for model in weighed.models:
        if clock.allows(f"start, {model}", 15.0):
            record["start"] += start.start_rows(weighed, model, device)
    for n_trees in batches:
        for data in data_sets:
            for model in models_of(data):
                if n_trees * patterns_of(data, model).n_taxa > LARGEST.get(model, math.inf):
                    continue
                if clock.allows(f"likelihood {data}, {model}, {n_trees} trees", 10.0):
                    slow = data == "simulated1000" or model == "LG+G4"
                    n_on_cpu = 1 if options.tiny else (10 if slow else N_ON_CPU)
                    blocks = 0 if options.tiny else 5
                    record["likelihood"] += likelihood_rows(data, model, n_trees, device, n_on_cpu, blocks)
    synchronise(device)
    record["left_out_for_time"], record["not_measured"] = clock.left_out, list(NOT_IN_HERE)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    for name in PARTS:
        if record[name]:
            print_table(record[name], list(record[name][0]))
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
