"""Pictures of the page on the method, from runs that `vbpi-mix fit` has made.

    vbpi-mix fit data/examples/primates.nex -o primates_run
    python docs/pictures.py primates_run

writes `docs/method/training.svg`, `weights.svg` and `lengths.svg`, and

    vbpi-mix fit data/examples/woodmouse.fasta -o woodmouse --model HKY --start sample --finish anneal
    python docs/pictures.py --annealed woodmouse

`docs/method/annealing.svg`.
"""

import argparse
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

import vbpi_mix as vm
from vbpi_mix.anneal.convergence import group_frequencies
from vbpi_mix.anneal.result import FROM_MIXTURE, AnnealedPosterior, load_annealed
from vbpi_mix.posterior.draws import PosteriorDraws

BLUE, ORANGE, GREY = "#0a5c9e", "#b5480a", "#595959"
FOLDER = Path(__file__).resolve().parent / "method"


def new_figure(width: float, height: float, n_columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with axes side by side."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, n_columns, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, list(axes)


def training_figure(metrics: list[dict], evaluation: dict) -> Figure:
    """Bound of the training, and the marginal likelihood above it."""
    figure, (axes,) = new_figure(7.0, 3.2)
    iterations = [row["iteration"] for row in metrics]
    axes.plot(iterations, [row["bound"] for row in metrics], color=BLUE, lw=1.2, label="bound, mean of 100 iterations")
    falls = [row["iteration"] for row in metrics if row["learning_rate_factor"] < 1.0]
    if falls:
        axes.axvline(falls[0], color=GREY, lw=0.8, ls=":")
        axes.annotate(
            "rates fall", (falls[0], 0.06), xycoords=("data", "axes fraction"), xytext=(-4, 0),
            textcoords="offset points", ha="right", color=GREY,
        )  # fmt: skip
    axes.axhline(evaluation["log_ml_pooled"], color=ORANGE, lw=1.2, label="marginal log-likelihood")
    axes.set(xlabel="iteration", ylabel="nats")
    axes.ticklabel_format(useOffset=False)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.93), fontsize=8)
    return figure


def weights_figure(draws: PosteriorDraws, evaluation: dict) -> Figure:
    """Histogram of log weights, and the share of the posterior that the largest weights have."""
    figure, (left, right) = new_figure(7.0, 3.0, 2)
    log_weights = draws.log_weights - evaluation["log_ml_pooled"]
    left.hist(log_weights, bins=np.linspace(-8, 4, 61), color=BLUE)
    left.axvline(0.0, color=ORANGE, lw=1.2)
    left.set(xlabel="log weight minus marginal log-likelihood, nats", ylabel="draws")
    share = np.cumsum(np.sort(draws.weights())[::-1])
    order = np.arange(1, len(share) + 1) / len(share)
    right.plot(order, share, color=BLUE, lw=1.5, label="this fit")
    right.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--", label="q equal to the posterior")
    right.set(xlabel="share of the draws, largest weights first", ylabel="share of the posterior")
    right.legend(frameon=False, loc="lower right", fontsize=8)
    return figure


def lengths_figure(draws: PosteriorDraws) -> Figure:
    """Densities of a short, a middling and a long tip branch: each component, their mixture, and the posterior."""
    n_taxa = len(draws.taxa)
    lengths, weights = draws.branch_lengths[:, :n_taxa], draws.weights()
    order = np.argsort(weights @ lengths)
    figure, axes = new_figure(7.5, 2.8, 3)
    for one, tip in zip(axes, (order[0], order[n_taxa // 2], order[-1]), strict=True):
        x = lengths[:, tip]
        edges = np.linspace(*np.quantile(x, [0.0005, 0.9995]), 50)
        middle = (edges[1:] + edges[:-1]) / 2
        for component in np.unique(draws.components):
            height = np.histogram(x[draws.components == component], bins=edges, density=True)[0]
            one.plot(middle, height, color=GREY, lw=0.6, alpha=0.7, label="components" if component == 0 else None)
        one.plot(middle, np.histogram(x, bins=edges, density=True)[0], color=BLUE, lw=1.4, label="mixture")
        posterior = np.histogram(x, bins=edges, weights=weights, density=True)[0]
        one.plot(middle, posterior, color=ORANGE, lw=1.4, ls="--", label="posterior")
        one.set(title=draws.taxa[tip].replace("_", " "), yticks=[])
        one.title.set_fontsize(9)
    axes[0].legend(frameon=False, fontsize=7)
    axes[1].set_xlabel("expected substitutions per site")
    return figure


def annealing_figure(posterior: AnnealedPosterior) -> Figure:
    """Marginal likelihood by the groups, then splits and tree lengths of both sides."""
    figure, (left, middle, right) = new_figure(7.5, 2.7, 3)
    value, error = posterior.log_ml
    groups = np.arange(1, len(posterior.group_log_ml) + 1)
    left.axhspan(value - error, value + error, color=ORANGE, alpha=0.25, lw=0)
    left.axhline(value, color=ORANGE, lw=1.2, label="pooled, with its error")
    left.plot(groups, posterior.group_log_ml, color=BLUE, marker="o", ls="", label="one group")
    left.set(xlabel="group of particles", ylabel="log marginal likelihood", xticks=groups, xlim=(0.5, groups[-1] + 0.5))
    left.margins(y=0.35)
    left.ticklabel_format(axis="y", useOffset=False)
    left.legend(frameon=False, fontsize=7, loc="upper left")
    side = (posterior.sides == FROM_MIXTURE).astype(np.int64)
    chains, particles = group_frequencies(posterior.particles.topologies, side)
    middle.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls="--")
    middle.plot(chains, particles, color=BLUE, marker="o", ms=2.5, alpha=0.5, ls="")
    middle.set(xlabel="split frequency, chains", ylabel="split frequency, particles", aspect="equal")
    lengths = np.exp(posterior.particles.log_lengths).sum(axis=1)
    edges = np.linspace(*np.quantile(lengths, [0.001, 0.999]), 31)
    for number, (name, colour, dashes) in enumerate((("chains", BLUE, "-"), ("particles", ORANGE, "--"))):
        height = np.histogram(lengths[side == number], bins=edges, density=True)[0]
        right.plot((edges[1:] + edges[:-1]) / 2, height, color=colour, ls=dashes, lw=1.3, label=name)
    right.set(xlabel="tree length", yticks=[])
    right.legend(frameon=False, fontsize=7)
    return figure


def main() -> None:
    """Draw the pictures from the run named on the command line."""
    parser = argparse.ArgumentParser(description="Pictures of the page on the method.")
    parser.add_argument("run", type=Path, nargs="?", help="Folder of a run with importance weights.")
    parser.add_argument("--annealed", type=Path, help="Folder of a run that ended with annealing.")
    options = parser.parse_args()
    mpl.rcParams.update({"svg.hashsalt": "vbpi_mix", "font.size": 9})
    figures = {}
    if options.run is not None:
        evaluation = json.loads((options.run / "evaluation.json").read_text())
        metrics = [json.loads(line) for line in (options.run / "metrics.jsonl").read_text().splitlines()]
        draws, _ = vm.load(options.run).weighted_draws(n_repeats=10)
        figures["training"] = training_figure(metrics, evaluation)
        figures["weights"] = weights_figure(draws, evaluation)
        figures["lengths"] = lengths_figure(draws)
    if options.annealed is not None:
        figures["annealing"] = annealing_figure(load_annealed(options.annealed / "annealed.npz"))
    FOLDER.mkdir(exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
