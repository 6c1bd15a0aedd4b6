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

from benchmarks.large.rounds import TYPICAL, error_of, settled_chain
from vbpi_mix import provenance
from vbpi_mix.threads import set_threads

CASES = (("GTR+G4", 50, 300, 20, 150), ("LG+G4", 50, 300, 10, 50), ("LG+G4", 40, 40, 10, 100))


def measure(name: str, n_taxa: int, n_sites: int, burn_in: int, n_rounds: int) -> dict[str, Any]:
    """Regrafts tried and made, and milliseconds of a round."""
    model, walker, particles = settled_chain(name, n_taxa, n_sites)
    generators = [np.random.default_rng(1)]
    particles = walker.move(particles, generators, rounds=float(burn_in), typical=TYPICAL)
    walker.counts[:] = 0
    begin = time.process_time()
    particles = walker.move(particles, generators, rounds=float(n_rounds), typical=TYPICAL)
    seconds = time.process_time() - begin
    error = error_of(model, particles)
    assert error < 1e-8, f"{name}: a chain's log-likelihood is wrong by {error}"
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
