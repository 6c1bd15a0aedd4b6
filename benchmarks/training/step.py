"""Training steps per second, and where the time of a step goes.

    python -m benchmarks.training.step --data DS1 --components 4 --sampled 1 --estimator s2a --flow realnvp --json
    python -m benchmarks.training.step --selected
    python -m benchmarks.training.step

Without arguments: DS1, DS4 and DS8 with mixtures of one to a hundred components, all estimators and flows, in about ten
minutes, written to results/step/sweep.jsonl. `--selected`: six configurations, timed longer, in about two
minutes. Candidate trees come from `--trees` (a folder of DSn.ufboot.topologies.tsv.gz).

Every configuration first passes a gate: the densities of one step's draws must equal those of the plain definitions.
The mixture then trains for a while, since the cost depends on how many topologies it draws, and is timed in blocks:
the best block and the median are printed.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines
from vbpi_mix.branch import FLOWS, Framed, Planar, RealNVP, Skew, flow_reference, reference
from vbpi_mix.estimators import all_components
from vbpi_mix.experiment import make_config
from vbpi_mix.experiment.build import (
    make_inputs,
    make_model,
    make_objective,
    make_problem,
    make_settings,
    start_problem,
)
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.inputs import RunInputs
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.felsenstein.likelihood import jc69_log_likelihood
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import site_patterns
from vbpi_mix.seeding import torch_generator
from vbpi_mix.start import WeightedTopologies, weigh_topologies
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import Adam
from vbpi_mix.variational import PhyloMixture, PhyloProblem

DATA = ("DS1", "DS4", "DS8")
# components, sampled, estimator
MIXTURES = (
    (1, 1, "a2a"),
    (2, 2, "a2a"),
    (4, 4, "a2a"),
    (4, 1, "s2a"),
    (4, 1, "s2s"),
    (16, 1, "s2a"),
    (100, 1, "s2a"),
    (100, 1, "s2s"),
)
RESULTS = RESULTS_FOLDER / "step"
# data, components, sampled, estimator, flow
SELECTED = (
    ("DS1", 1, 1, "a2a", "realnvp"),
    ("DS1", 4, 4, "a2a", "realnvp"),
    ("DS1", 4, 1, "s2a", "realnvp"),
    ("DS4", 1, 1, "a2a", "realnvp"),
    ("DS1", 1, 1, "a2a", "identity"),
    ("DS1", 100, 1, "s2a", "identity"),
)


def flow_by_definition(flow: torch.nn.Module, z: torch.Tensor, ids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Log lengths and log |det| of base samples z (T, E) in plain torch."""
    if not isinstance(flow, Framed):
        return z, torch.zeros(len(z), dtype=torch.float64)
    centre, log_scale = (flow_reference.gathered(b[:, None], ids)[..., 0] for b in (flow.centre, flow.log_scale))
    x, inner = (z - centre) / log_scale.exp(), flow.inner
    if isinstance(inner, Planar):
        y, log_det = flow_reference.planar(x, ids, inner.rows, inner.bias)
    elif isinstance(inner, RealNVP):
        gain = float(inner.output_gain)
        y, log_det = flow_reference.realnvp(x, ids, inner.n_taxa, inner.rows, inner.hidden_bias[0], gain=gain)
    elif isinstance(inner, Skew):
        y, log_det = flow_reference.skew(x, ids, inner.rows)
    else:
        raise TypeError(f"no definition is known here of {type(inner).__name__}")
    return centre + log_scale.exp() * y, log_det


