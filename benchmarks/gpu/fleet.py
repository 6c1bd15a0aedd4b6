"""A column of Table 3 trained together on a device beside its models one after another, for `benchmarks.gpu.run`.

The sixteen rows with some seeds, each seed with a support of its own. Correctness comes first: bound and gradients of
every model in a step of all of them must equal those that the compiled kernels of the CPU give the model alone; if they
do not, nothing is timed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vbpi_mix.estimators import JointObjective, Objective
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, random_topologies
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row
from vbpi_mix.support import build_support
from vbpi_mix.train import Training, TrainSettings, fit_fleet, fit_training
from vbpi_mix.train.fleet import Join
from vbpi_mix.variational import PhyloFleet, PhyloMixture, PhyloProblem

TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}
ITERATIONS = 20_000  # of the default recipe at most


@dataclass(frozen=True, kw_only=True)
class FleetSize:
    """Size of the comparison.

    Arguments:
        data: data set, see `run.patterns_of`.
        rows: rows of the table.
        n_seeds: models of each row.
        flow: flow and its size.
        n_steps: steps that are timed on the device.
        n_on_cpu: steps of each model that are timed on the CPU.
    """

    data: str
    rows: Sequence[Table3Row] = TABLE3_ROWS
    n_seeds: int = 3
    flow: str = "realnvp"
    layers: int | None = None
    hidden: int | None = None
    n_steps: int = 50
    n_on_cpu: int = 10


WHOLE = FleetSize(data="DS1")
TINY = FleetSize(data="simulated6", rows=TABLE3_ROWS[1:10:4], n_seeds=1, layers=4, hidden=5, n_steps=1, n_on_cpu=1)


def trainings(size: FleetSize, patterns: SitePatterns, n_steps: int) -> list[Training]:
    """A training of every model, its parameters random."""
    found = []
    for seed in range(size.n_seeds):
        support = build_support(random_topologies(20, patterns.n_taxa, np.random.default_rng(seed)))
        for row in size.rows:
            generator = np.random.default_rng(len(found))
            mixture = PhyloMixture(
                support,
                n_components=row.n_components,
                flow=size.flow,
                flow_layers=size.layers,
                flow_hidden=size.hidden,
            )
            with torch.no_grad():
                logits = mixture.networks.logits
                logits.copy_(torch.from_numpy(generator.normal(size=tuple(logits.shape))))
                mixture.branches.base.table[..., 0] -= 1.0
            problem = PhyloProblem(PhyloModel(patterns, patterns.n_taxa), mixture, gradient="path")
            found.append(
                Training(
                    name=f"{row.name}_seed{seed}",
                    problem=problem,
                    objective=Objective(
                        estimator=row.estimator, n_components=row.n_components, n_sampled=row.n_sampled, n_particles=10
                    ),
                    settings=TrainSettings(
                        n_iterations=n_steps, learning_rates=dict.fromkeys(problem.parameter_groups(), 1e-4)
                    ),
                    generator=torch.Generator().manual_seed(seed),
                )
            )
    return found


def check_fleet(size: FleetSize, patterns: SitePatterns, device: torch.device, *, backend: str = "triton") -> float:
    """The largest difference of a bound or gradient, relative to the largest entry; SystemExit if it is not small."""
    models = trainings(size, patterns, 1)
    problems = [cast(PhyloProblem, model.problem) for model in models]
    fleet = PhyloFleet(problems, device, backend=backend)
    objective = JointObjective([model.objective for model in models], device)
    states = [model.generator.get_state() for model in models]
    step = objective.step(fleet, [m.generator for m in models], inverse_temperatures=[1.0] * len(models))
    step.loss.backward()
    worst = 0.0
    for i, (model, state) in enumerate(zip(models, states, strict=True)):
        model.generator.set_state(state)
        alone = model.objective.step(model.problem, model.generator)
        alone.loss.backward()
        errors = {"bound": abs(float(step.bounds[i]) / float(alone.bound) - 1)}
        for name, parameter in model.problem.named_parameters():
            table = fleet.tables[name]
            assert parameter.grad is not None
            assert table.values.grad is not None
            ours, theirs = table.of_model(i, table.values.grad).cpu(), parameter.grad
            error = float((ours - theirs).abs().max() / theirs.abs().max())
            errors[name] = error * TOLERANCES[torch.float64] / TOLERANCES[parameter.dtype]
        worst = max(worst, *errors.values())
        if not worst < TOLERANCES[torch.float64]:
            raise SystemExit(f"wrong: {model.name} in a fleet on {device} differs from the CPU's: {errors}")
    return worst


def fleet_rows(size: FleetSize, patterns: SitePatterns, device: torch.device) -> list[dict[str, Any]]:
    """Milliseconds of a step of all models: together on the device, and one after another on the CPU."""
    join = cast(Join, partial(PhyloFleet, backend="triton"))
    seconds = {}
    for n in (max(1, size.n_steps // 5), size.n_steps):  # the first run compiles
        seconds["device, together"] = fit_fleet(trainings(size, patterns, n), join, device=device)[0].seconds / n
    each = []
    for n in (1, size.n_on_cpu):
        each = [fit_training(model).seconds / n for model in trainings(size, patterns, n)]
    seconds["cpu, one after another"] = sum(each)
    return [
        {"data": size.data, "flow": size.flow, "models": len(each), "on": name, "ms_per_step": 1e3 * one,
         f"minutes_of_{ITERATIONS}": one * ITERATIONS / 60, "times_cpu": seconds["cpu, one after another"] / one}
        for name, one in seconds.items()
    ]  # fmt: skip


class _Launches(TorchDispatchMode):
    """Counts operations that compute something."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        returns = func._schema.returns
        view = bool(returns) and all(r.alias_info is not None and not r.alias_info.is_write for r in returns)
        self.count += not view
        return func(*args, **(kwargs or {}))


def launches_of_a_step(size: FleetSize, patterns: SitePatterns) -> int:
    """Operations of PyTorch that a step of all models gives a device, however many models there are.

    Counted on the CPU, without those of the likelihood. What each model adds is done on the CPU, for its own draws, and
    is left out, by the difference between twice as many models and these.
    """
    once, twice = (_operations(replace(size, n_seeds=n), patterns) for n in (1, 2))
    return 2 * once - twice


def seconds_to_draw(size: FleetSize, patterns: SitePatterns) -> float:
    """Seconds in which this machine's CPU draws the topologies of a step of all models."""
    models = trainings(size, patterns, 1)
    fleet = PhyloFleet([cast(PhyloProblem, m.problem) for m in models], torch.device("cpu"), backend="numba")
    seconds = []
    for _ in range(5):
        begun = time.perf_counter()
        plans = [m.objective.plan(m.generator) for m in models]
        fleet.draw_topologies(plans, models[0].objective.n_particles, [m.generator for m in models])
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def _operations(size: FleetSize, patterns: SitePatterns) -> int:
    counts = []
    for n_steps in (1, 2):
        counter = _Launches()
        with counter:
            fit_fleet(
                trainings(size, patterns, n_steps), cast(Join, partial(PhyloFleet, backend="numba")),
                device=torch.device("cpu"),
            )  # fmt: skip
        counts.append(counter.count)
    return counts[1] - counts[0]
