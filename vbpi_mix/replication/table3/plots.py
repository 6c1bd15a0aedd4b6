"""Pictures of Table 3: marginal likelihood by row, training curves, cost against quality; readable without colour."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vbpi_mix.io.files import atomic_write
from vbpi_mix.replication.table3.columns import bracketed
from vbpi_mix.replication.table3.cost_plot import cost_figure
from vbpi_mix.replication.table3.plot_style import INK, NARROWEST, OURS, QUIET, RULE, THEIRS, heading, plain, short
from vbpi_mix.replication.table3.published import Published
from vbpi_mix.replication.table3.results import Variant
from vbpi_mix.replication.table3.rows import TABLE3_ROWS, Table3Row

_LINES = {
    (1, 1): ("#1a1a1a", "-", "o"),
    (2, 1): ("#b5400a", "--", "s"),
    (2, 2): ("#b5400a", "-", "s"),
    (3, 1): ("#2f6b2f", "--", "^"),
    (3, 2): ("#2f6b2f", "-.", "v"),
    (3, 3): ("#2f6b2f", "-", "^"),
    (4, 1): ("#0b4a8f", "--", "D"),
    (4, 2): ("#0b4a8f", "-.", "P"),
    (4, 3): ("#0b4a8f", ":", "X"),
    (4, 4): ("#0b4a8f", "-", "D"),
}
_CURVE_POINTS = 40  # of a drawn curve, each the mean of what lies between
_DOTS_PER_INCH = 150
_COLUMNS = 4


def write_pictures(variants: Sequence[Variant], published: Published, folder: Path) -> list[Path]:
    """Draw `evidence`, `curves` and `cost` as SVG and PNG; names end in the table's name if there are several."""
    makers: dict[str, Callable[[Variant, Published], Figure]] = {
        "evidence": evidence_figure,
        "curves": curves_figure,
        "cost": cost_figure,
    }
    paths = []
    for variant in variants:
        suffix = f"_{variant.name}" if len(variants) > 1 else ""
        for name, make in makers.items():
            figure = make(variant, published)
            for kind in ("svg", "png"):
                path = folder / f"{name}{suffix}.{kind}"
                # equal records give equal files
                with atomic_write(path, "wb") as file, mpl.rc_context({"svg.hashsalt": name}):
                    metadata = {"Date": None} if kind == "svg" else None
                    figure.savefig(file, format=kind, dpi=_DOTS_PER_INCH, metadata=metadata)
                paths.append(path)
    return paths


