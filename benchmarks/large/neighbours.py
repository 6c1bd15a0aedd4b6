"""All NNI neighbours of a tree, each with five edges optimised, against whole trees optimised one by one.

`python -m benchmarks.large.neighbours [--taxa 100 500] [--models JC69 GTR+G4] [--neighbours 20] [-o FILE]`

The gate: scores are the densities of whole trees at the lengths found, and no score is above the density of the same
neighbour with all lengths optimised. Whole trees are timed on a sample of neighbours, 300 sites, one thread. A second
table times an accepted interchange with the update of its messages.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.evolve import evolve_states
from vbpi_mix import provenance
from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.edge_kernels import rearrange
from vbpi_mix.anneal.neighbourhood import NeighbourScorer
from vbpi_mix.anneal.target import LocalModel
from vbpi_mix.anneal.trees import moving_tree, taxon_keys
from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.messages import Blocks
from vbpi_mix.felsenstein.local.tree import Messages, MovingTree, set_messages, update_up
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, TopologyBatch, nni_neighbours, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import Alignment
from vbpi_mix.start.lengths import optimise_lengths
from vbpi_mix.threads import set_threads

MODELS = {"JC69": "JC69", "GTR+G4": "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}"}


def simulated(n_taxa: int, n_sites: int, seed: int) -> tuple[SitePatterns, TopologyBatch]:
    """An alignment evolved on a random tree under JC69, and the tree's topology."""
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, n_taxa, generator)))

    def along(states: np.ndarray, _: int) -> np.ndarray:
        changed = generator.random(n_sites) < 1 - np.exp(-4 / 3 * generator.exponential(0.06))
        return np.where(changed, generator.integers(4, size=n_sites), states)

    sets = (1 << evolve_states(topology, generator.integers(4, size=n_sites), along)).astype(np.uint8)
    names = tuple(f"t{i}" for i in range(n_taxa))
    return site_patterns(Alignment(taxa=names, state_sets=sets)), topology.batch()


@kernel()
def upper_messages(tree: MovingTree, work: Messages, blocks: Blocks, nodes: np.ndarray) -> None:
    for node in nodes:
        update_up(tree, work, node, blocks)


@kernel()
def interchanges(tree, work, target, nodes):  # noqa: ANN001, ANN201
    """Swap at each of some nodes and back, messages updated."""
    for node in nodes:
        rearrange(tree, work, target, node, 1)
        rearrange(tree, work, target, node, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--taxa", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--neighbours", type=int, default=20, help="timed as whole trees")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    set_threads(1)
    torch.set_num_threads(1)
    records = []
    titles = ("taxa", "model", "local, ms", "whole, ms", "ratio", "accepted NNI, us", "gap, nats")
    print("{:>5} {:>8} {:>10} {:>11} {:>7} {:>17} {:>10}".format(*titles))
    for n_taxa in options.taxa:
        patterns, topology = simulated(n_taxa, 300, seed=1)
        for name in options.models:
            model = PhyloModel(patterns, n_taxa, substitution_model=MODELS[name])
            local = LocalModel(model)
            spectra = local.spectra(np.zeros((1, 0)))[0]
            scorer = NeighbourScorer(local, spectra)
            x = optimise_lengths(model, topology).log_lengths[0]
            found = scorer.score(topology.children[0], x)
            begun = time.perf_counter()
            found = scorer.score(topology.children[0], x)
            local_seconds = time.perf_counter() - begun
            neighbours = nni_neighbours(topology)
            chosen = np.linspace(0, neighbours.n_trees - 1, options.neighbours).astype(np.int64)
            start = np.tile(x, (len(chosen), 1))
            optimise_lengths(model, neighbours[chosen[:1]], start=start[:1])
            begun = time.perf_counter()
            whole = optimise_lengths(model, neighbours[chosen], start=start)
            whole_seconds = (time.perf_counter() - begun) * neighbours.n_trees / len(chosen)
            assert (found.log_density[chosen] <= whole.log_density + 0.05).all(), "a local score above the optimum"
            gap = whole.log_density - found.log_density[chosen]
            assert np.median(gap) < 5.0, f"local scores are {np.median(gap):.1f} nats below whole trees"

            walker = Walker(model)
            tree = moving_tree(topology.children[0], np.exp(x), taxon_keys(n_taxa))
            work = local.messages()
            order = np.empty(2 * n_taxa - 2, dtype=np.int64)
            set_messages(tree, work, spectra, local.blocks, order)
            upper_messages(tree, work, local.blocks, order[1 : 2 * n_taxa - 3])
            target = walker.local.target(spectra, np.array([-3.0, -3.0]))
            nodes = np.tile(np.arange(n_taxa, 2 * n_taxa - 3), 5)
            interchanges(tree, work, target, nodes[:1])
            begun = time.perf_counter()
            interchanges(tree, work, target, nodes)
            accepted = (time.perf_counter() - begun) / (2 * len(nodes)) * 1e6
            record = {
                "taxa": n_taxa, "model": name, "local_ms": local_seconds * 1e3, "whole_ms": whole_seconds * 1e3,
                "ratio": whole_seconds / local_seconds, "accepted_interchange_us": accepted,
                "median_gap_nats": float(np.median(gap)), "patterns": patterns.n_patterns,
            }  # fmt: skip
            records.append(record)
            print(
                f"{n_taxa:5} {name:>8} {record['local_ms']:10.1f} {record['whole_ms']:11.0f} {record['ratio']:7.0f} "
                f"{accepted:17.1f} {record['median_gap_nats']:10.2f}",
                flush=True,
            )
    if options.output is not None:
        options.output.write_text(json.dumps({"provenance": provenance.describe(), "rows": records}, indent=2) + "\n")


if __name__ == "__main__":
    main()
