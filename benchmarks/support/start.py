"""Weights, growth and the start of a fit against long MCMC runs.

    python -m benchmarks.support.start --data PHYLO [--sets 1,2,3,4] [--candidates merged|bootstrap] [--seed 1]

PHYLO holds alignments/, support_trees/ and reference_posteriors/. For every data set: total variation of the weighted
topologies to the reference, Kullback-Leibler divergence from the reference to mixtures of 1, 2 and 4 networks fitted
by EM where that reference is a long run (over the trees that they can draw; what they cannot is printed beside it),
coverage, split frequencies, sizes
and times. One JSON line for each goes to benchmarks/results/start/.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, write_json_lines
from vbpi_mix.felsenstein import get_threads, set_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TreeSample, site_patterns
from vbpi_mix.sbn import SubsplitBayesianNetworks, em
from vbpi_mix.start import grow_topologies
from vbpi_mix.support import SubsplitSupport, build_support, coverage, encode, veryfasttree_bootstrap

REFERENCE = {1: "golden", 2: "golden", 3: "golden", 4: "golden", 5: "wmb", 6: "short", 7: "short", 8: "short"}
JUDGED = ("total_variation", "kl_4", "mass_represented", "n_pcsps", "splits_mean", "splits_worst")
REPLICATES = 60


def split_frequencies(sample: TreeSample) -> dict[bytes, float]:
    clades = sample.topologies.clades()[:, sample.topologies.n_taxa :]
    distinct, position = np.unique(clades.reshape(-1, clades.shape[2]), axis=0, return_inverse=True)
    weights = np.repeat(sample.probabilities(), clades.shape[1])
    return {row.tobytes(): x for row, x in zip(distinct, np.bincount(position.reshape(-1), weights), strict=True)}


def compare(found: TreeSample, reference: TreeSample) -> dict[str, float]:
    """Distances between two weighted samples."""
    p, q = (
        {t.children.tobytes(): x for t, x in zip(s.topologies, s.probabilities().tolist(), strict=True)}
        for s in (found, reference)
    )
    a, b = split_frequencies(found), split_frequencies(reference)
    differences = {key: abs(a.get(key, 0.0) - b.get(key, 0.0)) for key in a.keys() | b.keys()}
    return {
        "total_variation": 0.5 * sum(abs(p.get(k, 0.0) - q.get(k, 0.0)) for k in p.keys() | q.keys()),
        "listed_mass": sum(x for k, x in q.items() if k in p),
        "splits_mean": float(np.mean([differences[k] for k, x in b.items() if x > 0.1])),
        "splits_worst": max(differences.values()),
    }


def others(data: Path, number: int, support: SubsplitSupport, found: TreeSample) -> dict[str, float]:
    """The same against the other sample of DS6 to DS8, as `wmb_...`."""
    if REFERENCE[number] != "short":
        return {}
    reference = read_trees([data / f"reference_posteriors/DS{number}.wmb.topologies.tsv.gz"], found.taxa)
    result = compare(found, reference) | {"mass_represented": coverage(support, reference).mass_represented}
    return {f"wmb_{name}": value for name, value in result.items()}


def divergences(support: SubsplitSupport, found: TreeSample, reference: TreeSample, seed: int) -> dict[str, float]:
    """KL(reference to q) over the trees that q can draw, for A = 1, 2, 4."""
    ours, theirs = encode(support, found.topologies), encode(support, reference.topologies)
    p = reference.probabilities()
    result = {}
    for a in (1, 2, 4):
        generator = torch.Generator().manual_seed(seed)
        begin = time.perf_counter()
        fitted = em(support, ours, found.probabilities(), n_components=a, generator=generator)
        result[f"em_seconds_{a}"] = time.perf_counter() - begin
        networks = SubsplitBayesianNetworks(support, a, logits=fitted.logits)
        with torch.no_grad():
            log_q = (torch.logsumexp(networks.log_prob(theirs), dim=0) - np.log(a)).numpy()
        inside = np.isfinite(log_q)
        result[f"kl_{a}"] = float((p * (np.log(p) - log_q))[inside].sum())
    return result


def cpu_seconds() -> float:
    """Of this process and of those it waited for, so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(data: Path, number: int, candidates: str, seed: int) -> dict[str, Any]:
    alignment = read_alignment(data / f"alignments/DS{number}.fasta")
    reference = read_trees(
        [data / f"reference_posteriors/DS{number}.{REFERENCE[number]}.topologies.tsv.gz"], alignment.taxa
    )
    model = PhyloModel(site_patterns(alignment), alignment.n_taxa)
    load, begin, cpu = os.getloadavg()[0], time.perf_counter(), cpu_seconds()
    if candidates == "merged":
        given = read_trees([data / f"support_trees/DS{number}.ufboot.topologies.tsv.gz"], alignment.taxa)
    else:
        given = veryfasttree_bootstrap(alignment, REPLICATES, seed=seed, n_threads=get_threads())
    ready, cpu_ready = time.perf_counter(), cpu_seconds()
    growth = grow_topologies(model, given, generator=torch.Generator().manual_seed(seed))
    grown, cpu_grown = time.perf_counter(), cpu_seconds()
    sample = growth.weighted.sample
    support = build_support(sample.topologies)
    return {
        "data_set": f"DS{number}",
        "candidates": candidates,
        "n_candidates": given.n_trees,
        "seconds_candidates": ready - begin,
        "seconds_growth": grown - ready,
        "cpu_seconds_candidates": cpu_ready - cpu,
        "cpu_seconds_growth": cpu_grown - cpu_ready,
        "load_before_and_after": [load, os.getloadavg()[0]],
        "threads": get_threads(),
        "n_topologies": sample.n_trees,
        "n_weighed": growth.n_weighed,
        "n_evaluations": growth.n_evaluations,
        "rounds": [(r.n_topologies, r.n_new, r.missing, r.unsupported) for r in growth.rounds],
        "missing": growth.missing,
        "drawn_share": growth.drawn_share,
        "effective_draws": growth.effective_draws,
        "effective_topologies": growth.weighted.effective_number,
        "log_evidence_laplace": growth.log_evidence,
        **coverage(support, reference).to_dict(),
        **compare(sample, reference),
        **others(data, number, support, sample),
        **(divergences(support, sample, reference, seed) if REFERENCE[number] == "golden" else {}),
    }


