"""Train mixtures of Table 3 by the default recipe, from the alignment on, and compare with the published values.

    python benchmarks/whole_path.py DS1 --golden DS1.golden.topologies.tsv.gz

For A = 1, A = 2 with A2A, S2A (S = 1) and S2S (S = 1), A = 4 with A2A and S2A: marginal log-likelihood, ELBO(1),
ten-sample bound, iterations per second, and the distance of the topology posterior to a long MCMC run. Before anything
is printed, the likelihood of the kernels is compared with the plain definition on trees of the data set. One JSON per
model goes to `--results`; a model that has one already is not trained again.
"""

import argparse
import json
import math
import os
import shlex
import sys
import time
from pathlib import Path

import numpy as np
import torch

from vbpi_mix import provenance
from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.errors import VBPIError
from vbpi_mix.experiment import Run, fit_folder, make_config
from vbpi_mix.felsenstein import get_threads, jc69_log_likelihood
from vbpi_mix.io.datasets import resolve
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import collect
from vbpi_mix.phylo.distances import total_variation
from vbpi_mix.support import encode

# (A, S, estimator) and -log ML (standard deviation) of Hotti et al. (2024), Table 3, trained with a RealNVP flow
MODELS = {
    "A1": (1, 1, "a2a"),
    "A2_A2A": (2, 2, "a2a"),
    "A2_S2A_S1": (2, 1, "s2a"),
    "A2_S2S_S1": (2, 1, "s2s"),
    "A4_A2A": (4, 4, "a2a"),
    "A4_S2A_S1": (4, 1, "s2a"),
    "A4_S2A_S2": (4, 2, "s2a"),
}
PUBLISHED = {
    "DS1": {
        "A1": (7108.42, 0.15),
        "A2_A2A": (7108.40, 0.10),
        "A2_S2A_S1": (7108.54, 0.11),
        "A2_S2S_S1": (7108.41, 0.10),
        "A4_A2A": (7108.40, 0.05),
        "A4_S2A_S1": (7108.92, 0.09),
        "A4_S2A_S2": (7108.40, 0.06),
    }
}
LOWEST_Q = 2.2e-16  # the floor of the published Kullback-Leibler divergences


def gate(run: Run) -> None:
    """Stop unless the compiled likelihood equals the plain definition on trees of this very model."""
    draws, _ = run.weighted_draws(n_particles=5, n_repeats=1)
    lengths = torch.from_numpy(draws.branch_lengths)
    fast, plain = (
        jc69_log_likelihood(lengths, draws.topologies, run.problem.model.patterns, backend=backend)
        for backend in ("numba", "reference")
    )
    worst = float((fast - plain).abs().max())
    if worst > 1e-8:
        sys.exit(f"the compiled likelihood differs from the definition by {worst}: no timing is worth printing")


def topology_distances(run: Run, golden_path: Path) -> dict[str, float]:
    """KL(golden || q) and total variations of q and of the importance-weighted draws to a long MCMC run."""
    golden = read_trees([golden_path], run.inputs.taxa)
    p = golden.probabilities()
    with torch.no_grad():
        log_q_each = run.problem.mixture.networks.log_prob(encode(run.inputs.support, golden.topologies))
    log_q = (torch.logsumexp(log_q_each, dim=0) - math.log(len(log_q_each))).numpy()
    q = np.exp(log_q)
    draws, _ = run.weighted_draws(n_repeats=100)
    weighted = collect(draws.taxa, draws.topologies, draws.weights())
    return {
        "kl_golden_q": float((p * (np.log(p) - np.maximum(log_q, np.log(LOWEST_Q)))).sum()),
        "tv_q": float(0.5 * np.abs(p - q).sum() + 0.5 * (1 - q.sum())),
        "tv_weighted": total_variation(weighted, golden),
    }


def train(name: str, data: str, arguments: argparse.Namespace) -> dict[str, object]:
    components, sampled, estimator = MODELS[name]
    folder = arguments.runs / f"{Path(data).stem}_{name}"
    config = make_config(
        alignment=str(resolve(data)),
        trees=() if arguments.trees is None else (str(arguments.trees),),
        flow=arguments.flow,
        components=components,
        sampled=sampled,
        estimator=estimator,
        iterations=arguments.iterations,
        seed=arguments.seed,
    )
    begun = time.perf_counter()
    with ConsoleReporter() as reporter:
        run, result = fit_folder(config, folder, resume=folder.exists(), reporter=reporter)
        if result.ending != "iterations":
            sys.exit(f"{name}: interrupted; start again to go on")
        total = time.perf_counter() - begun
        gate(run)
        evaluation = run.evaluate(reporter=reporter)
    record: dict[str, object] = {
        "data": Path(data).stem,
        "model": name,
        "components": components,
        "sampled": sampled,
        "estimator": estimator,
        "flow": config.flow,
        "features": config.features,
        "particles": config.particles,
        "iterations": result.iteration,
        "training_seconds": round(result.seconds, 1),
        "iterations_per_second": round(result.iteration / result.seconds, 1),
        "seconds_with_start": round(total, 1),
        "threads": get_threads(),
        **evaluation.to_dict(),
        "command": shlex.join(["python", "benchmarks/whole_path.py", *map(_without_folder, sys.argv[1:])]),
        "load_average": os.getloadavg()[0],
        "provenance": provenance.describe(),
    }
    if arguments.golden is not None:
        record |= topology_distances(run, arguments.golden)
    return record


def _without_folder(argument: str) -> str:
    return Path(argument).name if "/" in argument else argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="a data set of the catalogue, or an alignment")
    parser.add_argument("--trees", type=Path, help="candidate topologies; a VeryFastTree bootstrap if not given")
    parser.add_argument("--flow", help="of the branch lengths; the recipe's if not given")
    parser.add_argument("--golden", type=Path, help="topologies of a long MCMC run with their probabilities")
    parser.add_argument("--iterations", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the run folders")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results" / "whole_path")
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    data = Path(arguments.data).stem
    records = []
    for name in arguments.models:
        path = arguments.results / f"{data}_{name}.json"
        if not path.exists():
            try:
                record = train(name, arguments.data, arguments)
            except VBPIError as error:
                sys.exit(f"error: {error}")
            path.write_text(json.dumps(record, indent=2) + "\n")
        records.append(json.loads(path.read_text()))
    print(table(data, records))


def table(data: str, records: list[dict]) -> str:
    """Markdown, the published value beside ours."""
    lines = [
        "| model | -log ML (sd of 1,000 samples) | published | pooled | ELBO(1) | LB-10 | Pareto k | KL(golden to q) | "
        "TV weighted | it/s | training s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in records:
        known = PUBLISHED.get(data, {}).get(r["model"])
        published = "" if known is None else f"{known[0]:.2f} ({known[1]:.2f})"
        lines.append(
            f"| {r['model']} | {-r['log_ml']:.2f} ({r['log_ml_std']:.2f}) | {published} | "
            f"{-r['log_ml_pooled']:.3f} +- {r['log_ml_pooled_se']:.3f} | {r['elbo']:.2f} | {r['lb10']:.2f} | "
            f"{r['pareto_k']:.2f} | {r.get('kl_golden_q', math.nan):.4f} | {r.get('tv_weighted', math.nan):.4f} | "
            f"{r['iterations_per_second']:.0f} | {r['training_seconds']:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
