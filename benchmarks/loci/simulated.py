"""Loci drawn from the model with its priors: is a batch calibrated, and what does a locus cost?

`make` simulates loci of 10 to 40 taxa and 500 to 2,000 sites under HKY+G4 (topology uniform, branch lengths exponential
with mean 0.1, kappa / (1 + kappa) uniform, frequencies Dirichlet(1, 1, 1, 1), shape exponential with mean 1) into a
folder, truths beside it. `vbpi-mix batch` infers them; `show` compares results and truths:

    python -m benchmarks.loci.simulated make LOCI --number 1000
    vbpi-mix batch LOCI/alignments -o RESULTS --model HKY+G4 --depth topologies
    python -m benchmarks.loci.simulated show LOCI RESULTS -o simulated.json

A posterior from the model that drew the data is calibrated exactly: 95 % credible sets hold the truth in 95 % of
loci, and of the splits with probability p a share p is true. Topologies of a flat posterior occur once in the sample or
never, so a set is that of the topologies most probable under a conditional clade distribution (Larget 2013): it is
fitted to the first half of a locus's trees, and the rank of the truth among the trees of the second half is uniform
whatever that distribution is. Equally probable trees have their order by chance.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._common import print_table
from benchmarks.calibration.simulate_model import simulate_model
from benchmarks.calibration.topologies import calibration
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.batch.result import LocusResult, load_result
from vbpi_mix.batch.run import results_of
from vbpi_mix.io.alignments import write_fasta
from vbpi_mix.model import ReversibleModel, SiteRates
from vbpi_mix.model.gamma import SMALLEST_SHAPE
from vbpi_mix.phylo import Topology, random_topologies
from vbpi_mix.provenance import describe


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.what == "make":
        make(arguments.folder, arguments.number, tuple(arguments.taxa), tuple(arguments.sites))
    else:
        show(arguments.folder, arguments.results, arguments.output)


def make(folder: Path, number: int, taxa: tuple[int, int], sites: tuple[int, int]) -> None:
    """Simulate loci."""
    (folder / "alignments").mkdir(parents=True, exist_ok=True)
    (folder / "truths").mkdir(exist_ok=True)
    for i in range(number):
        generator = np.random.default_rng(np.random.SeedSequence(entropy=2323, spawn_key=(i,)))
        n = int(generator.integers(taxa[0], taxa[1] + 1))
        n_sites = int(generator.integers(sites[0], sites[1] + 1))
        topology = next(iter(random_topologies(1, n, generator)))
        lengths = generator.exponential(0.1, size=2 * n - 3)
        share = generator.random()
        kappa = share / (1 - share)
        x = torch.tensor([1.0, kappa, 1.0, 1.0, kappa, 1.0], dtype=torch.float64)
        shape = torch.tensor(max(SMALLEST_SHAPE, float(generator.exponential())), dtype=torch.float64)
        model = ReversibleModel(
            x / x.sum(),
            torch.from_numpy(generator.dirichlet(np.ones(4))),
            site_rates=SiteRates(gamma_shape=shape, n_gamma_categories=4),
        )
        alignment = simulate_model(model, topology, lengths, n_sites, generator)
        write_fasta(alignment, folder / "alignments" / f"locus{i:05}.fasta")
        (folder / "truths" / f"locus{i:05}.json").write_text(json.dumps(topology.children.tolist()))


def show(folder: Path, output: Path, record: Path | None) -> None:
    """Print calibration and costs."""
    rows, splits = [], []
    generator = np.random.default_rng(1)
    for row, path in results_of(output):
        children = json.loads((folder / "truths" / f"{row.locus}.json").read_text())
        result = load_result(path)
        truth = Topology(np.array(children, dtype=np.int32))
        rows.append({
            "locus": row.locus,
            "taxa": row.taxa,
            "verdict": row.level,
            "effective_topologies": row.effective_topologies,
            "core_seconds": row.core_seconds,
            "level": level(result, truth, generator),
        })  # fmt: skip
        splits.append(split_truths(result, truth))
    n = len(rows)
    held = sum(r["level"] < 0.95 for r in rows) / n
    cost = np.array([r["core_seconds"] for r in rows])
    bins = calibration(splits)
    summary = {
        "loci": n,
        "true_topology_in_95_percent_set": held,
        "standard_error": float(np.sqrt(0.95 * 0.05 / n)),
        "core_seconds": {"mean": float(cost.mean()), "median": float(np.median(cost)), "largest": float(cost.max())},
        "verdicts": {verdict: sum(r["verdict"] == verdict for r in rows) for verdict in ("good", "fair", "poor")},
        "splits": bins,
    }
    columns = ("probability", "splits", "expected_true", "true", "standard_error", "z")
    print_table([{k: round(v, 2) if isinstance(v, float) else v for k, v in row.items()} for row in bins], columns)
    print(json.dumps({k: v for k, v in summary.items() if k != "splits"}, indent=1))
    if record is not None:
        record.write_text(json.dumps({"provenance": describe(), **summary, "rows": rows}, indent=1) + "\n")


def level(result: LocusResult, truth: Topology, generator: np.random.Generator) -> float:
    """Share of the later trees of a locus that are more probable than the truth by what the earlier ones say."""
    half = result.n_trees // 2
    topologies = result.topologies[result.tree_topology]
    earlier = Particles(
        topologies=topologies[:half],
        log_lengths=np.zeros((half, topologies.n_edges)),
        coordinates=np.zeros((half, 0)),
        log_likelihood=np.zeros(half),
    )
    reference = TreeReference(earlier, np.ones(half))
    later = reference.describe(topologies[half:]).log_topology
    true = float(reference.describe(truth.batch()).log_topology[0])
    more, equal = (later > true + 1e-9).mean(), (np.abs(later - true) <= 1e-9).mean()
    return float(more + generator.random() * equal)


def split_truths(result: LocusResult, truth: Topology) -> dict[str, Any]:
    """Posterior probability of every split, and whether it is true."""
    n = result.n_taxa
    true = {row.tobytes() for row in truth.batch().clades()[0, n:]}
    clades, probability = result.split_frequencies()
    return {"splits": probability.tolist(), "split_is_true": [row.tobytes() in true for row in clades]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "show"))
    parser.add_argument("folder", type=Path, help="folder of the simulated loci")
    parser.add_argument("results", type=Path, nargs="?", help="show: folder of the batch")
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--taxa", type=int, nargs=2, default=(10, 40))
    parser.add_argument("--sites", type=int, nargs=2, default=(500, 2000))
    parser.add_argument("-o", "--output", type=Path, help="show: JSON file")
    return parser


if __name__ == "__main__":
    main()
