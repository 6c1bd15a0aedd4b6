"""Charts as SVG: the training curve, branch lengths with their intervals, a probability with its error."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.posterior.drawing.palette import (
    BLUE,
    INK,
    ORANGE,
    QUIET,
    RULE,
)
from vbpi_mix.posterior.drawing.svg import Drawing, shorten, text_width

_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 26.0, 16.0, 44.0
_LEGEND, _SIZE = 22.0, 12.0


def training_drawing(
    iterations: np.ndarray, bounds: np.ndarray, log_ml: float, *, width: float = 460.0, height: float = 260.0
) -> Drawing:
    """The training bound against the iteration, with the marginal log-likelihood as a dashed line, the legend above.

    The axis begins at the first percentile of the bounds, so that a bad start does not flatten the rest.

    Arguments:
        iterations: (n,) of the training records, n >= 1.
        bounds: (n,) their mean bounds, in nats.
        log_ml: marginal log-likelihood.
        width: width of the drawing.
        height: height of the drawing.
    """
    low = float(np.quantile(bounds, 0.01))
    high = max(float(bounds.max()), log_ml)
    pad = 0.06 * (high - low) or 0.5
    low, high = low - pad, high + pad
    last = float(iterations[-1])

    def x(iteration: float) -> float:
        return _LEFT + iteration / last * (width - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return height - _BOTTOM - (value - low) / (high - low) * (height - _TOP - _LEGEND - _BOTTOM)

    drawing = Drawing(
        width,
        height,
        "Training curve",
        f"The bound at the end of {last:,.0f} iterations is {bounds[-1]:.2f}; marginal log-likelihood {log_ml:.2f}.",
    )
    for tick in ticks(low, high, 5):
        drawing.line(_LEFT, y(tick), width - _RIGHT, y(tick), stroke=RULE)
        drawing.text(_LEFT - 6, y(tick) + 4, f"{tick:,.10g}".replace("-", "−"), text_anchor="end", fill=QUIET)
    for tick in ticks(0, last, 4):
        drawing.text(x(tick), height - _BOTTOM + 17, f"{tick:,.10g}", text_anchor="middle", fill=QUIET)
    drawing.text((_LEFT + width - _RIGHT) / 2, height - 8, "iteration", text_anchor="middle", fill=QUIET)
    drawing.line(_LEFT, y(log_ml), width - _RIGHT, y(log_ml), stroke=ORANGE, stroke_width=1.6, stroke_dasharray="6 4")
    shown = np.maximum(bounds, low)
    points = " ".join(f"{x(i):.1f},{y(b):.1f}" for i, b in zip(iterations.tolist(), shown.tolist(), strict=True))
    drawing.add("polyline", points=points, fill="none", stroke=BLUE, stroke_width=1.4)
    at = _LEFT
    for colour, dash, what in ((BLUE, "", "bound"), (ORANGE, "6 4", "marginal log-likelihood")):
        dashes = {"stroke_dasharray": dash} if dash else {}
        drawing.line(at, _LEGEND / 2, at + 26, _LEGEND / 2, stroke=colour, stroke_width=2, **dashes)
        drawing.text(at + 34, _LEGEND / 2 + 4, what, fill=INK)
        at += 34 + text_width(what, _SIZE) + 24
    return drawing


@dataclass(frozen=True, kw_only=True)
class LengthRow:
    """A branch.

    Arguments:
        name: the taxon it leads to, or one of the taxa on the smaller side of its split.
        others: number of further taxa on that side.
        mean: mean length.
        low, high: ends of its 95% interval.
        inner: whether it is an inner branch.
    """

    name: str
    others: int
    mean: float
    low: float
    high: float
    inner: bool


def lengths_drawing(rows: Sequence[LengthRow], *, title: str, largest: float, width: float = 430.0) -> Drawing:
    """A dot for the mean and a line for the interval of every branch length, inner branches as squares.

    Arguments:
        rows: rows from top to bottom.
        title: description for those who do not see it.
        largest: length at the right end of the scale.
        width: width of the drawing.
    """
    row, size = 17.0, 11.5
    left = 0.42 * width
    height = _TOP + len(rows) * row + _BOTTOM

    def x(length: float) -> float:
        return left + length / largest * (width - left - _RIGHT)

    drawing = Drawing(
        width,
        height,
        title,
        f"Mean and 95% interval of {len(rows)} branch lengths, the longest mean {max(r.mean for r in rows):.3g} "
        "expected substitutions per site.",
    )
    bottom = _TOP + len(rows) * row
    for tick in ticks(0, largest, 4):
        drawing.line(x(tick), _TOP - 4, x(tick), bottom, stroke=RULE)
        drawing.text(x(tick), bottom + 15, f"{tick:g}", text_anchor="middle", font_size=size, fill=QUIET)
    drawing.text(left, bottom + 34, "expected substitutions per site", font_size=size, fill=QUIET)
    for i, branch in enumerate(rows):
        y = _TOP + (i + 0.5) * row
        more = f" +{branch.others}" if branch.others else ""
        name = shorten(branch.name, size, left - 10 - text_width(more, size)) + more
        drawing.text(left - 8, y + 4, name, full=branch.name + more, text_anchor="end", font_size=size)
        colour = BLUE if branch.inner else INK
        drawing.line(x(branch.low), y, x(branch.high), y, stroke=colour, stroke_width=2.2, stroke_opacity=0.55)
        if branch.inner:
            drawing.add("rect", x=x(branch.mean) - 3, y=y - 3, width=6, height=6, fill=colour)
        else:
            drawing.add("circle", cx=x(branch.mean), cy=y, r=3.2, fill=colour)
    return drawing


def probability_bar(value: float, error: float, *, width: float = 120.0) -> Drawing:
    """A bar from 0 to 1 with a whisker of two standard errors to each side."""
    drawing = Drawing(width, 12, f"{value:.3f} ± {error:.3f}")
    drawing.add("rect", x=0, y=3.5, width=width, height=5, fill="#e6eaef")
    drawing.add("rect", x=0, y=3.5, width=width * value, height=5, fill=BLUE)
    low, high = max(0.0, value - 2 * error), min(1.0, value + 2 * error)
    if (high - low) * width > 2:
        drawing.line(low * width, 6, high * width, 6, stroke=ORANGE, stroke_width=1.6)
        for end in (low, high):
            drawing.line(end * width, 2, end * width, 10, stroke=ORANGE, stroke_width=1.4)
    return drawing


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from `low` to `high`, about so many."""
    power = 10.0 ** math.floor(math.log10((high - low) / about))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if (high - low) / (s * power) <= about)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]
