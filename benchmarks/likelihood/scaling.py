"""Time and memory of the likelihood against taxa and patterns: python -m benchmarks.likelihood.scaling [--folder F].

One tree under JC69 and GTR+G4 on simulated data, value and gradient in all branch lengths, one thread and all. Each
point is a process of its own, so that its peak of memory is its own. Writes scaling.jsonl and scaling.svg.
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

from benchmarks._common import RESULTS_FOLDER, print_table, write_json_lines
from benchmarks.calibration.simulate import simulate
from benchmarks.likelihood.cpu import MODELS
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns

TAXA = (50, 100, 200, 500, 1000, 2000)
PATTERNS = (100, 300, 1000, 3000, 10_000)
REPEATS = 3


def measure(n_taxa: int, n_patterns: int, model: str, threads: int) -> dict[str, Any]:
    """Seconds of the fastest of a few calls, and the peak of memory beyond that of the process before them."""
    set_threads(threads)
    torch.set_num_threads(1)
    generator = np.random.default_rng(1)
    alignment, topology, lengths = simulate(n_taxa, n_patterns, generator)
    # every site a pattern of its own, with duplicates, whatever the data
    patterns = SitePatterns(state_sets=alignment.state_sets, weights=np.ones(n_patterns))
    target = PhyloModel(patterns, n_taxa, substitution_model=MODELS[model])
    target.patterns = patterns
    warm_up(model)
    leaf = torch.from_numpy(lengths[None]).requires_grad_()
    before = memory("VmRSS")
    # Linux: the highest mark of the memory in use starts again from what is in use now
    Path("/proc/self/clear_refs").write_text("5")
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        value = target.log_likelihood(leaf, topology.batch())
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        seconds.append(time.perf_counter() - begun)
    peak = memory("VmHWM")
    if not (torch.isfinite(value).all() and torch.isfinite(gradient).all()):
        raise SystemExit(f"{model}, {n_taxa} taxa, {n_patterns} patterns: value or gradient is not finite")
    # the gradient of the sum over the edges that lie side by side, by a finite difference
    step = 1e-6 * float(lengths.mean())
    higher, lower = (target.log_likelihood((leaf + s * step).detach(), topology.batch()) for s in (1, -1))
    difference = float((higher - lower) / (2 * step))
    if abs(difference - float(gradient.sum())) > 1e-3 * float(gradient.abs().max()) * n_taxa**0.5 + 1e-2:
        raise SystemExit(f"{model}, {n_taxa} taxa, {n_patterns} patterns: {difference} is not {float(gradient.sum())}")
    return {
        "model": model,
        "n_taxa": n_taxa,
        "n_patterns": n_patterns,
        "threads": threads,
        "ms": round(1e3 * min(seconds), 3),
        "peak_mb": round(peak - before, 1),
        "process_mb": round(peak, 1),
        "load_average": round(os.getloadavg()[0], 2),
    }


def warm_up(model: str) -> None:
    """Load the kernels, so that their memory is not counted."""
    generator = np.random.default_rng(0)
    alignment, topology, lengths = simulate(5, 70, generator)
    patterns = SitePatterns(state_sets=alignment.state_sets, weights=np.ones(70))
    leaf = torch.from_numpy(lengths[None]).requires_grad_()
    value = PhyloModel(patterns, 5, substitution_model=MODELS[model]).log_likelihood(leaf, topology.batch())
    torch.autograd.grad(value.sum(), leaf)


def memory(field: str) -> float:
    """MB that this process uses now, VmRSS, or has used at most, VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Time and peak of memory of the process against taxa, at two numbers of patterns, and the reverse."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 7.5), layout="constrained")
    for model, colour in zip(MODELS, ("C0", "C1"), strict=True):
        chosen = [r for r in rows if r["model"] == model and r["threads"] == 1]
        for n_patterns, style in ((1000, "-"), (10_000, "--")):
            line = sorted((r["n_taxa"], r["ms"], r["process_mb"]) for r in chosen if r["n_patterns"] == n_patterns)
            label = f"{model}, {n_patterns:,} patterns"
            curve(axes[0][0], line, 1, label, colour, style)
            curve(axes[1][0], line, 2, label, colour, style)
        for n_taxa, style in ((200, "-"), (2000, "--")):
            line = sorted((r["n_patterns"], r["ms"], r["process_mb"]) for r in chosen if r["n_taxa"] == n_taxa)
            label = f"{model}, {n_taxa:,} taxa"
            curve(axes[0][1], line, 1, label, colour, style)
            curve(axes[1][1], line, 2, label, colour, style)
    labels = (("milliseconds per tree", "log"), ("peak of memory with libraries, MB", "linear"))
    for row, (label, scale) in enumerate(labels):
        for axis, name in zip(axes[row], ("taxa", "patterns"), strict=True):
            axis.set(xscale="log", yscale=scale, xlabel=name, ylabel=label)
            axis.grid(visible=True, which="major", alpha=0.4)
            axis.legend(fontsize=8, loc="upper left" if scale == "log" else "lower right")
    for axis in axes[1]:
        axis.set_ylim(bottom=0)
    for axis, name in zip(axes[0], ("taxa", "patterns"), strict=True):
        axis.set_title(f"time against {name}; grey: proportional")
        (x0, x1), (_, high) = axis.get_xlim(), axis.get_ylim()
        for scale in (high * 1e-1, high * 1e-2, high * 1e-3, high * 1e-4):
            axis.plot([x0, x1], [scale, scale * x1 / x0], color="0.8", linewidth=0.8, zorder=0)
        axis.set_xlim(x0, x1)
        axis.set_ylim(top=high)
    figure.suptitle("log-likelihood and gradient in all branch lengths, one tree, one thread, float64")
    figure.savefig(path)


def curve(axis: Any, line: list[tuple[int, float, float]], column: int, label: str, colour: str, style: str) -> None:
    points = [(p[0], max(p[column], 0.1)) for p in line]
    axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label, color=colour, linestyle=style)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=RESULTS_FOLDER / "likelihood")
    parser.add_argument("--one", nargs=4, metavar=("TAXA", "PATTERNS", "MODEL", "THREADS"), help="a single point")
    arguments = parser.parse_args()
    if arguments.one is not None:
        n_taxa, n_patterns, model, threads = arguments.one
        print(json.dumps(measure(int(n_taxa), int(n_patterns), model, int(threads))))
        return
    points = [(n, p, m, 1) for m in MODELS for n in TAXA for p in PATTERNS if p in (1000, 10_000) or n in (200, 2000)]
    points += [(2000, 10_000, m, 2) for m in MODELS]
    rows = []
    for point in points:
        command = [sys.executable, "-m", "benchmarks.likelihood.scaling", "--one", *map(str, point)]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(rows[-1], flush=True)
    print_table(rows, ["model", "n_taxa", "n_patterns", "threads", "ms", "peak_mb", "process_mb"])
    write_json_lines(arguments.folder / "scaling.jsonl", rows)
    draw(rows, arguments.folder / "scaling.svg")
    print(f"written to {arguments.folder}")


if __name__ == "__main__":
    main()
