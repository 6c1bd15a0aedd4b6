"""Rounds of moves over the edges of a tree, for nucleotides and proteins, beside another version of the package.

    python -m benchmarks.large.rounds [--taxa 50] [--sites 300] [--models GTR+G4 LG+G4] [--against FOLDER] [-o FILE]

A round passes every edge twice and tries regrafts at a share of them (`sample`) or goes uphill by regrafts to places
far away (`search`), one thread. The gate: the log-likelihood that a walk returns is that of its tree, evaluated whole.
Times are of the processor. `--against` is a checkout of another commit; both versions run in processes of their own, in
turn, and the mean of `--repeats` rounds counts, of the fastest turn: no two rounds have equal work. The bound is that
of the products of matrices with vectors alone, regrafts left out, of which a move at an inner edge makes eight and a
move at a tip four: 2 states^2 operations a pattern and category, at the rate that large products of matrices reach.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.evolve import evolve_states
from vbpi_mix import provenance
from vbpi_mix.anneal.chains import Walker, WalkSettings
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import DNA, PROTEIN, SitePatterns, TopologyBatch, random_topologies
from vbpi_mix.threads import set_threads

_BEGINNING = 5  # rounds that touch the memory of the messages for the first time
TYPICAL = np.log(np.array([0.1, 0.1]))
MODELS = {
    "GTR+G4": "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+G4{0.5}",
    "LG+G4": "LG+G4{0.5}",
}


def evolved(n_taxa: int, n_sites: int, n_states: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """State sets evolved on a random tree with equal rates, and the tree's children."""
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, n_taxa, generator)))

    def along(states: np.ndarray, _: int) -> np.ndarray:
        changed = generator.random(n_sites) < 1 - np.exp(-generator.exponential(0.1))
        return np.where(changed, generator.integers(n_states, size=n_sites), states)

    states = evolve_states(topology, generator.integers(n_states, size=n_sites), along)
    return np.uint64(1) << states.astype(np.uint64), topology.children


def settled_chain(
    name: str, n_taxa: int, n_sites: int, seed: int = 1, settings: WalkSettings | None = None
) -> tuple[PhyloModel, Walker, Particles]:
    """A model by its name, what moves trees under it, and the tree that data were evolved on, all lengths 0.1."""
    data_type = PROTEIN if name.startswith("LG") else DNA
    sets, children = evolved(n_taxa, n_sites, data_type.n_states, seed)
    patterns = SitePatterns(state_sets=sets.astype(data_type.dtype), weights=np.ones(n_sites), data_type=data_type)
    model = PhyloModel(patterns, n_taxa, substitution_model=MODELS[name])
    particles = Particles(
        topologies=TopologyBatch(children[None]),
        log_lengths=np.full((1, 2 * n_taxa - 3), np.log(0.1)),
        coordinates=np.zeros((1, 0)),
        log_likelihood=np.zeros(1),
    )
    return model, Walker(model, settings=settings), particles


def error_of(model: PhyloModel, particles: Particles) -> float:
    """Relative error of the log-likelihood that a walk returns, beside that of its tree evaluated whole."""
    whole = float(model.log_likelihood(torch.from_numpy(np.exp(particles.log_lengths)), particles.topologies)[0])
    return abs(whole - float(particles.log_likelihood[0])) / abs(whole)


def measure(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Processor seconds of a round by model and kind, after the gate."""
    set_threads(1)
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for name in options.models:
        settings = WalkSettings(regrafts=options.regrafts)
        model, walker, start = settled_chain(name, options.taxa, options.sites, options.seed, settings)
        for search in (False, True):
            seconds = []
            generator = np.random.default_rng(1)
            for repeat in range(_BEGINNING + options.repeats):
                begin = time.process_time()
                moved = walker.move(start, [generator], rounds=1.0, typical=TYPICAL, search=search)
                seconds.append(time.process_time() - begin)
                if repeat == 0:
                    error = error_of(model, moved)
                    assert error < 1e-8, f"{name}: a walk's log-likelihood is wrong by {error}"
                if not search:
                    start = moved
            found[f"{name} {'search' if search else 'sample'}"] = {
                "seconds": float(np.mean(seconds[_BEGINNING:])),
                "all": seconds[_BEGINNING:],
            }
    return found


def operations(name: str, options: argparse.Namespace) -> float:
    """Of the products in a round's moves at edges."""
    n_states, n = (20 if name.startswith("LG") else 4), options.taxa
    blocks = -(-options.sites // 64) * 64
    return (8 * (n - 3) + 4 * n) * 2 * n_states**2 * 4 * blocks


def peak() -> float:
    """Operations a second of a large product of matrices, one thread."""
    a = torch.ones((1000, 1000), dtype=torch.float64)
    torch.mm(a, a)
    times = []
    for _ in range(5):
        begin = time.process_time()
        torch.mm(a, a)
        times.append(time.process_time() - begin)
    return 2e9 / min(times)


def _elsewhere(folder: Path, arguments: list[str]) -> dict[str, dict[str, Any]]:
    here = Path(__file__).resolve().parents[2]  # has the benchmarks' own modules
    environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{here}"}
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", *arguments]
    made = subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True)
    return json.loads(made.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxa", type=int, default=50)
    parser.add_argument("--sites", type=int, default=300)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--turns", type=int, default=3, help="of the two versions")
    parser.add_argument("--regrafts", type=float, default=0.2, help="share of the edges; 0.05 beside redrawn blocks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--against", type=Path, help="a checkout of another commit")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)))
        return
    arguments = ["--taxa", str(options.taxa), "--sites", str(options.sites), "--repeats", str(options.repeats)]
    arguments += ["--seed", str(options.seed), "--regrafts", str(options.regrafts), "--models", *options.models]
    here = Path(__file__).resolve().parents[2]
    folders = {"this": here} | ({} if options.against is None else {"other": options.against.resolve()})
    best: dict[str, dict[str, float]] = {}
    for _ in range(options.turns):
        for version, folder in folders.items():
            for name, row in _elsewhere(folder, arguments).items():
                known = best.setdefault(name, {})
                known[version] = min(known.get(version, np.inf), row["seconds"])
    rate = peak()
    print(
        f"{'round':>16} {'this, ms':>9} {'other, ms':>10} {'ratio':>6} {'bound, ms':>10}   ({rate / 1e9:.0f} GFlop/s)"
    )
    rows = []
    for name, known in best.items():
        bound = operations(name, options) / rate if name.endswith("sample") else None
        row = {"round": name, "this_ms": known["this"] * 1e3, "bound_ms": None if bound is None else bound * 1e3}
        if "other" in known:
            row |= {"other_ms": known["other"] * 1e3, "ratio": known["other"] / known["this"]}
        rows.append(row)
        print(
            f"{name:>16} {row['this_ms']:9.1f} {row.get('other_ms', np.nan):10.1f} {row.get('ratio', np.nan):6.2f} "
            f"{np.nan if bound is None else bound * 1e3:10.1f}"
        )
    if options.output is not None:
        settings = {
            "taxa": options.taxa,
            "sites": options.sites,
            "regrafts": options.regrafts,
            "peak_gflops": rate / 1e9,
        }
        content = {"provenance": provenance.describe(), "settings": settings, "rows": rows}
        options.output.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