def show(row: dict[str, Any], number: int) -> None:
    print(
        f"DS{number} ({row['candidates']}): candidates {row['seconds_candidates']:.1f} s (CPU "
        f"{row['cpu_seconds_candidates']:.1f}), growth {row['seconds_growth']:.1f} s (CPU "
        f"{row['cpu_seconds_growth']:.1f}), load {row['load_before_and_after']}, {row['n_topologies']:,} topologies "
        f"kept of {row['n_weighed']:,}, missing {row['missing']:.4f}, effective draws {row['effective_draws']:.0f}"
    )
    for name in JUDGED:
        if name in row:
            print(f"  {name:<18} {row[name]:.5g}")
    if "kl_1" in row:
        print(f"  KL at A = 1, 2, 4: {row['kl_1']:.4f} {row['kl_2']:.4f} {row['kl_4']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default="1,2,3,4,5,6,7,8")
    parser.add_argument("--candidates", choices=("merged", "bootstrap"), default="bootstrap")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "start")
    options = parser.parse_args()
    set_threads(options.threads)
    numbers = [int(x) for x in options.sets.split(",")]
    # compile first
    measure(options.data, 2, "merged", options.seed)
    for number in numbers:
        row = measure(options.data, number, options.candidates, options.seed)
        show(row, number)
        write_json_lines(options.output / f"DS{number}.{options.candidates}.seed{options.seed}.jsonl", [row])


if __name__ == "__main__":
    main()