def gate(problem: PhyloProblem) -> None:
    """Stop unless lengths, log q and likelihood of one draw equal the plain torch definitions."""
    mixture = problem.mixture
    plan = all_components(mixture.n_components)
    with torch.no_grad():
        draws = mixture.draw(plan, 2, torch.Generator().manual_seed(5))
        fast, _ = problem.log_densities(draws)
        ids = mixture.indexer.feature_ids(draws.encoded)
        base_sample, _ = mixture.branches.flow.inverse(draws.log_lengths, ids)  # type: ignore[operator]
        log_lengths, log_det = flow_by_definition(mixture.branches.flow, base_sample, ids)
        log_q = mixture.networks.log_prob(draws.encoded, log_cpd=mixture.networks.log_cpd())
        log_q = log_q + reference.log_prob(mixture.branches.base.table, ids, plan.evaluated, base_sample)
        log_q = log_q - log_det - draws.log_lengths.sum(1)
        lengths = draws.log_lengths.exp()
        plain = jc69_log_likelihood(lengths, draws.encoded.topologies, problem.model.patterns, backend="reference")
    worst = max(
        float((log_lengths - draws.log_lengths).abs().max()),
        float((log_q - draws.log_q).abs().max()),
        float((plain - fast).abs().max()),
    )
    if not worst < 1e-6:
        sys.exit(f"the fast step differs from the definition by {worst}: no timing is worth printing")


