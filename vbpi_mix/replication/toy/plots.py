"""Figures 3 and 8 to 12 of the paper: bounds and times of the toy, and its posterior with the components over it."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

from vbpi_mix.replication.plot_style import INK, QUIET, cycle, plain, write_figures
from vbpi_mix.replication.toy.config import LATENT_FIGURES
from vbpi_mix.replication.toy.tables import ToyTables
from vbpi_mix.toys import ExactPosterior, FunnelModel

_COMPONENT = "#b5400a"
_GRID = 301  # nodes per axis of the posterior's picture
_REACH = 3.2  # of the picture of the latent space, in posterior standard deviations
_DEPTH = 10.0  # nats below the mode down to which the posterior is drawn
# from the mode outwards; light enough for the components to stand out everywhere
_SHADES = ("#7fb0dc", "#93bce2", "#a8c9e8", "#bad4ed", "#cbdff2", "#dae8f6", "#e7f0f9", "#f2f7fc")


def write_pictures(tables: ToyTables, model: FunnelModel, folder: Path) -> list[Path]:
    """Draw Figure 3, Figure 8, and every row's components over the posterior, each from the first seed.

    Rows that the paper shows are named by its figure's number, `figure_09_s2a_2_5.png`, others `latent_s2a_1_20.png`.
    """
    exact, config = tables.exact, tables.config
    figures = {
        "figure_03.png": bounds_figure(tables),
        "figure_08.png": latent_figure(
            model, exact, title=f"The posterior, D = {config.dimension}, N = {config.n_points}"
        ),
    }
    for row in config.rows:
        seed = config.seeds[0]
        result = tables.results[row, seed]
        number = LATENT_FIGURES.get(row.word)
        name = "latent" if number is None else f"figure_{number:02d}"
        gap = exact.log_evidence - result["bound"]
        figures[f"{name}_{row.word.replace(':', '_')}.png"] = latent_figure(
            model,
            exact,
            title=f"{row.label}, seed {seed}: KL(q || posterior) {gap:.3f} nats",
            means=np.asarray(result["means"]),
            sds=np.exp(0.5 * np.asarray(result["log_variances"])),
        )
    return write_figures(figures, folder)


def bounds_figure(tables: ToyTables) -> Figure:
    """Figure 3: bounds during training, gaps to the exact marginal likelihood at its end, and the time of a step."""
    config = tables.config
    figure = Figure(figsize=(12.0, 4.8))
    FigureCanvasAgg(figure)
    curves = figure.add_axes((0.065, 0.13, 0.38, 0.70))
    gaps = figure.add_axes((0.565, 0.13, 0.21, 0.70))
    times = figure.add_axes((0.80, 0.13, 0.185, 0.70))
    _draw_curves(curves, tables)
    places = np.arange(len(config.rows))[::-1]
    for place, row, (colour, _, marker) in zip(places, config.rows, cycle(len(config.rows)), strict=True):
        values = tables.gaps(row)
        gaps.plot(values, [place] * len(values), marker, color=colour, markersize=6, alpha=0.75, markeredgewidth=0)
        milliseconds = tables.step_ms(row)
        times.barh(place, milliseconds, height=0.55, color=colour)
        times.annotate(
            f"{milliseconds:.2f}", (milliseconds, place), xytext=(3, 0), textcoords="offset points", va="center",
            fontsize=8.5, color=INK,
        )  # fmt: skip
    for axes in (gaps, times):
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_yticks(places, [row.label for row in config.rows] if axes is gaps else [""] * len(places), color=INK)
        axes.set_xlim(left=0)
        plain(axes)
    times.set_xlim(right=1.22 * max(tables.step_ms(row) for row in config.rows))
    gaps.set_xlabel("log marginal likelihood - exact bound, nats", color=INK)
    gaps.set_title("after training, a mark per seed", fontsize=9.5, color=INK)
    times.set_xlabel("ms per training step", color=INK)
    (_, energy), _ = next(iter(tables.times.items()))
    times.set_title(f"time, energy {energy}", fontsize=9.5, color=INK)
    figure.text(
        0.012, 0.975, f"MISELBO and time on the funnel toy ({config.title})", va="top", fontsize=12, fontweight="bold",
        color=INK,
    )  # fmt: skip
    return figure


def _draw_curves(axes: Axes, tables: ToyTables) -> None:
    exact, config = tables.exact.log_evidence, tables.config
    axes.axhline(exact, color=INK, linewidth=1)
    lowest = exact
    for row, (colour, line, _) in zip(config.rows, cycle(len(config.rows)), strict=True):
        curves = [tables.results[row, seed]["curve"] for seed in config.seeds]
        iterations = [point["iteration"] for point in curves[0]]
        bounds = np.array([[point["bound"] for point in curve] for curve in curves])
        axes.fill_between(iterations, bounds.min(axis=0), bounds.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        axes.plot(iterations, bounds.mean(axis=0), color=colour, linestyle=line, linewidth=1.6, label=row.label)
        lowest = min(lowest, float(bounds[:, len(iterations) // 4 :].min()))
    room = exact - lowest
    axes.set_ylim(lowest - 0.15 * room, exact + 0.12 * room)
    axes.set_xlim(0, config.iterations)
    axes.annotate(
        f"exact log marginal likelihood {exact:.3f}", (0.02, exact), xycoords=("axes fraction", "data"), xytext=(0, 3),
        textcoords="offset points", fontsize=8.5, color=INK,
    )  # fmt: skip
    axes.set_xlabel("iteration", color=INK)
    axes.set_ylabel("MISELBO of the whole mixture, nats", color=INK)
    seeds = len(config.seeds)
    band = f"mean of {seeds} seeds, band: lowest to highest" if seeds > 1 else "one seed"
    axes.set_title(f"during training ({band})", fontsize=9.5, color=INK)
    axes.legend(loc="lower right", fontsize=8.5, frameon=False, labelcolor=INK, handlelength=3.5)
    plain(axes)


def latent_figure(
    model: FunnelModel,
    exact: ExactPosterior,
    *,
    title: str,
    means: np.ndarray | None = None,
    sds: np.ndarray | None = None,
) -> Figure:
    """The posterior density in the latent space, darker where it is higher, with Gaussians over it.

    Arguments:
        model: the target.
        exact: moments of the exact posterior, which choose the window together with the components.
        title: printed above.
        means: (A, 2) of the components, drawn as dots; none: the posterior alone.
        sds: (A, 2) their standard deviations, drawn as ellipses of one and two.
    """
    centre, spread = exact.mean.numpy(), exact.sd.numpy()
    low, high = centre - _REACH * spread, centre + _REACH * spread
    if means is not None and sds is not None:  # no component is cut off, wherever the training left it
        low, high = np.minimum(low, (means - 2.2 * sds).min(axis=0)), np.maximum(high, (means + 2.2 * sds).max(axis=0))
    z1, z2 = (np.linspace(low[d], high[d], _GRID) for d in range(2))
    points = torch.from_numpy(np.stack(np.meshgrid(z1, z2), axis=-1))
    with torch.no_grad():
        density = torch.stack([model.log_joint(line) for line in points]).numpy()
    depth = density.max() - density
    figure = Figure(figsize=(5.6, 5.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.12, 0.15, 0.85, 0.78))
    levels = [0, 0.5, 1, 2, 3, 4.5, 6, 8, _DEPTH]
    axes.contourf(z1, z2, depth, levels=levels, colors=_SHADES)
    axes.contour(z1, z2, depth, levels=levels[1:], colors="#8a9bb0", linewidths=0.5)
    if means is not None and sds is not None:
        for mean, sd in zip(means, sds, strict=True):
            for width, line in ((1, "-"), (2, ":")):
                axes.add_patch(
                    Ellipse(
                        (mean[0], mean[1]),
                        2 * width * sd[0],
                        2 * width * sd[1],
                        fill=False,
                        edgecolor=_COMPONENT,
                        linewidth=1.3,
                        linestyle=line,
                    )
                )
        axes.plot(means[:, 0], means[:, 1], "o", color=_COMPONENT, markersize=4, markeredgecolor="white")
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    axes.set_xlabel("z1", color=INK)
    axes.set_ylabel("z2", color=INK)
    axes.set_title(title, fontsize=10.5, color=INK, fontweight="bold", loc="left")
    plain(axes)
    caption = f"Posterior density: contours {', '.join(f'{x:g}' for x in levels[1:])} nats below the mode."
    if means is not None:
        caption += "\nComponents: mean, one (full) and two (dotted) standard deviations."
    figure.text(0.02, 0.012, caption, va="bottom", fontsize=7.5, color=QUIET)
    return figure
