"""Regrafts of a chain that has settled: how many change the tree, and processor time of a round.

    python -m benchmarks.large.regrafts [-o FILE]

Sequences evolved with equal rates (`rounds`), one chain from the true tree, one thread, first rounds left out. The
gate: the log-likelihood that the chain ends with is that of its tree, evaluated whole. To measure another commit, set
PYTHONPATH to its checkout.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.large.rounds import MODELS, evolved
from vbpi_mix import provenance
from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import DNA, PROTEIN, SitePatterns, TopologyBatch
from vbpi_mix.threads import set_threads

CASES = (("GTR+G4", 50, 300, 20, 150), ("LG+G4", 50, 300, 10, 50), ("LG+G4", 40, 40, 10, 100))


def measure(name: str, n_taxa: int, n_sites: int, burn_in: int, n_rounds: int) -> dict[str, Any]:
    """Regrafts tried and made, and milliseconds of a round."""
    data_type = PROTEIN if name.startswith("LG") else DNA
    sets, children = evolved(n_taxa, n_sites, data_type.n_states, 1)
    patterns = SitePatterns(state_sets=sets.astype(data_type.dtype), weights=np.ones(n_sites), data_type=data_type)
    model = PhyloModel(patterns, n_taxa, substitution_model=MODELS[name])
    walker, generators, typical = Walker(model), [np.random.default_rng(1)], np.log(np.array([0.1, 0.1]))
    particles = Particles(
        topologies=TopologyBatch(children[None]),
        log_lengths=np.full((1, 2 * n_taxa - 3), np.log(0.1)),
        coordinates=np.zeros((1, 0)),
        log_likelihood=np.zeros(1),
    )
    particles = walker.move(particles, generators, rounds=float(burn_in), typical=typical)
    walker.counts[:] = 0
    begin = time.process_time()
    particles = walker.move(particles, generators, rounds=float(n_rounds), typical=typical)
    seconds = time.process_time() - begin
    lengths = torch.from_numpy(np.exp(particles.log_lengths))
    error = abs(float(model.log_likelihood(lengths, particles.topologies)[0]) - float(particles.log_likelihood[0]))
    assert error < 1e-8 * abs(float(particles.log_likelihood[0])), f"{name}: a chain's log-likelihood is {error} off"
    return {
        "model": name, "taxa": n_taxa, "sites": n_sites, "ms_a_round": seconds / n_rounds * 1e3,
        "tried": int(walker.counts[3]), "made": int(walker.counts[4]),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    set_threads(1)
    torch.set_num_threads(1)
    rows = []
    for case in CASES:
        rows.append(measure(*case))
        print(json.dumps(rows[-1]), flush=True)
    if options.output is not None:
        content = {"provenance": provenance.describe(), "rows": rows}
        options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
