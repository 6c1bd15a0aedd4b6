"""Errors of the log marginal likelihood by annealing, in one direction and in both.

    python -m benchmarks.large.evidence RUN [--groups 8] [--particles 64] -o FILE

RUN is the folder of a fit that began with chains and was annealed. Groups of particles go from a density fitted to the
trees of the chains to the posterior, and as many back from trees that the density was not fitted to. Two densities take
turns: one that expects as many unseen subsplits as each chain has beside the others, and one that expects 0.3 a tree,
as every density did before. For each: temperatures, first ancestors left, processor seconds of a group, and the
standard deviation over groups of what the way there and both ways say. The gate: all four agree within five standard
errors.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import print_table
from vbpi_mix.anneal.bridge import bridged_log_ml
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.path_moves import LocalMoves
from vbpi_mix.anneal.result import FROM_MIXTURE, load_annealed
from vbpi_mix.anneal.smc import AnnealSettings, anneal, heat, pooled_log_ml
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.experiment.run import Run
from vbpi_mix.provenance import describe
from vbpi_mix.threads import set_threads

_ERRORS = 5.0
_BEFORE = 0.3  # unseen subsplits of a tree


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--particles", type=int, default=AnnealSettings.n_particles)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    set_threads(None)
    torch.set_num_threads(1)
    rows = [measure(options, fixed) for fixed in (None, _BEFORE)]
    print_table([{k: round(v, 2) for k, v in row.items()} for row in rows], tuple(rows[0]))
    found = [(row[f"{way}_log_ml"], row[f"{way}_error"]) for row in rows for way in ("there", "both")]
    apart = max(abs(a - b) / np.hypot(e, f) for a, e in found for b, f in found)
    print(f"largest difference of two estimates: {apart:.1f} standard errors")
    if options.output is not None:
        record = {"provenance": describe(), "data": options.run.name, "groups": options.groups, "rows": rows}
        options.output.write_text(json.dumps(record | {"largest_difference_in_errors": apart}, indent=1) + "\n")
    if apart > _ERRORS:
        raise SystemExit("estimates differ by more than their errors")


def measure(options: argparse.Namespace, unseen: float | None) -> dict[str, Any]:
    """Groups that begin at a density that expects so many unseen subsplits of a tree, or as many as chains say."""
    run = Run.load(options.run)
    assert run.folder is not None
    past, annealed = load_annealed(run.folder.chains), load_annealed(run.folder.annealed)
    fresh = annealed.particles.take(np.flatnonzero(annealed.sides == FROM_MIXTURE))
    reference = TreeReference(past.particles, np.ones(len(past.chains)), past.chains, unseen=unseen)
    walker, scaling = Walker(run.problem.model, past.particles.topologies), Scaling(run.problem.model)
    few = np.linspace(0, len(past.chains) - 1, min(len(past.chains), 500)).astype(np.int64)
    scaling.learn(past.particles.take(few))
    moves = LocalMoves(walker, scaling, reference, typical_lengths(past.particles.log_lengths))
    settings = AnnealSettings(n_particles=options.particles)
    pilot, *seeds = np.random.SeedSequence(options.seed).spawn(1 + 2 * options.groups)
    first = anneal(moves, seed=pilot, settings=replace(settings, n_particles=max(32, options.particles // 2)))
    there, both, ancestors, seconds = [], [], [], []
    for ahead, behind in zip(seeds[::2], seeds[1::2], strict=True):
        begun = time.process_time()
        group = anneal(moves, seed=ahead, settings=settings, betas=first.betas, tuned=first.tuned)
        seconds.append(time.process_time() - begun)
        start = fresh.take(np.random.default_rng(behind).choice(len(fresh), options.particles))
        both.append(bridged_log_ml(group, heat(moves, start, group, seed=behind, settings=settings)))
        there.append(group.log_ml)
        ancestors.append(group.n_ancestors / options.particles)
    value, error = pooled_log_ml(there)
    return {
        "fresh_log_topology": float(reference.describe(fresh.topologies).log_topology.mean()),
        "temperatures": len(first.betas), "ancestors": float(np.mean(ancestors)),
        "seconds": float(np.mean(seconds)), "there_log_ml": value, "there_error": error,
        "there_sd": float(np.std(there, ddof=1)), "both_log_ml": float(np.mean(both)),
        "both_error": float(np.std(both, ddof=1) / np.sqrt(len(both))), "both_sd": float(np.std(both, ddof=1)),
    }  # fmt: skip


if __name__ == "__main__":
    main()
