"""How a step grows with the components of the mixture, the components drawn, and the number of taxa.

    python -m benchmarks.training.scaling mixtures --trees ../shared/data/phylo/support_trees
    python -m benchmarks.training.scaling taxa
    python -m benchmarks.training.scaling taxa --draw      # the picture of lines that were written before

`mixtures`: DS1 with up to a hundred components, S2A and S2S. `taxa`: alignments simulated on random trees, 1,000 sites,
1,000 candidate trees around the true one (random rearrangements of it); each size in a process of its own, whose peak
memory is that of support, mixture and steps. Each writes JSON lines and a picture to `--results`.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines
from benchmarks.evolve import evolve_states, jukes_cantor
from benchmarks.training import step
from vbpi_mix.estimators import Objective
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, TopologyBatch, random_topologies
from vbpi_mix.phylo.topology import Topology, from_neighbours, stack
from vbpi_mix.seeding import numpy_generator, torch_generator
from vbpi_mix.support import build_support
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import Adam
from vbpi_mix.variational import PhyloMixture, PhyloProblem

N_SITES, N_CANDIDATES, N_PARTICLES = 1_000, 1_000, 10
SIZES = (50, 100, 250, 500, 1_000)
MIXTURES = [(a, s, e) for e, s in (("s2a", 1), ("s2a", 4), ("s2s", 1)) for a in (1, 4, 10, 30, 100) if s <= a]


def simulated(topology: Topology, generator: np.random.Generator) -> SitePatterns:
    """Patterns of JC69 sites on a tree with exponential branch lengths of mean 0.1."""
    lengths = generator.exponential(0.1, 2 * topology.n_taxa - 3)
    states = evolve_states(topology, generator.integers(4, size=N_SITES), jukes_cantor(lengths, generator))
    return SitePatterns(state_sets=(1 << states).astype(np.uint8), weights=np.ones(N_SITES))


def rearranged(topology: Topology, n_moves: int, generator: np.random.Generator) -> Topology:
    """The tree after a few random nearest-neighbour interchanges."""
    n = topology.n_taxa
    neighbours: list[list[int]] = [[] for _ in range(2 * n - 2)]
    for i, pair in enumerate(topology.children):
        for child in pair:
            neighbours[n + i].append(int(child))
            neighbours[int(child)].append(n + i)
    neighbours[0].append(2 * n - 3)
    neighbours[2 * n - 3].append(0)
    for _ in range(n_moves):
        while True:
            a = n + int(generator.integers(n - 2))
            b = neighbours[a][int(generator.integers(3))]
            if b >= n:
                break
        x = [node for node in neighbours[a] if node != b][int(generator.integers(2))]
        y = [node for node in neighbours[b] if node != a][int(generator.integers(2))]
        for old, new, moved in ((a, b, x), (b, a, y)):
            neighbours[old].remove(moved)
            neighbours[new].append(moved)
            neighbours[moved][neighbours[moved].index(old)] = new
    return from_neighbours(neighbours, n)[0]


def candidates(topology: Topology, generator: np.random.Generator) -> TopologyBatch:
    return stack([topology, *(rearranged(topology, 3, generator) for _ in range(N_CANDIDATES - 1))])


def measure_taxa(n_taxa: int, flow: str, n_steps: int) -> dict:
    """One size: seconds of the support, milliseconds of a step, peak memory."""
    generator = numpy_generator(1)
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    patterns = simulated(topology, generator)
    topologies = candidates(topology, generator)
    begun = time.perf_counter()
    support = build_support(topologies)
    support_seconds = time.perf_counter() - begun
    mixture = PhyloMixture(support, n_components=1, flow=flow)
    with torch.no_grad():
        mixture.branches.base.table[:, : support.n_splits, 0] = -2.5
        mixture.branches.base.table[:, : support.n_splits, 1] = -1.0
    problem = PhyloProblem(PhyloModel(patterns, n_taxa), mixture)
    objective = Objective(estimator="a2a", n_components=1, n_sampled=1, n_particles=N_PARTICLES)
    optimizer = Adam(list(problem.parameter_groups().values()), [0.001] * len(problem.parameter_groups()))
    draws = torch_generator(1)
    seconds = []
    for _ in range(n_steps + 3):
        begun = time.perf_counter()
        result = objective.step(problem, draws)
        optimizer.zero_grad()
        result.loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - begun)
    return {
        "taxa": n_taxa,
        "flow": flow,
        "sites": N_SITES,
        "candidates": len(topologies),
        "particles": N_PARTICLES,
        "table_entries": support.n_params,
        "features": mixture.indexer.n_features,
        "support_seconds": round(support_seconds, 3),
        "milliseconds": round(1000 * min(seconds[3:]), 3),
        "milliseconds_median": round(1000 * float(np.median(seconds[3:])), 3),
        "peak_mebibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def taxa(options: argparse.Namespace) -> list[dict]:
    rows = []
    for flow in options.flow:
        for size in SIZES:
            command = [sys.executable, "-m", "benchmarks.training.scaling", "one", "--size", str(size), "--flow", flow]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                sys.exit(f"{size} taxa with the flow {flow} ended with {done.returncode}:\n{done.stderr[-2000:]}")
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def mixtures(options: argparse.Namespace) -> list[dict]:
    trees = options.trees / "DS1.ufboot.topologies.tsv.gz"
    if not trees.is_file():
        sys.exit(f"{trees} is not there: give the folder of candidate trees by --trees")
    timing = argparse.Namespace(warm_up=60, block=25, blocks=6)
    rows = []
    for flow in options.flow:
        for mixture in MIXTURES:
            with torch_threads(1):
                rows.append(step.measure("DS1", trees, mixture, flow, timing))
            print(json.dumps(rows[-1]), flush=True)
    return rows


def picture(rows: list[dict], path: Path, x: str, label: str) -> None:
    mpl.use("Agg")
    import matplotlib.pyplot as plt  # after the choice of a backend without a display

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        name = row["flow"] if x == "taxa" else f"{row['flow']}, {row['estimator'].upper()}, S = {row['sampled']}"
        value = row["milliseconds"] if x == "taxa" else 1000 / row["iterations_per_second"]
        lines.setdefault(name, []).append((row[x], value))
    for name, points in lines.items():
        axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=name)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="milliseconds of a step (best block)")
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("mixtures", "taxa", "one"))
    parser.add_argument("--flow", nargs="+", choices=tuple(step.FLOWS), default=["identity", "realnvp"])
    parser.add_argument("--trees", type=Path, default=Path("../shared/data/phylo/support_trees"))
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--results", type=Path, default=RESULTS_FOLDER / "step")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw the lines in --results")
    options = parser.parse_args()
    if options.what == "one":
        with torch_threads(1):
            print(json.dumps(measure_taxa(options.size, options.flow[0], options.steps)))
        return
    path = options.results / f"scaling_{options.what}.jsonl"
    if options.draw:
        _, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    else:
        rows = taxa(options) if options.what == "taxa" else mixtures(options)
        write_json_lines(path, rows)
    x, label = ("taxa", "taxa") if options.what == "taxa" else ("components", "components of the mixture, A")
    picture(rows, options.results / f"scaling_{options.what}.png", x, label)
    timed = "milliseconds" if options.what == "taxa" else "iterations_per_second"
    print_table(rows, [x, "flow", timed])


if __name__ == "__main__":
    main()
