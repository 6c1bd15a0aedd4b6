"""Training steps per second, and where the time of a step goes.

    python benchmarks/step.py --data DS1 --components 4 --sampled 1 --estimator s2a --flow realnvp --json

Without arguments: DS1, DS4 and DS8 with mixtures of one to a hundred components, all estimators and flows. Candidate
trees come from `--trees` (a folder of DSn.ufboot.topologies.tsv.gz). Every configuration first passes a gate: the
densities of one step's draws must equal those of the plain definitions. The mixture then trains for a while, since the
cost depends on how many topologies it draws, and is timed in blocks: the best block and the median are printed.
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
from pathlib import Path
from typing import Any

import torch
from _common import print_table, write_json_lines

from vbpi_mix.branch import flow_reference, reference
from vbpi_mix.branch.flow_reference import SHIFT
from vbpi_mix.branch.planar import Planar
from vbpi_mix.branch.realnvp import RealNVP
from vbpi_mix.estimators import all_components
from vbpi_mix.experiment import make_config
from vbpi_mix.experiment.build import make_inputs, make_objective, make_problem, make_settings, start_problem
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.felsenstein.op import jc69_log_likelihood
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.trees import read_trees
from vbpi_mix.seeding import torch_generator
from vbpi_mix.train import Adam, torch_threads
from vbpi_mix.variational import PhyloProblem

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
FLOWS = ("identity", "planar", "realnvp")


def gate(problem: PhyloProblem) -> None:
    """Stop unless lengths, log q and likelihood of one draw equal the plain torch definitions."""
    mixture = problem.mixture
    plan = all_components(mixture.n_components)
    with torch.no_grad():
        draws = mixture.draw(plan, 2, torch.Generator().manual_seed(5))
        fast, _ = problem.log_densities(draws)
        ids = mixture.indexer.feature_ids(draws.encoded)
        flow = mixture.branches.flow
        base_sample, _ = flow.inverse(draws.log_lengths, ids)  # type: ignore[operator]
        x = base_sample - SHIFT
        log_det = torch.zeros(len(x), dtype=torch.float64)
        if isinstance(flow, Planar):
            x, log_det = flow_reference.planar(x, ids, flow.rows, flow.bias)
        elif isinstance(flow, RealNVP):
            x, log_det = flow_reference.realnvp(x, ids, flow.n_taxa, flow.rows, flow.hidden_bias)
        log_q = mixture.networks.log_prob(draws.encoded, log_cpd=mixture.networks.log_cpd())
        log_q = log_q + reference.log_prob(mixture.branches.base.table, ids, plan.evaluated, base_sample)
        log_q = log_q - log_det - draws.log_lengths.sum(1)
        lengths = draws.log_lengths.exp()
        plain = jc69_log_likelihood(lengths, draws.encoded.topologies, problem.model.patterns, backend="reference")
    worst = max(
        float((x + SHIFT - draws.log_lengths).abs().max()),
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


def measure(data: str, trees: Path, mixture: tuple[int, int, str], flow: str, options: argparse.Namespace) -> dict:
    components, sampled, estimator = mixture
    alignment = read_alignment(resolve(data))
    sample = read_trees([trees], alignment.taxa)
    config = make_config(
        alignment=data, components=components, sampled=sampled, estimator=estimator, flow=flow, iterations=10**6
    )
    problem = make_problem(config, make_inputs(alignment, sample))
    start_problem(problem, config, sample, Silent())
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
        "candidates": sample.n_trees,
        "load_average": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--components", type=int)
    parser.add_argument("--sampled", type=int)
    parser.add_argument("--estimator", choices=("a2a", "s2a", "s2s"))
    parser.add_argument("--flow", nargs="+", choices=FLOWS, default=list(FLOWS))
    parser.add_argument("--trees", type=Path, default=Path("../shared/data/phylo/support_trees"))
    parser.add_argument("--warm-up", type=int, default=300)
    parser.add_argument("--block", type=int, default=100, help="steps in a block")
    parser.add_argument("--blocks", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--out", type=Path, help="file to write the JSON lines to, with machine and commit")
    options = parser.parse_args()
    mixtures = list(MIXTURES)
    if options.components is not None:
        estimator = options.estimator or "a2a"
        sampled = options.sampled or (options.components if estimator == "a2a" else 1)
        mixtures = [(options.components, sampled, estimator)]
    elif options.estimator is not None:
        mixtures = [m for m in mixtures if m[2] == options.estimator]
    rows = []
    for data in options.data:
        trees = options.trees / f"{data}.ufboot.topologies.tsv.gz"
        if not trees.is_file():
            sys.exit(f"{trees} is not there: give the folder of candidate trees by --trees")
        for mixture in mixtures:
            for flow in options.flow:
                with torch_threads(1):
                    rows.append(measure(data, trees, mixture, flow, options))
                if options.json:
                    print(json.dumps(rows[-1]), flush=True)
                if options.out is not None:
                    write_json_lines(options.out, rows)
    if not options.json:
        columns = ["data", "components", "sampled", "estimator", "flow", "iterations_per_second", "median"]
        print_table(rows, columns)


if __name__ == "__main__":
    main()
