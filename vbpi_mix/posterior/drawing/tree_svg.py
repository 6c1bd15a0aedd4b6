"""The consensus tree as SVG."""

import math

import numpy as np

from vbpi_mix.posterior.consensus import ConsensusTree
from vbpi_mix.posterior.drawing.palette import (
    BLUE,
    BRANCH,
    INK,
    LIGHT,
    QUIET,
)
from vbpi_mix.posterior.drawing.rooting import DisplayTree, display_tree, tree_layout
from vbpi_mix.posterior.drawing.svg import Drawing, shorten, text_width

_MARGIN = 10.0
_FOOT = 44.0
_LABEL_SHARE = 0.46  # of the width, at most
HIGH, MIDDLE = 0.95, 0.8


def consensus_drawing(consensus: ConsensusTree, *, width: float, title: str, outgroup: str | None = None) -> Drawing:
    """A rectangular phylogram: branch lengths to scale, a dot and a number for the support of every inner branch.

    Dots are full for supports of 0.95 and more, light from 0.8, open below; numbers of 1.00 are left to the dots.

    Arguments:
        consensus: the tree.
        width: width of the drawing, about pixels; the height follows from the number of taxa.
        title: description for those who do not see it.
        outgroup: taxon at whose branch to root the drawing; the midpoint if not given.

    Raises:
        InputError: no taxon has the outgroup's name.
    """
    display = display_tree(consensus, outgroup=outgroup)
    x, y = tree_layout(display)
    size = 12.5 if width > 500 else 11.5
    row = 19.0 if consensus.n_taxa <= 40 else 16.5
    names, widths = tip_labels(display.taxa, size, _LABEL_SHARE * width)
    x = _MARGIN + x * _scale(x[: consensus.n_taxa], widths, width)
    y = _MARGIN + (y + 0.5) * row
    height = 2 * _MARGIN + consensus.n_taxa * row + _FOOT
    drawing = Drawing(width, height, title, _described(consensus, display))
    segments = _branches(display, x, y)
    path = "".join(f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}" for a, b, c, d in segments)
    drawing.add("path", d=path, fill="none", stroke=BRANCH, stroke_width=1.5, stroke_linecap="square")
    boxes = []
    for tip, name in enumerate(names):
        drawing.text(x[tip] + 5, y[tip] + size * 0.35, name, full=display.taxa[tip], font_size=size)
        boxes.append((x[tip] + 5, y[tip] - size / 2, x[tip] + 5 + widths[tip], y[tip] + size / 2))
    _supports(drawing, display, x, y, np.array(segments), np.array(boxes), size * 0.85)
    unit = (x[: consensus.n_taxa].max() - _MARGIN) / max(float(tree_layout(display)[0].max()), 1e-300)
    scale_bar(drawing, unit, _MARGIN, height - _FOOT + 14, limit=width / 3)
    return drawing


def tip_labels(taxa: tuple[str, ...], size: float, most: float) -> tuple[list[str], np.ndarray]:
    """Names as they are written, shortened where they are too long, and (N,) their widths."""
    names = [shorten(name, size, most) for name in taxa]
    return names, np.array([text_width(name, size) for name in names])


def scale_bar(drawing: Drawing, unit: float, x: float, y: float, *, limit: float) -> None:
    """A bar of a round number of substitutions per site, at most `limit` long; `unit` is the length of one."""
    if not 0 < unit < 1e200:
        return
    power = 10.0 ** math.floor(math.log10(limit / unit))
    length = max(step * power for step in (1, 2, 5) if step * power * unit <= limit)
    end = x + length * unit
    for x1, y1, x2, y2 in ((x, y, end, y), (x, y - 4, x, y + 4), (end, y - 4, end, y + 4)):
        drawing.line(x1, y1, x2, y2, stroke=INK, stroke_width=1.3)
    drawing.text(x, y + 18, f"{length:g} substitutions per site", font_size=11.5, fill=QUIET)


def _scale(x: np.ndarray, widths: np.ndarray, width: float) -> float:
    """User units per substitution such that every label ends inside."""
    room = width - 2 * _MARGIN - 8 - widths
    return float(np.min(room[x > 0] / x[x > 0])) if (x > 0).any() else 1.0


def _branches(display: DisplayTree, x: np.ndarray, y: np.ndarray) -> list[tuple[float, float, float, float]]:
    """A horizontal segment for every branch, a vertical one for every inner node."""
    segments = []
    for node in display.pre_order():
        below = display.children[node]
        segments += [(x[node], y[child], x[child], y[child]) for child in below]
        if below:
            segments.append((x[node], y[below[0]], x[node], y[below[-1]]))
    return segments


def _supports(
    drawing: Drawing,
    display: DisplayTree,
    x: np.ndarray,
    y: np.ndarray,
    segments: np.ndarray,
    boxes: np.ndarray,
    size: float,
) -> None:
    """Dots, and numbers at the place beside each where they cover the fewest lines and no other text."""
    lines = np.concatenate(
        [np.minimum(segments[:, :2], segments[:, 2:]), np.maximum(segments[:, :2], segments[:, 2:])], axis=1
    )
    for node in np.flatnonzero(np.isfinite(display.supports)).tolist():
        support = float(display.supports[node])
        fill = BLUE if support >= HIGH else LIGHT if support >= MIDDLE else "#ffffff"
        drawing.add("circle", cx=float(x[node]), cy=float(y[node]), r=3.4, fill=fill, stroke=BLUE, stroke_width=1.3)
        if support >= 0.995:
            continue
        text = f"{support:.2f}"
        width = text_width(text, size)
        # lower left corners: over the branch, under it, right of the node
        places = [
            (x[node] - width - 4, y[node] - 4),
            (x[node] - width - 4, y[node] + size + 2),
            (x[node] + 6, y[node] + size * 0.35),
            (x[node] + 6, y[node] - 4),
            (x[node] + 6, y[node] + size + 2),
        ]
        found = [np.array([a, b - 0.8 * size, a + width, b]) for a, b in places]
        costs = [10 * _overlaps(b, boxes) + _overlaps(b, lines) + 20 * (b[0] < 0) for b in found]
        best = int(np.argmin(costs))
        left, below = places[best]
        drawing.text(
            left, below, text, font_size=size, fill=BLUE, stroke="#ffffff", stroke_width=2.5, paint_order="stroke"
        )
        boxes = np.concatenate([boxes, found[best][None]])


def _overlaps(box: np.ndarray, others: np.ndarray) -> int:
    return int(((others[:, :2] < box[2:]) & (others[:, 2:] > box[:2])).all(axis=1).sum())


def _described(consensus: ConsensusTree, display: DisplayTree) -> str:
    inner = consensus.supports[consensus.n_taxa : -1]
    high = int((inner >= HIGH).sum())
    return (
        f"{consensus.describe()} of {consensus.n_taxa} taxa, {display.rooting}: {len(inner)} inner branches, {high} "
        f"with a posterior probability of {HIGH} or more."
    )