class Stages:
    """Seconds spent in each stage; a stage inside another counts for itself alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        self._count()
        self._open.append(name)
        try:
            yield
        finally:
            self._count()
            self._open.pop()

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **keywords: Any) -> Any:
            with self.stage(name):
                return function(*arguments, **keywords)

        return timed

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


class Steps:
    """The training loop without its files, one stage at a time."""

    def __init__(self, problem: PhyloProblem, config: FitConfig) -> None:
        self.problem, self.objective = problem, make_objective(config)
        self.generator = torch_generator(1)
        groups = problem.parameter_groups()
        rates = make_settings(config).learning_rates
        self.optimizer = Adam(list(groups.values()), [rates[name] for name in groups])

    def run(self, n_steps: int) -> None:
        for _ in range(n_steps):
            step = self.objective.step(self.problem, self.generator)
            self.optimizer.zero_grad()
            step.loss.backward()
            self.optimizer.step()

    def profile(self, n_steps: int) -> dict[str, float]:
        """Milliseconds of a step by stage."""
        stages, problem = Stages(), self.problem
        mixture = problem.mixture
        patched: list[tuple[Any, str, str]] = [
            (mixture.networks, "sample", "sample topologies"),
            (mixture.networks, "log_prob", "log q of topologies"),
            (mixture.branches, "draw", "branch base"),
            (mixture.branches.flow, "forward", "flow"),
            (problem, "log_densities", "likelihood with gradient, prior"),
        ]
        for owner, name, stage in patched:
            setattr(owner, name, stages.wrap(stage, getattr(owner, name)))
        try:
            for _ in range(n_steps):
                with stages.stage("plan, bound, VIMCO"):
                    step = self.objective.step(problem, self.generator)
                with stages.stage("backward"):
                    self.optimizer.zero_grad()
                    step.loss.backward()
                with stages.stage("update"):
                    self.optimizer.step()
        finally:
            for owner, name, _ in patched:
                delattr(owner, name)
        return {name: round(1000 * seconds / n_steps, 4) for name, seconds in stages.seconds.items()}


@cache
def weighted(data: str, trees: Path) -> WeightedTopologies:
    """Weighted candidates: the same for every mixture."""
    alignment = read_alignment(resolve(data))
    model = make_model(make_config(alignment=data, model="JC69"), site_patterns(alignment), (), alignment.taxa)
    return weigh_topologies(model, read_trees([trees], alignment.taxa))


@cache
def inputs(data: str, trees: Path) -> RunInputs:
    return make_inputs(read_alignment(resolve(data)), weighted(data, trees).sample)


@cache
def fitted(data: str, trees: Path, components: int) -> PhyloMixture:
    """A small mixture as the default recipe starts it."""
    config = make_config(alignment=data, model="JC69", components=components)
    problem = make_problem(config, inputs(data, trees))
    start_problem(problem, config, weighted(data, trees), Silent())
    return problem.mixture


@torch.no_grad()
def start(mixture: PhyloMixture, source: PhyloMixture) -> None:
    """Start from a mixture of fewer components, repeated with noise: fitting a hundred would take half a minute."""
    generator = torch_generator(2)
    which = torch.arange(mixture.n_components) % source.n_components
    for table, small in (
        (mixture.networks.logits, source.networks.logits),
        (mixture.branches.base.table, source.branches.base.table),
    ):
        noise = torch.randn(table.shape, generator=generator, dtype=table.dtype)
        table.copy_(small[which] + 0.02 * noise)
    flow = mixture.branches.flow
    if isinstance(flow, Framed):
        flow.start_fitted(source.branches.base.table.mean(dim=0), mixture.support.n_splits)


def measure(data: str, trees: Path, mixture: tuple[int, int, str], flow: str, options: argparse.Namespace) -> dict:
    components, sampled, estimator = mixture
    config = make_config(
        alignment=data,
        model="JC69",
        components=components,
        sampled=sampled,
        estimator=estimator,
        flow=flow,
        iterations=10**6,
    )
    problem = make_problem(config, inputs(data, trees))
    start(problem.mixture, fitted(data, trees, min(components, 4)))
    steps = Steps(problem, config)
    steps.run(options.warm_up)
    gate(problem)
    rates = []
    for _ in range(options.blocks):
        begun = time.perf_counter()
        steps.run(options.block)
        rates.append(options.block / (time.perf_counter() - begun))
    return {
        "data": data,
        "components": components,
        "sampled": sampled,
        "estimator": estimator,
        "flow": flow,
        "threads": get_threads(),
        "iterations_per_second": round(max(rates), 1),
        "median": round(statistics.median(rates), 1),
        "stages": steps.profile(options.block),
        "particles": config.particles,
        "candidates": weighted(data, trees).sample.n_trees,
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--components", type=int)
    parser.add_argument("--sampled", type=int)
    parser.add_argument("--estimator", choices=("a2a", "s2a", "s2s"))
    parser.add_argument("--flow", nargs="+", choices=tuple(FLOWS), default=list(FLOWS))
    parser.add_argument("--selected", action="store_true", help="six configurations, timed longer")
    parser.add_argument("--trees", type=Path, default=Path("../shared/data/phylo/support_trees"))
    parser.add_argument("--warm-up", type=int, default=200)
    parser.add_argument("--block", type=int, default=50, help="steps in a block")
    parser.add_argument("--blocks", type=int, help="8 if not given, 40 with --selected")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--out", type=Path, help="file to write the JSON lines to, with machine and commit")
    options = parser.parse_args()
    if options.blocks is None:
        options.blocks = 40 if options.selected else 8
    if options.selected:
        cases = [(data, (a, s, e), flow) for data, a, s, e, flow in SELECTED]
    else:
        mixtures = chosen_mixtures(options)
        cases = [(data, m, flow) for data in options.data for m in mixtures for flow in options.flow]
    out = options.out
    if out is None and (options.selected or len(sys.argv) == 1):
        out = RESULTS / ("selected.jsonl" if options.selected else "sweep.jsonl")
    rows: list[dict] = []
    for data, mixture, flow in cases:
        trees = options.trees / f"{data}.ufboot.topologies.tsv.gz"
        if not trees.is_file():
            sys.exit(f"{trees} is not there: give the folder of candidate trees by --trees")
        with torch_threads(1):
            row = measure(data, trees, mixture, flow, options)
        rows.append(row)
        if options.json:
            print(json.dumps(row), flush=True)
        if out is not None:
            write_json_lines(out, rows)
    if not options.json:
        columns = ["data", "components", "sampled", "estimator", "flow", "iterations_per_second", "median"]
        print_table(rows, columns)


def chosen_mixtures(options: argparse.Namespace) -> list[tuple[int, int, str]]:
    """What `--components`, `--sampled` and `--estimator` ask for."""
    if options.components is not None:
        estimator = options.estimator or "a2a"
        sampled = options.sampled or (options.components if estimator == "a2a" else 1)
        return [(options.components, sampled, estimator)]
    return [m for m in MIXTURES if options.estimator in (None, m[2])]


if __name__ == "__main__":
    main()
