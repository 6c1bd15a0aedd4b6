"""What inferring the parameters of a substitution model costs: steps of training beside those under JC69.

    python -m benchmarks.training.parameter_step --data DS1 primates

A step draws K = 10 trees from S = 2 of A = 4 components, by S2A. JC69, a model with its parameters fixed, and models
with all of them inferred take turns in one run; the ratio to JC69 is what counts. First, log-likelihoods and gradients
of drawn trees must agree with the matrix exponential and autograd. The profile shows where the time of a step goes.
"""

import argparse
import cProfile
import io
import pstats
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks._common import RESULTS_FOLDER, write_json_lines
from vbpi_mix.estimators import all_components
from vbpi_mix.experiment import Silent, make_config
from vbpi_mix.experiment.build import make_inputs, make_objective, make_problem, make_settings, start_problem
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap
from vbpi_mix.train.adam import Adam
from vbpi_mix.variational import PhyloProblem

MODELS = ("JC69", "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}", "GTR+G4", "GTR+I+G4")
_WARM_UP = 20


def problem_of(data: str, alignment: Alignment, candidates: TreeSample, model: str) -> tuple[PhyloProblem, Any]:
    """A problem after its start, and its configuration."""
    config = make_config(alignment=data, model=model, components=4, sampled=2, estimator="s2a")
    problem = make_problem(config, make_inputs(alignment, candidates))
    start_problem(problem, config, candidates, Silent())
    return problem, config


def stepper(problem: PhyloProblem, config: Any) -> tuple[Callable[[], None], Adam]:
    """One step of training, and its optimiser."""
    objective, generator = make_objective(config), torch.Generator().manual_seed(1)
    groups, rates = problem.parameter_groups(), make_settings(config).learning_rates
    optimizer = Adam([list(p) for p in groups.values()], [rates[name] for name in groups])

    def step() -> None:
        loss = objective.step(problem, generator).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step, optimizer


def gate(problem: PhyloProblem) -> float:
    """Largest relative difference from the definition, of values and gradients; raises where it is not small."""
    draws = problem.mixture.draw(all_components(4), 1, torch.Generator().manual_seed(2))
    model = problem.model
    plain = PhyloModel(model.patterns, model.n_taxa, substitution_model=problem_model(model), backend="reference")
    results = []
    for target in (model, plain):
        leaves = [x.detach().clone().requires_grad_() for x in (draws.log_lengths.exp(), draws.parameters)]
        value = target.log_likelihood(leaves[0], draws.encoded.topologies, leaves[1])
        gradients = torch.autograd.grad(value.sum(), leaves, allow_unused=True)
        results.append([value.detach(), *(g for g in gradients if g is not None)])
    worst = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(*results, strict=True) if b.numel())
    if not worst < 1e-9:
        raise SystemExit(f"the likelihood differs from its definition by {worst}: nothing is timed")
    return worst


def problem_model(model: PhyloModel) -> Any:
    """The model of the only part, as `PhyloModel` takes it."""
    family = model.parts[0].family
    return model.parts[0].model if family is None else str(family.specification)


def measure(data: str, n_steps: int, profile: bool) -> list[dict[str, Any]]:
    """Rows of one data set."""
    alignment = read_alignment(resolve(data))
    candidates = veryfasttree_bootstrap(alignment, 10, seed=1, n_threads=1)
    steps, rows, optimizers = {}, [], []
    for model in MODELS:
        problem, config = problem_of(data, alignment, candidates, model)
        error = gate(problem)
        steps[model], optimizer = stepper(problem, config)
        optimizers.append(optimizer)
        for _ in range(_WARM_UP):
            steps[model]()
        rows.append({"data": data, "model": model, "largest_relative_difference": error})
    seconds: dict[str, list[float]] = {model: [] for model in MODELS}
    for _ in range(n_steps):
        for model in MODELS:
            begin = time.perf_counter()
            steps[model]()
            seconds[model].append(time.perf_counter() - begin)
    base = statistics.median(seconds[MODELS[0]]), min(seconds[MODELS[0]])
    for row in rows:
        times = seconds[row["model"]]
        row |= {"median_ms": 1e3 * statistics.median(times), "fastest_ms": 1e3 * min(times)}
        row |= {"ratio": statistics.median(times) / base[0], "ratio_of_fastest": min(times) / base[1]}
        print(
            f"{data:<10} {row['model']:<52} {row['median_ms']:7.2f} ms a step (fastest {row['fastest_ms']:.2f}), "
            f"{row['ratio']:.2f} times JC69 (fastest {row['ratio_of_fastest']:.2f})"
        )
    if profile:
        rows[2]["profile"] = profiled(steps[MODELS[2]], n_steps)
    for optimizer in optimizers:
        optimizer.release()
    return rows


def profiled(step: Callable[[], None], n_steps: int) -> list[str]:
    """The functions that a step spends its own time in, as lines."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(n_steps):
        step()
    profiler.disable()
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text)
    total = stats.total_tt  # type: ignore[attr-defined]
    found = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:12]  # type: ignore[attr-defined]
    lines = [f"{100 * own / total:5.1f} %  {Path(file).name}:{name}" for (file, _, name), (_, _, own, _, _) in found]
    print("\n".join(lines))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["DS1", "primates"])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--no-profile", action="store_true")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "parameters" / "step.jsonl")
    options = parser.parse_args()
    set_threads(options.threads)
    torch.set_num_threads(1)
    rows = [row for data in options.data for row in measure(data, options.steps, not options.no_profile)]
    write_json_lines(options.output, [row | {"threads": options.threads} for row in rows])


if __name__ == "__main__":
    main()
