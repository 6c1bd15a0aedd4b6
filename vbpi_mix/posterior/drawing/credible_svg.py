"""Picture of the number of topologies that it takes to hold the posterior, as SVG."""

import math
from collections.abc import Sequence

import numpy as np

from vbpi_mix.posterior.drawing.palette import BLUE, INK, ORANGE, QUIET, RULE
from vbpi_mix.posterior.drawing.svg import Drawing

_LEFT, _RIGHT, _TOP, _BOTTOM = 66.0, 26.0, 16.0, 44.0
_MOST_POINTS = 300


def credible_drawing(
    probabilities: np.ndarray,
    *,
    title: str,
    levels: Sequence[float] = (0.5, 0.95),
    width: float = 460.0,
    height: float = 240.0,
) -> Drawing:
    """The probability that the best topologies hold together, against their number on a logarithmic scale.

    Arguments:
        probabilities: (T,) of the topologies, the first one best.
        title: description for those who do not see it.
        levels: marked by dashed lines.
        width: width of the drawing.
        height: height of the drawing.
    """
    ladder = np.cumsum(probabilities)
    n = len(ladder)
    decades = max(1.0, math.ceil(math.log10(n))) if n > 1 else 1.0

    def x(rank: float) -> float:
        return _LEFT + math.log10(rank) / decades * (width - _LEFT - _RIGHT)

    def y(share: float) -> float:
        return height - _BOTTOM - share * (height - _TOP - _BOTTOM)

    reached = [int(np.searchsorted(ladder, level * (1 - 1e-12))) + 1 for level in levels]
    words = ", ".join(f"{level:.0%} by {count:,}" for level, count in zip(levels, reached, strict=True))
    drawing = Drawing(width, height, title, f"Posterior probability held by the best topologies: {words} of {n:,}.")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawing.line(_LEFT, y(share), width - _RIGHT, y(share), stroke=RULE)
        drawing.text(_LEFT - 6, y(share) + 4, f"{share:g}", text_anchor="end", fill=QUIET)
    for decade in range(int(decades) + 1):
        drawing.text(x(10**decade), height - _BOTTOM + 17, f"{10**decade:,}", text_anchor="middle", fill=QUIET)
    middle = (_LEFT + width - _RIGHT) / 2
    drawing.text(middle, height - 8, "topologies, the most probable first", text_anchor="middle", fill=QUIET)
    ranks = np.unique(np.geomspace(1, n, min(n, _MOST_POINTS)).round().astype(np.int64))
    held = [(rank, min(float(ladder[rank - 1]), 1.0)) for rank in ranks.tolist()]
    points = [f"{x(1):.1f},{y(0):.1f}", *(f"{x(rank):.1f},{y(share):.1f}" for rank, share in held)]
    points.append(f"{width - _RIGHT:.1f},{y(min(float(ladder[-1]), 1.0)):.1f}")
    drawing.add("polyline", points=" ".join(points), fill="none", stroke=BLUE, stroke_width=1.8)
    for level, count in zip(levels, reached, strict=True):
        at = min(count, n)
        drawing.line(_LEFT, y(level), x(at), y(level), stroke=ORANGE, stroke_width=1.2, stroke_dasharray="5 4")
        drawing.add("circle", cx=x(at), cy=y(level), r=3.2, fill=ORANGE)
        drawing.text(x(at) + 7, y(level) + 13, f"{level:.0%}: {count:,}", fill=INK)
    return drawing
