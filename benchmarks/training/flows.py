"""What a flow of the branch lengths is worth: bounds and importance weights after the same number of steps.

    python -m benchmarks.training.flows DS1 --flow identity skew realnvp --iterations 6000
    python -m benchmarks.training.flows --show results/flows/flows.jsonl

The default start (bootstrap, growth, Laplace's weights) is made once per data set, and every flow trains from it. The
mean training bound is that of the last thousand steps (K = 10); the rest comes from 20,000 fresh draws. Rows are added
to the file given by `--out`. The gate: the densities of the draws of every trained mixture equal the plain definitions.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, print_table
from benchmarks.training import step
from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.evaluate.sampling import draw_batches
from vbpi_mix.experiment import make_config
from vbpi_mix.experiment.build import (
    load_alignment,
    make_inputs,
    make_objective,
    make_problem,
    make_settings,
    start_problem,
)
from vbpi_mix.experiment.candidates import load_candidates
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.experiment.start import grow_candidates
from vbpi_mix.experiment.streams import TRAIN_STREAM
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.io.datasets import resolve
from vbpi_mix.phylo import Alignment
from vbpi_mix.provenance import describe
from vbpi_mix.seeding import torch_generator
from vbpi_mix.start import WeightedTopologies
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import fit

N_DRAWS = 20_000
COLUMNS = ("data", "components", "flow", "rate", "iterations", "bound", "elbo", "lb10", "relative_ess", "pareto_k")


def train(
    data: str, alignment: Alignment, weighted: WeightedTopologies, flow: str, options: argparse.Namespace
) -> dict[str, object]:
    """One row: train from the start, then draw."""
    config = make_config(
        alignment=data,
        model="JC69",
        components=options.components,
        estimator="a2a" if options.components == 1 else "s2a",
        flow=flow,
        flow_per_component=options.per_component or None,
        iterations=options.iterations,
        rate_flow=options.rate,
        seed=options.seed,
    )
    problem = make_problem(config, make_inputs(alignment, weighted.sample))
    start_problem(problem, config, weighted, Silent())
    bounds: list[float] = []
    begun = time.perf_counter()
    fit(
        problem,
        make_objective(config),
        make_settings(config),
        generator=torch_generator(1 + 1000 * options.seed, stream=TRAIN_STREAM),
        on_progress=lambda progress: bounds.append(progress.bound),
    )
    seconds = time.perf_counter() - begun
    if not options.per_component:
        step.gate(problem)
    n_repeats = N_DRAWS // 1000 // options.components
    with torch.no_grad():
        log_weights = draw_batches(problem, n_particles=1000, n_repeats=n_repeats, generator=torch_generator(7))
    result = evaluate_log_weights(log_weights).to_dict()
    kept = ("elbo", "elbo_se", "lb10", "log_ml_pooled", "log_ml_pooled_se", "relative_ess", "pareto_k")
    return {
        "data": data,
        "components": config.components,
        "sampled": config.sampled,
        "estimator": config.estimator,
        "flow": flow,
        "rate": config.rate_flow,
        "iterations": config.iterations,
        "seed": config.seed,
        "seconds": round(seconds, 1),
        "load_average": round(os.getloadavg()[0], 2),
        "bound": round(float(np.mean(bounds[-10:])), 3),
        **{name: round(float(value), 4) for name in kept if isinstance(value := result[name], float)},
    }


def show(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if "provenance" not in row]
    digits = {"bound": 2, "elbo": 2, "lb10": 2, "relative_ess": 3, "pareto_k": 2}
    print_table([row | {name: f"{row[name]:.{n}f}" for name, n in digits.items()} | {"rate": str(row["rate"])}
                 for row in rows], COLUMNS)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="*", default=["DS1"])
    parser.add_argument("--flow", nargs="+", choices=tuple(step.FLOWS), default=["identity", "skew", "realnvp"])
    parser.add_argument("--iterations", type=int, default=6000)
    parser.add_argument("--components", type=int, default=1)
    parser.add_argument("--per-component", action="store_true")
    parser.add_argument("--rate", type=float, help="Adam's rate of the flow; that of the default recipe if not given")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, help="of the likelihood; one per core if not given")
    parser.add_argument("--out", type=Path, default=RESULTS_FOLDER / "flows" / "flows.jsonl")
    parser.add_argument("--show", type=Path, help="print the table of a file, nothing else")
    options = parser.parse_args()
    if options.show is not None:
        show(options.show)
        return
    set_threads(options.threads)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with torch_threads(1), options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"provenance": describe()}) + "\n")
        for data in options.data:
            config = make_config(alignment=str(resolve(data)), model="JC69", seed=1)
            alignment = load_alignment(config, Silent())
            candidates = load_candidates(config, alignment, Silent())
            weighted = grow_candidates(config, alignment, candidates, Silent()).weighted
            for flow in options.flow:
                file.write(json.dumps(train(data, alignment, weighted, flow, options)) + "\n")
                file.flush()
    show(options.out)


if __name__ == "__main__":
    main()
