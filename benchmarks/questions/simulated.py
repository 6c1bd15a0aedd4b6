"""Where the tree that data were simulated on stands in the posterior: its credible level is uniform if all is right.

    python -m benchmarks.questions.simulated fit -o benchmarks/results/questions/simulated.jsonl
    python -m benchmarks.questions.simulated table benchmarks/results/questions/simulated.jsonl

Topologies, branch lengths and sites are drawn from the model that is fitted (JC69, exponential lengths of mean 0.1,
uniform topologies). Sites are so few that many topologies share the posterior and the true one is sometimes not among
the draws. The level is that of `analysis.questions.Posterior.level`, a part of the true tree's own probability added at
random.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
from scipy.stats import kstest

from benchmarks.calibration.ranks import append_rows, read_rows
from benchmarks.calibration.simulate import simulate
from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap


def one(replicate: int, options: argparse.Namespace) -> dict:
    generator = np.random.default_rng([24, replicate])
    alignment, truth, _ = simulate(options.taxa, options.sites, generator, mean_length=0.1)
    begin = time.process_time()
    candidates = veryfasttree_bootstrap(alignment, 12, seed=replicate, n_threads=1)
    config = make_config(
        alignment="simulated", model="JC69", components=2, iterations=options.iterations, seed=replicate, start="list",
    )  # fmt: skip
    run = fit_alignment(alignment, candidates, config)
    sample = run.weighted_sample(n_particles=options.draws // 2, n_repeats=1)
    posterior = Posterior(run, sample)
    level = posterior.level(truth.batch())
    drawn = posterior.draws
    row = {
        "level": level.randomised(float(generator.random())),
        "better": level.better,
        "own": level.equal,
        "drawn": level.drawn,
        "log_q": float(posterior.score(truth.batch())[0]),
        "topologies": drawn.distinct.n_trees,
        "ess": drawn.effective_size,
        "draws": drawn.topologies.n_trees,
        "pareto_k": sample.evaluation.pareto_k,
        "seconds": time.process_time() - begin,
    }
    found = posterior.probability_of_topology(truth.batch())
    row |= {"probability": found.value, "probability_se": found.standard_error, "method": found.method}
    return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in row.items()}


def table(path: Path) -> None:
    rows = read_rows(path)
    level = np.array([r["level"] for r in rows])
    drawn = np.array([r["drawn"] for r in rows])
    result = {
        "alignments": len(rows),
        "ks_statistic": float(kstest(level, "uniform").statistic),
        "ks_p": float(kstest(level, "uniform").pvalue),
        "true_tree_not_drawn": int((~drawn).sum()),
        "outside_support": sum(r["log_q"] is None for r in rows),
        "inside_95": float((level <= 0.95).mean()),
        "inside_50": float((level <= 0.5).mean()),
        "mean_level_not_drawn": float(level[~drawn].mean()) if (~drawn).any() else None,
        "sum_of_probabilities_not_drawn": float(sum(r["probability"] for r in rows if not r["drawn"])),
        "median_topologies": float(np.median([r["topologies"] for r in rows])),
        "median_processor_seconds": float(np.median([r["seconds"] for r in rows])),
        "methods": {m: sum(r["method"] == m for r in rows) for m in ("draws", "mixture", "Laplace")},
    }
    print(json.dumps(result, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    fit = commands.add_parser("fit")
    fit.add_argument("-o", "--output", type=Path, required=True)
    fit.add_argument("--replicates", type=int, default=200)
    fit.add_argument("--taxa", type=int, default=8)
    fit.add_argument("--sites", type=int, default=60)
    fit.add_argument("--iterations", type=int, default=600)
    fit.add_argument("--draws", type=int, default=1000)
    fit.add_argument("--max-seconds", type=float, default=1e9)
    show = commands.add_parser("table")
    show.add_argument("file", type=Path)
    options = parser.parse_args()
    if options.command == "table":
        table(options.file)
        return
    settings = {name: getattr(options, name) for name in ("taxa", "sites", "iterations", "draws")}
    append_rows(options, settings, one)


if __name__ == "__main__":
    main()
