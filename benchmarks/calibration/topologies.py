"""Do 95 % intervals hold the truth 95 % of the time? Simulation-based calibration of the whole path.

Topology, branch lengths and alignment are drawn from the model itself: topologies uniform, branch lengths exponential
with rate 10, sites under JC69. Then the posterior is calibrated exactly, whatever the data: an interval that holds 95 %
of it holds the truth with probability 0.95, and of the splits with posterior probability p a share p is true. Each
alignment is fitted by the default recipe with fewer iterations, and everything is read off equally weighted trees after
sampling-importance-resampling, as `vbpi-mix export` writes them.

`run` appends one line per alignment to a file and goes on where it stopped; `show` prints the tables and writes
summary.json beside that file.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

import vbpi_mix as vm
from benchmarks._common import RESULTS_FOLDER, print_table
from benchmarks.calibration.ranks import MASSES, Row, append_rows, judge, read_rows
from benchmarks.calibration.simulate import simulate
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior import PosteriorDraws

RESULTS = RESULTS_FOLDER / "coverage" / "coverage.jsonl"
BINS = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0)
RANKS = 20
SETTINGS = ("taxa", "sites", "iterations", "components", "particles", "trees", "oversampling")


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.what == "show":
        show(arguments.output)
    else:
        append_rows(arguments, {name: getattr(arguments, name) for name in SETTINGS}, one)


def one(replicate: int, arguments: argparse.Namespace) -> Row:
    """Simulate, fit, and compare the posterior with the truth."""
    generator = np.random.default_rng(np.random.SeedSequence(entropy=20260, spawn_key=(replicate,)))
    alignment, truth, lengths = simulate(
        arguments.taxa, arguments.sites, generator, mean_length=1 / FitConfig.branch_prior_rate
    )
    begin = time.perf_counter()
    config = vm.make_config(
        alignment=f"simulated {replicate}",
        model="JC69",
        iterations=arguments.iterations,
        components=arguments.components,
        particles=arguments.particles,
        seed=replicate,
    )
    candidates = vm.veryfasttree_bootstrap(alignment, config.bootstrap_replicates, seed=replicate, n_threads=1)
    fitted = vm.fit_alignment(alignment, candidates, config)
    seconds = time.perf_counter() - begin
    sample = fitted.sample(arguments.trees, oversampling=arguments.oversampling)
    weighted = fitted.weighted_sample(n_particles=1000, n_repeats=5).draws
    return {
        "replicate": replicate,
        "seconds": round(seconds, 2),
        "ess": weighted.effective_sample_size(),
        "draws": weighted.n_trees,
        **compare(sample, truth.batch().clades()[0], lengths, generator),
    }


def compare(sample: PosteriorDraws, clades: np.ndarray, lengths: np.ndarray, generator: np.random.Generator) -> Row:
    """Ranks and intervals of the true lengths, and the posterior probability of every split with its truth.

    Arguments:
        sample: equally weighted trees.
        clades: (E, W) of the true tree.
        lengths: (E,) true branch lengths.
        generator: breaks ties of ranks.
    """
    n = sample.n_taxa
    found = sample.topologies.clades()
    pendant = [judge(sample.branch_lengths[:, i], lengths[i], generator) for i in range(n)]
    inner = []
    for edge in range(n, len(lengths)):
        tree, position = np.nonzero((found[:, n:] == clades[edge]).all(axis=2))
        values = sample.branch_lengths[tree, n + position]
        inner.append(judge(values, lengths[edge], generator) if len(values) else None)
    true = {clades[edge].tobytes() for edge in range(n, len(lengths))}
    splits = vm.summarise_splits(sample)
    probabilities = [(float(splits.frequency[i]), splits.clades[i].tobytes() in true) for i in range(splits.n_splits)]
    topologies, position = sample.topologies.unique()
    share = np.bincount(position) / sample.n_trees
    is_true = [{row.tobytes() for row in c[n:]} == true for c in topologies.clades()]
    true_share = float(share[is_true].sum())
    # the true topology is inside the smallest set of 95 % where those more probable than it have less than 95 %
    above = float(share[share > true_share].sum())
    total = judge(sample.branch_lengths.sum(axis=1), float(lengths.sum()), generator)
    return {
        "pendant": pendant,
        "inner": inner,
        "tree_length": total,
        "splits": [p for p, _ in probabilities],
        "split_is_true": [t for _, t in probabilities],
        "topology_probability": true_share,
        "topology_above": above,
        "mean_size": float(bits.sizes(clades[n:]).mean()),
    }


def show(path: Path) -> None:
    """Print the tables and write summary.json."""
    rows = read_rows(path)
    lengths = [
        {"of": name, **coverage([entries(row) for row in rows], key)}
        for name, entries in (
            ("pendant edges", lambda row: row["pendant"]),
            ("inner edges of the true tree", lambda row: row["inner"]),
            ("tree length", lambda row: [row["tree_length"]]),
        )
        for key in [f"{kind}_{mass}" for mass in MASSES for kind in ("shortest", "central")]
    ]
    print_table([_rounded(row) for row in lengths], ("of", "interval", "n", "held", "standard_error", "z"))
    print()
    bins = calibration(rows)
    print_table(
        [_rounded(row) for row in bins], ("probability", "splits", "expected_true", "true", "standard_error", "z")
    )
    n_above = sum(row["topology_above"] < 0.95 for row in rows)
    summary = {
        "alignments": len(rows),
        "median_seconds": float(np.median([row["seconds"] for row in rows])),
        "median_ess_share": float(np.median([row["ess"] / row["draws"] for row in rows])),
        "smallest_ess_share": float(np.min([row["ess"] / row["draws"] for row in rows])),
        "true_inner_edges_never_sampled": sum(x is None for row in rows for x in row["inner"]),
        "true_topology_in_95_percent_set": n_above / len(rows),
        "lengths": lengths,
        "splits": bins,
        "rank_counts_pendant": _rank_counts([x for row in rows for x in row["pendant"]]),
        "rank_counts_inner": _rank_counts([x for row in rows for x in row["inner"] if x]),
    }
    print()
    for name, value in summary.items():
        if isinstance(value, int | float):
            print(f"{name}: {value:.4g}")
    path.with_name("summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def coverage(clusters: list[list[Row | None]], key: str) -> Row:
    """Share of truths held, with a standard error from the spread between alignments (edges of one are dependent).

    An edge of the true tree that no sampled tree has counts as not held.
    """
    kind, mass = key.rsplit("_", 1)
    counts = np.array([len(cluster) for cluster in clusters])
    held = np.array([sum(bool(x and x[key]) for x in cluster) for cluster in clusters])
    share = held.sum() / counts.sum()
    error = np.sqrt(((held - share * counts) ** 2).sum()) / counts.sum()
    error = max(error, float(np.sqrt(float(mass) * (1 - float(mass)) / counts.sum())))
    return {
        "interval": f"{float(mass):.0%} {kind}",
        "n": int(counts.sum()),
        "held": float(share),
        "standard_error": float(error),
        "z": float((share - float(mass)) / error),
    }


def calibration(rows: list[Row]) -> list[Row]:
    """Splits by posterior probability: how many should be true, how many are."""
    table = []
    edges = [*pairwise(BINS), (0.0, 1.0)]
    for low, high in edges:
        differences, expected, true, count, variance = [], 0.0, 0, 0, 0.0
        for row in rows:
            p, is_true = np.array(row["splits"]), np.array(row["split_is_true"])
            inside = (p > low) & (p <= high)
            differences.append(float(is_true[inside].sum() - p[inside].sum()))
            expected += float(p[inside].sum())
            true += int(is_true[inside].sum())
            count += int(inside.sum())
            variance += float((p[inside] * (1 - p[inside])).sum())
        # splits of one alignment exclude each other or come together: the larger of both errors
        error = max(float(np.sqrt((np.array(differences) ** 2).sum())), float(np.sqrt(variance)))
        table.append({
            "probability": "all" if (low, high) == (0.0, 1.0) else f"{low:g} to {high:g}",
            "splits": count,
            "expected_true": expected,
            "true": true,
            "standard_error": error,
            "z": (true - expected) / error if error > 0 else 0.0,
        })  # fmt: skip
    return table


def _rank_counts(entries: list[Row]) -> list[int]:
    """Ranks in equal classes: level where the posterior is calibrated."""
    return np.histogram([x["rank"] for x in entries], bins=RANKS, range=(0, 1))[0].tolist()


def _rounded(row: Row) -> Row:
    return {key: f"{value:.3f}" if isinstance(value, float) else value for key, value in row.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "show"))
    parser.add_argument("--output", type=Path, default=RESULTS, help="file of one line per alignment")
    parser.add_argument("--replicates", type=int, default=200, help="alignments in all")
    parser.add_argument("--taxa", type=int, default=8)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--components", type=int, default=4)
    parser.add_argument("--particles", type=int, default=10)
    parser.add_argument("--trees", type=int, default=4000, help="resampled trees")
    parser.add_argument("--oversampling", type=int, default=20, help="draws from the mixture per tree")
    parser.add_argument("--max-seconds", type=float, default=float("inf"), help="begin no alignment after that time")
    return parser


if __name__ == "__main__":
    main()
