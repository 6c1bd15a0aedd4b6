"""Weighted topologies and default fits beside MrBayes on the same alignment, model and prior.

    python -m benchmarks.mrbayes.topologies --data woodmouse primates sim60
    python -m benchmarks.mrbayes.topologies --data DS1 --reference POSTERIORS/DS1.golden.topologies.tsv.gz

JC69, exponential(10) branch lengths, uniform topologies. `sim60` is simulated (60 taxa, 300 sites, seed 60): its
posterior is flat. Every data set gets one JSON line per stage of ours, in wall-clock seconds from the alignment on:
`grown` (Laplace weights after growth), `start` (mixture fitted to them, importance weights), `fit` (after training,
the mixture's own probabilities) and `fit_weighted`. Distances are to the reference given, else to all of MrBayes'
runs pooled; `mrbayes` lines say how far each process's runs are from the rest, and, with a reference, how far MrBayes
was from it after so many seconds. Skips with a message where `mb` is not installed (Debian: apt-get install mrbayes).
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, write_json_lines
from benchmarks.calibration.simulate import simulate
from benchmarks.mrbayes.run_topologies import MrBayesRuns, find_mrbayes, load_runs, run_mrbayes
from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.experiment import FitConfig, make_config
from vbpi_mix.experiment.build import make_inputs, make_objective, make_problem, make_settings, start_problem
from vbpi_mix.experiment.candidates import load_candidates
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.start import grow_candidates
from vbpi_mix.experiment.streams import EVALUATE_STREAM, TRAIN_STREAM
from vbpi_mix.experiment.warm_up import warm_up
from vbpi_mix.felsenstein import get_threads, set_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import Alignment, TreeSample, collect
from vbpi_mix.phylo.distances import split_frequencies, total_variation
from vbpi_mix.posterior.sampling import draw_posterior
from vbpi_mix.seeding import torch_generator
from vbpi_mix.support import build_support, coverage
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import fit
from vbpi_mix.variational import PhyloProblem

MOMENTS = (30, 60, 120, 200, 300, 500, 1000, 2000)
_FREQUENT = 0.1


def load(name: str) -> Alignment:
    """A data set of the package, a file, or one of the simulated ones."""
    if name == "sim60":
        return simulate(60, 300, np.random.default_rng(60))[0]
    return read_alignment(resolve(name))


def distances(found: TreeSample, reference: TreeSample) -> dict[str, float]:
    """Split frequencies (splits above 0.1 in the reference; the worst of all) and total variation of topologies."""
    ours, theirs = (split_frequencies(s.topologies, s.weights) for s in (found, reference))
    all_of_them = [abs(ours.get(key, 0.0) - theirs.get(key, 0.0)) for key in ours.keys() | theirs.keys()]
    frequent = [abs(ours.get(key, 0.0) - f) for key, f in theirs.items() if f > _FREQUENT]
    return {
        "splits_mean": float(np.mean(frequent)),
        "splits_worst": max(all_of_them),
        "n_frequent_splits": len(frequent),
        "total_variation": total_variation(found, reference),
    }


def ours(
    alignment: Alignment, config: FitConfig, reference: TreeSample, *, train: bool, n_draws: int, reporter: Reporter
) -> Iterator[dict[str, Any]]:
    """A row per stage; the time that comparisons take is not counted, that of the `n_draws` draws is."""
    spent = 0.0
    begin = time.perf_counter()

    def row(stage: str, sample: TreeSample, **more: Any) -> dict[str, Any]:
        return (
            {"stage": stage, "seconds": seconds, "n_topologies": sample.n_trees} | distances(sample, reference) | more
        )

    candidates = load_candidates(config, alignment, reporter)
    growth = grow_candidates(config, alignment, candidates, reporter)
    weighted = growth.weighted
    support = build_support(weighted.sample.topologies)
    seconds = time.perf_counter() - begin - spent
    before = time.perf_counter()
    yield row(
        "grown",
        weighted.sample,
        **coverage(support, reference).to_dict(),
        missing=growth.missing,
        standard_error=growth.standard_error,
        drawn_share=growth.drawn_share,
        effective_draws=growth.effective_draws,
        effective_topologies=weighted.effective_number,
        log_evidence_laplace=growth.log_evidence,
    )
    spent += time.perf_counter() - before
    inputs = make_inputs(alignment, weighted.sample)
    problem = make_problem(config, inputs)
    start_problem(problem, config, weighted, reporter)
    stages = [("start", "")]
    if train:
        stages.append(("fit_weighted", "fit"))
    for stage, plain in stages:
        if stage != "start":
            with torch_threads(1):
                fit(
                    problem,
                    make_objective(config),
                    make_settings(config),
                    generator=torch_generator(config.seed, stream=TRAIN_STREAM),
                    on_progress=lambda p: reporter.progress("training", p.iteration, p.n_iterations, f"{p.bound:.2f}"),
                )
        sample, unweighted, values = _draws(problem, alignment, config, n_draws)
        seconds = time.perf_counter() - begin - spent
        before = time.perf_counter()
        if plain:
            yield row(plain, unweighted)
        yield row(stage, sample, **values)
        spent += time.perf_counter() - before


def _draws(
    problem: PhyloProblem, alignment: Alignment, config: FitConfig, n_draws: int
) -> tuple[TreeSample, TreeSample, dict[str, Any]]:
    sample = draw_posterior(
        problem,
        alignment.taxa,
        n_particles=1000,
        n_repeats=max(1, n_draws // (1000 * config.components)),
        generator=torch_generator(config.seed, stream=EVALUATE_STREAM),
    )
    draws, values = sample.draws, sample.evaluation.to_dict()
    kept = ("log_ml_pooled", "log_ml_pooled_se", "elbo", "ess", "n_samples", "pareto_k", "pareto_verdict")
    return (
        collect(draws.taxa, draws.topologies, draws.weights()),
        collect(draws.taxa, draws.topologies),
        {name: values[name] for name in kept},
    )


def theirs(
    runs: MrBayesRuns, alignment: Alignment, reference: TreeSample, *, given: bool, folder: Path
) -> Iterator[dict[str, Any]]:
    """How far MrBayes is from itself, and from a reference that is not its own."""
    n = len(runs.tree_files)
    for i in range(0, n, 2):
        pair = runs.sample(alignment, range(i, min(i + 2, n)))
        rest = [j for j in range(n) if j not in range(i, i + 2)]
        other = reference if given or not rest else runs.sample(alignment, rest)
        yield {
            "stage": "mrbayes",
            "runs": [i, i + 1],
            "against": "reference" if given else "its other runs",
        } | distances(pair, other)
    if not given:
        return
    for moment in [*(m for m in MOMENTS if m < runs.seconds), runs.seconds]:
        sample = runs.sample_at(alignment, moment, folder)
        if sample is not None:
            yield {"stage": "mrbayes", "seconds": moment} | distances(sample, reference)


def measure(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    alignment = load(name)
    folder = options.work / name
    load_before = os.getloadavg()[0]
    runs = load_runs(folder) if options.reuse else None
    if runs is None:
        print(f"{name}: MrBayes, {options.generations:,} generations in {options.processes} processes", flush=True)
        runs = run_mrbayes(
            alignment,
            folder,
            generations=options.generations,
            sample_every=options.sample_every,
            seed=options.seed,
            n_processes=options.processes,
            max_seconds=options.mrbayes_seconds,
        )
    pooled = runs.sample(alignment)
    reference = read_trees([options.reference], alignment.taxa) if options.reference else pooled
    common = {"data": name, "reference": "given" if options.reference else "mrbayes"}
    rows = [
        common
        | {
            "stage": "mrbayes",
            "runs": len(runs.tree_files),
            "seconds": runs.seconds,
            "generations": options.generations,
            "deviation_of_split_frequencies": runs.deviation,
            "n_samples": float(pooled.weights.sum()),
            "n_topologies": pooled.n_trees,
            "best_probability": float(pooled.probabilities()[0]),
        }
    ]
    for row in theirs(runs, alignment, reference, given=bool(options.reference), folder=folder):
        rows.append(common | row)
        show(rows[-1])
    if options.mrbayes_only:
        return rows
    config = make_config(
        alignment=name,
        model="JC69",
        seed=options.seed,
        components=options.components,
        iterations=options.iterations,
    )
    with ConsoleReporter(quiet=options.quiet) as reporter:
        warm_up(config.model, config.flow, reporter)
        for row in ours(
            alignment, config, reference, train=not options.no_fit, n_draws=options.draws, reporter=reporter
        ):
            load_now = [load_before, os.getloadavg()[0]]
            rows.append(common | row | {"threads": get_threads(), "load_before_and_after": load_now})
            show(rows[-1])
    return rows


def show(row: dict[str, Any]) -> None:
    when = f"{row['seconds']:8.1f} s" if "seconds" in row else " " * 10
    line = (
        f"{row['data']:<10} {row['stage']:<13} {when}  splits {row['splits_mean']:.4f} mean "
        f"{row['splits_worst']:.4f} worst, total variation {row['total_variation']:.4f}"
    )
    if "mass_represented" in row:
        line += f", mass represented {row['mass_represented']:.4f}"
    if "ess" in row:
        line += f", ESS {row['ess']:,.0f} of {row['n_samples']:,}, k {row['pareto_k']:.2f}"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=["woodmouse", "primates", "sim60"])
    parser.add_argument("--reference", type=Path, help="weighted topologies of a longer run, for one data set")
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--sample-every", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2, help="MrBayes processes side by side, two runs in each")
    parser.add_argument("--mrbayes-seconds", type=float, help="stop MrBayes after so long")
    parser.add_argument("--mrbayes-only", action="store_true")
    parser.add_argument("--reuse", action="store_true", help="take MrBayes' runs of an earlier call from --work")
    parser.add_argument("--no-fit", action="store_true", help="no training: the weighted topologies only")
    parser.add_argument("--components", type=int, default=4)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--draws", type=int, default=40_000, help="from the mixture, to be weighted")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--work", type=Path, default=Path("versus_mrbayes"), help="folder for MrBayes' files")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "versus_mrbayes")
    options = parser.parse_args()
    if find_mrbayes() is None:
        print("skipped: MrBayes' program mb is not on PATH (Debian, Ubuntu: apt-get install mrbayes)")
        return
    if options.reference and len(options.data) > 1:
        sys.exit("--reference is for one data set: give one to --data")
    set_threads(options.threads)
    torch.set_num_threads(1)
    for name in options.data:
        rows = measure(name, options)
        if not options.mrbayes_only:
            write_json_lines(options.output / f"{Path(name).stem}.seed{options.seed}.jsonl", rows)


if __name__ == "__main__":
    main()