def evidence_figure(variant: Variant, published: Published) -> Figure:
    """-log ML of every row with the spread of its estimates, ours beside the published; a panel per data set."""
    data = variant.data
    n_columns = min(_COLUMNS, len(data))
    n_lines = -(-len(data) // n_columns)
    places = _places(variant, published)
    height = 1.25 + n_lines * (0.9 + 0.19 * max(places.values(), default=0.0))
    figure = Figure(figsize=(max(NARROWEST, 1.3 + 3.1 * n_columns), height))
    FigureCanvasAgg(figure)
    panels = figure.subplots(n_lines, n_columns, sharey=True, squeeze=False).ravel()
    for axes, name in zip(panels, data, strict=False):
        _draw_evidence(axes, variant, published, name, places)
    for axes in panels[len(data) :]:
        axes.set_visible(False)
    for axes in panels[::n_columns]:
        axes.set_yticks(list(places.values()), [f"{row.estimator.upper()} {short(row)}" for row in places])
    panels[0].set_ylim(max(places.values()) + 0.7, -0.7)
    handles = [Line2D([], [], color=OURS, marker="o", linewidth=1.6, label="ours, ± sd of an estimate")]
    if any(name in published.mrbayes for name in data):
        handles += [
            Line2D([], [], color=THEIRS, marker="s", markerfacecolor="white", linewidth=0.9, label="published, ± sd"),
            Line2D([], [], color=QUIET, linestyle="--", linewidth=1, label="MrBayes, stepping stone"),
        ]
    heading(figure, f"-log ML by row: estimator, A,S ({variant.title})", handles)
    return figure


def _draw_evidence(
    axes: Axes, variant: Variant, published: Published, name: str, places: dict[Table3Row, float]
) -> None:
    low, high = np.inf, -np.inf
    for row, place in places.items():
        cell, known = variant.cell(name, row), published.models.get((name, row))
        if known is not None:
            axes.errorbar(
                known.nll, place + 0.2, xerr=known.sd, fmt="s", color=THEIRS, markerfacecolor="white", markersize=4.5,
                elinewidth=0.9,
            )  # fmt: skip
            low, high = min(low, known.nll - known.sd), max(high, known.nll + known.sd)
        if cell is not None and cell.nll is not None:
            sd = cell.nll_sd or 0.0
            axes.errorbar(cell.nll, place - 0.2, xerr=sd, fmt="o", color=OURS, markersize=5, elinewidth=1.6)
            low, high = min(low, cell.nll - sd), max(high, cell.nll + sd)
    pad = 0.06 * (high - low) or 0.1
    axes.set_xlim(low - pad, high + pad)
    axes.set_title(name, fontsize=9.5, color=INK, loc="left")
    label = "-log ML, nats"
    if name in published.mrbayes:
        stones = published.mrbayes[name]
        if low - pad < stones.nll < high + pad:
            axes.axvline(stones.nll, color=QUIET, linestyle="--", linewidth=1, zorder=0)
        else:
            label += f"\nMrBayes: {bracketed(stones.nll, stones.sd)}, off the scale"
    axes.set_xlabel(label, fontsize=8.5, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.ticklabel_format(axis="x", useOffset=False)
    for place in places.values():
        axes.axhline(place + 0.5, color=RULE, linewidth=0.4, zorder=0)
    plain(axes)


def curves_figure(variant: Variant, published: Published) -> Figure:
    """The training bound against the iteration, a line per (A, S): a row of panels per data set, one per estimator.

    Curves are means over seeds and over stretches of iterations. They are the bound that each estimator maximises, so
    those of S2S are bounds of the mixture of the S drawn components.
    """
    data = variant.data
    estimators = [e for e in ("a2a", "s2a", "s2s") if any(row.estimator == e for _, row in variant.cells)]
    figure = Figure(figsize=(max(NARROWEST, 1.0 + 3.9 * len(estimators)), 1.25 + 2.9 * len(data)))
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(data), len(estimators), sharey="row", squeeze=False)
    for line, name in zip(panels, data, strict=True):
        reference, what = _reference(variant, published, name)
        lowest, highest, longest = 0.0, 0.0, 1.0
        for axes, estimator in zip(line, estimators, strict=True):
            axes.axhline(0.0, color=QUIET, linewidth=0.8)
            for row in TABLE3_ROWS:
                curve = _curve(variant, name, row) if row.estimator == estimator else None
                if curve is None:
                    continue
                iterations, bound = curve[0], curve[1] - reference
                colour, style, marker = _LINES[row.n_components, row.n_sampled]
                first = min(len(_LINES) - row.n_components - row.n_sampled, len(bound) - 1)
                axes.plot(
                    iterations, bound, color=colour, linestyle=style, marker=marker, markersize=4, linewidth=1.3,
                    markevery=(first, 9), label=short(row),
                )  # fmt: skip
                late = bound[len(bound) // 4 :]
                lowest, highest = min(lowest, float(late.min())), max(highest, float(late.max()))
                longest = max(longest, float(iterations[-1]))
            axes.set_title(f"{name}, {estimator.upper()}", fontsize=9.5, color=INK, loc="left")
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axes.set_xlabel("iteration", fontsize=8.5, color=INK)
            plain(axes)
            if axes.get_legend_handles_labels()[0]:
                axes.legend(title="A,S", fontsize=7.5, title_fontsize=7.5, frameon=False, loc="lower right", ncols=2,
                            handlelength=3.2)  # fmt: skip
        room = highest - lowest or 1.0
        line[0].set_ylim(lowest - 0.55 * room, highest + 0.08 * room)
        for axes in line:
            axes.set_xlim(0, longest)
        line[0].set_ylabel(f"bound minus {reference:.2f}, nats\n({what})", fontsize=8.5, color=INK)
    particles = variant.settings.get("particles")
    kind = "bound" if particles is None else f"{particles}-sample bound"
    note = "S2S: the bound of the mixture of the S components that a step draws." if "s2s" in estimators else ""
    heading(figure, f"{kind[0].upper()}{kind[1:]} during training ({variant.title})", note=note)
    return figure


def _curve(variant: Variant, data: str, row: Table3Row) -> tuple[np.ndarray, np.ndarray] | None:
    """Iterations and mean bound over seeds, thinned; None if there is nothing to draw."""
    cell = variant.cell(data, row)
    curves = [] if cell is None else [result["curve"] for result in cell.results]
    n = min((len(curve["iteration"]) for curve in curves), default=0)
    if n == 0:
        return None
    iterations = np.asarray(curves[0]["iteration"][:n])
    bound = np.mean([curve["bound"][:n] for curve in curves], axis=0)
    parts = np.array_split(np.arange(n), min(_CURVE_POINTS, n))
    return np.array([iterations[part[-1]] for part in parts]), np.array([bound[part].mean() for part in parts])


def _reference(variant: Variant, published: Published, data: str) -> tuple[float, str]:
    """The published log ML of A = 1; of data sets that the paper does not have, the highest of ours."""
    known = published.models.get((data, TABLE3_ROWS[0]))
    if known is not None:
        return -known.nll, "published log ML, A = 1"
    ours = [cell.nll for (name, _), cell in variant.cells.items() if name == data and cell.nll is not None]
    return -min(ours, default=0.0), "highest log ML of ours"


def _places(variant: Variant, published: Published) -> dict[Table3Row, float]:
    """Heights of the rows of which there is anything to show, with a gap between estimators."""
    places: dict[Table3Row, float] = {}
    height, last = 0.0, None
    for row in TABLE3_ROWS:
        if not any((data, row) in values for data in variant.data for values in (variant.cells, published.models)):
            continue
        height += 0.6 if last is not None and row.estimator != last else 0.0
        places[row] = height
        height, last = height + 1.0, row.estimator
    return places
