"""Picture of the cost of the models of Table 3 against their marginal likelihood."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from matplotlib.transforms import Bbox

from vbpi_mix.replication.table3.columns import TRAINING_SECONDS
from vbpi_mix.replication.table3.plot_style import ESTIMATORS, INK, NARROWEST, QUIET, RULE, heading, plain, short
from vbpi_mix.replication.table3.published import Published
from vbpi_mix.replication.table3.results import Cell, Variant
from vbpi_mix.replication.table3.rows import Table3Row

_MANY = 4  # data sets, from which on two pairs of panels stand beside each other
_LINEAR = 0.1  # nats around 0 within which the scale is linear
_TICKS = (-10.0, -3.0, -1.0, -0.3, -0.1, 0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
_ROUND = [m * 10.0**e for e in range(-2, 7) for m in (1, 2, 5)]
# places of a label around its point, in points: near ones first
_PLACES = [(r * np.cos(t), r * np.sin(t)) for r in (9, 16, 24, 33, 43) for t in np.linspace(0, 2 * np.pi, 12, False)]


def cost_figure(variant: Variant, published: Published) -> Figure:
    """-log ML against training time and against #p + #q, the likelihoods and densities that a step takes per particle.

    -log ML counts from the lowest published value of the data set; the scale is linear within 0.1 nats and logarithmic
    beyond. A pair of panels per data set.
    """
    data = variant.data
    n_pairs = 1 if len(data) < _MANY else 2  # beside each other
    n_lines = -(-len(data) // n_pairs)
    figure = Figure(figsize=(NARROWEST if n_pairs == 1 else 15.0, 1.25 + 3.2 * n_lines))
    FigureCanvasAgg(figure)
    panels = figure.subplots(n_lines, 2 * n_pairs, squeeze=False).reshape(-1, 2)
    axes_of: dict[str, Callable[[Table3Row, Cell], float | None]] = {
        "training, s (wall clock)": lambda _, cell: TRAINING_SECONDS.mean(cell),
        "#p + #q of a step, per particle": lambda row, _: float(sum(row.n_evaluations)),
    }
    labels: list[tuple[Axes, list[tuple[float, float, str]]]] = []
    for line, name in zip(panels, data, strict=False):
        base, what = _base(variant, published, name)
        for axes, (label, cost) in zip(line, axes_of.items(), strict=True):
            points = _draw(axes, variant, name, base, cost)
            axes.set_xlabel(label, fontsize=8.5, color=INK)
            axes.set_title(name, fontsize=9.5, color=INK, loc="left")
            labels.append((axes, points))
        line[0].set_ylabel(f"-log ML minus {base:.2f}, nats\n({what})", fontsize=8.5, color=INK)
    for axes in panels[len(data) :].ravel():
        axes.set_visible(False)
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", label=f"{name.upper()}, labelled A,S")
        for name, (colour, marker) in ESTIMATORS.items()
        if any(row.estimator == name for _, row in variant.cells)
    ]
    heading(figure, f"Cost against quality ({variant.title})", handles)
    figure.canvas.draw()  # labels need the final places of the points
    for axes, points in labels:
        _label(axes, points)
    return figure


def _draw(
    axes: Axes, variant: Variant, name: str, base: float, cost: Callable[[Table3Row, Cell], float | None]
) -> list[tuple[float, float, str]]:
    points = []
    for (data, row), cell in variant.cells.items():
        x = cost(row, cell) if data == name else None
        if x is None or cell.nll is None:
            continue
        colour, marker = ESTIMATORS[row.estimator]
        axes.plot(x, cell.nll - base, marker, color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.5)
        points.append((x, cell.nll - base, short(row)))
    values = [y for _, y, _ in points] or [0.0]
    axes.set_xscale("log")
    low, high = min([x for x, _, _ in points] or [1.0]), max([x for x, _, _ in points] or [1.0])
    room = (high / low) ** 0.12 if high > low else 1.5
    axes.set_xlim(low / room, high * room)
    axes.set_yscale("symlog", linthresh=_LINEAR, linscale=1.0)
    axes.set_ylim(min(-0.06, 1.5 * min(values) - 0.02), max(0.12, 1.6 * max(values)))
    axes.set_yticks([t for t in _TICKS if axes.get_ylim()[0] <= t <= axes.get_ylim()[1]])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+g}" if value else "0"))
    axes.set_xticks([t for t in _ROUND if axes.get_xlim()[0] <= t <= axes.get_xlim()[1]])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.axhline(0.0, color=QUIET, linewidth=0.8, zorder=0)
    axes.grid(axis="y", color=RULE, linewidth=0.4, zorder=0)
    plain(axes)
    return points


def _base(variant: Variant, published: Published, name: str) -> tuple[float, str]:
    theirs = [value.nll for (data, _), value in published.models.items() if data == name]
    ours = [cell.nll for (data, _), cell in variant.cells.items() if data == name and cell.nll is not None]
    return (min(theirs), "lowest published") if theirs else (min(ours, default=0.0), "lowest of ours")


def _label(axes: Axes, points: list[tuple[float, float, str]]) -> None:
    """Write each label where it covers no marker and no other label, with a thin line if that is far away."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = figure.dpi / 72
    at = axes.transData.transform([(x, y) for x, y, _ in points]) if points else np.empty((0, 2))
    taken = [Bbox.from_bounds(x - 4 * scale, y - 4 * scale, 8 * scale, 8 * scale) for x, y in at]
    inside = axes.get_window_extent()
    for (x, y), (data_x, data_y, text) in zip(at, points, strict=True):
        width, height = 4.6 * scale * len(text), 8.5 * scale
        boxes = [
            Bbox.from_bounds(x + dx * scale - width / 2, y + dy * scale - height / 2, width, height)
            for dx, dy in _PLACES
        ]
        costs = [
            sum(box.overlaps(other) for other in taken) + 10 * (not inside.contains(*box.min))
            + 10 * (not inside.contains(*box.max))
            for box in boxes
        ]  # fmt: skip
        best = int(np.argmin(costs))
        taken.append(boxes[best])
        far = np.hypot(*_PLACES[best]) > 12
        axes.annotate(
            text, (data_x, data_y), xytext=_PLACES[best], textcoords="offset points", ha="center", va="center",
            fontsize=7.5, color=INK, arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.5} if far else None,
        )  # fmt: skip
