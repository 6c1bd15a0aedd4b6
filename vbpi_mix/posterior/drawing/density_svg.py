"""Posterior densities of numbers as small pictures side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.posterior.drawing.chart_svg import ticks
from vbpi_mix.posterior.drawing.palette import (
    BLUE,
    INK,
    ORANGE,
    QUIET,
    RULE,
)
from vbpi_mix.posterior.drawing.svg import Drawing, shorten
from vbpi_mix.posterior.parameter_summary import ParameterSummary

_POINTS = 120
_CELL_HEIGHT, _GAP = 104.0, 22.0
_TITLE, _AXIS = 20.0, 18.0


@dataclass(frozen=True, kw_only=True)
class DensityCurve:
    """An estimated density with its mean and interval.

    Arguments:
        name: name of the number.
        x: (n,) rising.
        y: (n,) density at x.
        mean: mean of the number.
        low, high: ends of its 95% interval.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    mean: float
    low: float
    high: float


def density_curves(summary: ParameterSummary, values: np.ndarray, weights: np.ndarray) -> tuple[DensityCurve, ...]:
    """Kernel estimates of the densities of columns.

    The normal kernel has Silverman's width for as many draws as the column is worth. Where a column is never negative,
    what the kernel would put below zero is reflected.

    Arguments:
        summary: summary of the columns.
        values: (T, n) columns.
        weights: (T,) that sum to 1.
    """
    curves = []
    for i, column in enumerate(values.T):
        spread = float(summary.sd[i]) or max(abs(float(summary.mean[i])), 1.0) * 1e-6
        width = 1.06 * spread * float(summary.effective_sample_size[i]) ** -0.2
        low = float(summary.mean[i]) - 4 * spread
        if column.min() >= 0:
            low = max(low, 0.0)
        x = np.linspace(low, float(summary.mean[i]) + 4 * spread, _POINTS)
        y = _smoothed(column, weights, x, width)
        if column.min() >= 0:
            y += _smoothed(-column, weights, x, width)
        curves.append(
            DensityCurve(
                name=summary.names[i],
                x=x,
                y=y,
                mean=float(summary.mean[i]),
                low=float(summary.low[i]),
                high=float(summary.high[i]),
            )
        )
    return tuple(curves)


def _smoothed(column: np.ndarray, weights: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """(n,) kernel density at x of weighted values, which are first gathered in narrow bins."""
    step = width / 10
    first = float(x[0]) - 6 * width
    n_bins = math.ceil((float(x[-1]) + 6 * width - first) / step)
    inside = (column >= first) & (column < first + n_bins * step)
    bins = ((column[inside] - first) / step).astype(np.int64).clip(0, n_bins - 1)
    mass = np.bincount(bins, weights=weights[inside], minlength=n_bins)
    centres = first + (np.arange(n_bins) + 0.5) * step
    used = mass > 0
    z = (x[:, None] - centres[used]) / width
    return np.exp(-0.5 * z**2) @ mass[used] / (width * math.sqrt(2 * math.pi))


def densities_drawing(curves: Sequence[DensityCurve], *, title: str, width: float, n_columns: int) -> Drawing:
    """A picture for each curve: the density, its 95% interval filled, its mean as a line.

    Arguments:
        curves: row by row.
        title: description for those who do not see it.
        width: width of the drawing.
        n_columns: pictures side by side.
    """
    n_rows = -(-len(curves) // n_columns)
    names = ", ".join(f"{curve.name} {curve.mean:.3g}" for curve in curves)
    drawing = Drawing(width, n_rows * (_CELL_HEIGHT + _GAP) - _GAP, title, f"Posterior means: {names}.")
    cell = (width - (n_columns - 1) * _GAP) / n_columns
    for i, curve in enumerate(curves):
        row, column = divmod(i, n_columns)
        _draw(drawing, curve, column * (cell + _GAP), row * (_CELL_HEIGHT + _GAP), cell)
    return drawing


def _draw(drawing: Drawing, curve: DensityCurve, left: float, top: float, width: float) -> None:
    bottom = top + _CELL_HEIGHT - _AXIS
    height = bottom - top - _TITLE
    begin, end = float(curve.x[0]), float(curve.x[-1])
    highest = float(curve.y.max()) or 1.0

    def x(value: float) -> float:
        return left + (value - begin) / (end - begin) * width

    def points(xs: np.ndarray, ys: np.ndarray) -> str:
        return " ".join(
            f"{x(a):.1f},{bottom - b / highest * height:.1f}" for a, b in zip(xs.tolist(), ys.tolist(), strict=True)
        )

    drawing.text(left, top + 12, shorten(curve.name, 12, width), full=curve.name, fill=INK, font_weight="bold")
    drawing.line(left, bottom, left + width, bottom, stroke=RULE)
    low, high = max(curve.low, begin), min(curve.high, end)
    inside = np.concatenate([[low], curve.x[(curve.x > low) & (curve.x < high)], [high]])
    heights = np.interp(inside, curve.x, curve.y)
    filled = f"{x(low):.1f},{bottom:.1f} {points(inside, heights)} {x(high):.1f},{bottom:.1f}"
    drawing.add("polygon", points=filled, fill=BLUE, fill_opacity=0.16)
    drawing.add("polyline", points=points(curve.x, curve.y), fill="none", stroke=BLUE, stroke_width=1.5)
    drawing.line(x(curve.mean), bottom, x(curve.mean), top + _TITLE, stroke=ORANGE, stroke_width=1.4)
    for tick in ticks(begin, end, 4):
        drawing.line(x(tick), bottom, x(tick), bottom + 3, stroke=QUIET)
        anchor = "start" if x(tick) < left + 12 else "end" if x(tick) > left + width - 12 else "middle"
        label = f"{tick:.6g}".replace("-", "−")
        drawing.text(x(tick), bottom + 15, label, text_anchor=anchor, font_size=11, fill=QUIET)
