"""Time and memory of reading many distinct trees, building their support, encoding, saving and loading it.

    python -m benchmarks.support.scaling [--trees DS8.ufboot.topologies.tsv.gz] [--cases walk64 walk1000 random64]

`walkN`: distinct topologies one to eight random nearest-neighbour interchanges away from one random tree of N taxa, so
that the support is bounded by what is near that tree, as that of a posterior is. `random64`: uniform random trees,
which share next to nothing, so that the support grows with every tree: the worst case. `--trees`: a file of trees, with
`--alignment` for its taxa. Every case runs in a process of its own on one thread; seconds are those of that process,
memory is the peak of its resident set above what it held before the trees were read (kernels loaded; Linux only). The
trees are written to a Newick file first, and reading that file counts. Before anything is printed, every tree must be
represented, and the support that was loaded must equal the one saved.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import TopologyBatch, nni_neighbours, random_topologies
from vbpi_mix.support import SavedSupport, build_support, load_support, represented

# case: kind, taxa, distinct trees
CASES = {
    "walk64": ("walk", 64, 100_000),
    "walk64_10k": ("walk", 64, 10_000),
    "random64": ("random", 64, 5_000),
    "walk200": ("walk", 200, 20_000),
    "walk1000": ("walk", 1000, 2_000),
    "walk1000_10k": ("walk", 1000, 10_000),
}
_STEPS, _WALKERS = 8, 200
_CHUNK = 2000


def walks(n_taxa: int, n_trees: int, generator: np.random.Generator) -> TopologyBatch:
    """Distinct topologies near one tree."""
    start = random_topologies(1, n_taxa, generator)
    found: dict[bytes, None] = {}
    walkers = max(8, min(_WALKERS, 20_000 // n_taxa))
    n_picked = max(2 * _WALKERS // walkers, 20)  # neighbours that count; the first is where the walk goes on
    while len(found) < n_trees:
        now = np.repeat(start.children, walkers, axis=0)
        for _ in range(_STEPS):
            near = nni_neighbours(TopologyBatch(now)).children.reshape(walkers, -1, *now.shape[1:])
            picked = near[np.arange(walkers)[:, None], generator.integers(near.shape[1], size=(walkers, n_picked))]
            now = picked[:, 0]
            rows = picked.reshape(-1, *now.shape[1:]).astype(np.uint16)
            found.update((row.tobytes(), None) for row in rows)
    data = b"".join(list(found)[:n_trees])
    return TopologyBatch(np.frombuffer(data, dtype=np.uint16).reshape(n_trees, n_taxa - 2, 2).astype(np.int32))


def write(case: str, path: Path) -> None:
    """The trees of a case as Newick text, tips named t0, t1, ..."""
    kind, n_taxa, n_trees = CASES[case]
    generator = np.random.default_rng(1)
    make = walks if kind == "walk" else lambda n, t, g: random_topologies(t, n, g)
    names = [f"t{i}" for i in range(n_taxa)]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(tree.newick(names) + "\n" for tree in make(n_taxa, n_trees, generator))


def forget_peak() -> None:
    """Let `peak` count from the present resident set (Linux)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak() -> float:
    """Bytes of the largest resident set since `forget_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024.0 for line in lines if line.startswith("VmHWM:"))


def measure(path: Path, taxa: tuple[str, ...]) -> dict[str, Any]:
    """In a fresh process: everything once on ten trees to load the kernels, then the file."""
    set_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        few = random_topologies(10, len(taxa), np.random.default_rng(0))
        tiny = Path(folder) / "few.nwk"
        tiny.write_text("".join(tree.newick(list(taxa)) + "\n" for tree in few), encoding="utf-8")
        _once(tiny, taxa, Path(folder) / "few.npz")
        forget_peak()
        before = peak()
        return _once(path, taxa, Path(folder) / "support.npz", before)


def _once(path: Path, taxa: tuple[str, ...], saved_as: Path, before: float = 0.0) -> dict[str, Any]:
    moments = [time.perf_counter()]
    sample = read_trees([path], taxa)
    moments.append(time.perf_counter())
    after_reading = peak()
    support = build_support(sample.topologies)
    moments.append(time.perf_counter())
    after_building = peak()
    saved = SavedSupport(support=support, sample=sample)
    saved.save(saved_as)
    moments.append(time.perf_counter())
    loaded = load_support(saved_as)
    moments.append(time.perf_counter())
    if loaded.support != support or loaded.sample.taxa != sample.taxa:
        sys.exit("the support that was loaded is not the one that was saved")
    for first in range(0, sample.n_trees, _CHUNK):
        if not represented(support, sample.topologies[first : first + _CHUNK]).all():
            sys.exit("a tree is not represented by its own support")
    moments.append(time.perf_counter())
    seconds = dict(zip(("read", "build", "save", "load", "encode"), np.diff(moments).tolist(), strict=True))
    return {
        "n_trees": sample.n_trees,
        "n_taxa": len(taxa),
        "n_splits": support.n_splits,
        "n_pcsps": support.n_pcsps,
        **{f"seconds_{name}": value for name, value in seconds.items()},
        "seconds_file_to_support": seconds["read"] + seconds["build"],
        "file_mib": saved_as.stat().st_size / 2**20,
        "text_mib": path.stat().st_size / 2**20,
        "peak_reading_mib": (after_reading - before) / 2**20,
        "peak_building_mib": (after_building - before) / 2**20,
        "topologies_mib": sample.topologies.children.nbytes / 2**20,
        "support_mib": sum(array.nbytes for array in support.arrays().values()) / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--trees", type=Path, help="a file of trees to measure as well")
    parser.add_argument("--alignment", type=Path, help="the alignment that its taxa are from")
    parser.add_argument("--output", type=Path, default=RESULTS_FOLDER / "support")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)  # tree file, JSON file of taxa: the inner process
    options = parser.parse_args()
    if options.measure:
        path, taxa = (Path(x) for x in options.measure)
        print(json.dumps(measure(path, tuple(json.loads(taxa.read_text(encoding="utf-8"))))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        jobs: list[tuple[str, Path, tuple[str, ...]]] = []
        for case in options.cases:
            path = Path(folder) / f"{case}.nwk"
            write(case, path)
            jobs.append((case, path, tuple(f"t{i}" for i in range(CASES[case][1]))))
        if options.trees:
            if not options.alignment:
                parser.error("--trees needs --alignment")
            jobs.append((options.trees.name, options.trees, read_alignment(options.alignment).taxa))
        for name, path, taxa in jobs:
            names = Path(folder) / "taxa.json"
            names.write_text(json.dumps(taxa), encoding="utf-8")
            command = [sys.executable, "-m", "benchmarks.support.scaling", "--measure", str(path), str(names)]
            load = os.getloadavg()[0]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            row = {"case": name, **json.loads(done.stdout), "load_before_and_after": [load, os.getloadavg()[0]]}
            rows.append(row)
            print(f"{name}: {row['seconds_file_to_support']:.1f} s from file to support", flush=True)
    print_table(rows, [name for name in rows[0] if name != "load_before_and_after"])
    write_json_lines(options.output / "scaling.jsonl", rows)


if __name__ == "__main__":
    main()
