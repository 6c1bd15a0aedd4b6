"""The consensus tree as a figure."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from vbpi_mix.posterior.consensus import ConsensusTree
from vbpi_mix.posterior.drawing.palette import BLUE, BRANCH, INK, QUIET
from vbpi_mix.posterior.drawing.rooting import DisplayTree, display_tree, tree_layout

# Inches. The page grows with the number of taxa and the longest name, so that labels never meet.
_WIDTH = 8.0
_MARGIN = 0.3
_HEAD = 0.5
_FOOT = 0.85
_ROW = 0.26
_TALLEST = 200.0
_NARROWEST_TREE = 3.5
# Points.
_LABEL_SIZE = 9.0
_SUPPORT_SIZE = 7.0


def consensus_figure(consensus: ConsensusTree, *, title: str, outgroup: str | None = None) -> Figure:
    """A rectangular phylogram: branch lengths to scale, supports at the inner nodes, a scale bar.

    The figure belongs to no window and no global state; save it with `Figure.savefig`.

    Arguments:
        consensus: the tree.
        title: printed above it.
        outgroup: taxon at whose edge to root the drawing; the midpoint if not given.

    Raises:
        InputError: no taxon has the outgroup's name.
    """
    display = display_tree(consensus, outgroup=outgroup)
    x, y = tree_layout(display)
    row = min(_ROW, _TALLEST / consensus.n_taxa)
    figure = Figure(figsize=(_WIDTH, _HEAD + _FOOT + row * consensus.n_taxa))
    canvas = FigureCanvasAgg(figure)
    labels = _place_tip_labels(figure, canvas, display, x, y, label_size=min(_LABEL_SIZE, 0.5 * 72 * row))
    axes = figure.axes[0]
    segments = _branches(display, x, y)
    axes.add_collection(LineCollection(segments, colors=BRANCH, linewidths=1.3, capstyle="projecting", clip_on=False))
    _place_supports(axes, canvas, display, x, y, np.asarray(segments), labels, size=min(_SUPPORT_SIZE, 0.4 * 72 * row))
    _draw_scale_bar(axes, float(x.max()))
    width, height = figure.get_size_inches()
    left = _MARGIN / width
    figure.text(left, 1 - 0.14 / height, title, va="top", fontsize=12, fontweight="bold", color=INK, parse_math=False)
    what = consensus.describe()
    caption = (
        f"{what[0].upper()}{what[1:]}; numbers: posterior probability of the split.\nThe tree is {display.rooting}."
    )
    figure.text(left, 0.1 / height, caption, va="bottom", fontsize=7.5, color=QUIET, parse_math=False)
    return figure


def _branches(display: DisplayTree, x: np.ndarray, y: np.ndarray) -> list[list[tuple[float, float]]]:
    """A horizontal segment for every branch and a vertical one for every inner node."""
    segments = []
    for node in display.pre_order():
        below = display.children[node]
        segments += [[(x[node], y[child]), (x[child], y[child])] for child in below]
        if below:
            segments.append([(x[node], y[below[0]]), (x[node], y[below[-1]])])
    return segments


def _place_tip_labels(
    figure: Figure, canvas: FigureCanvasAgg, display: DisplayTree, x: np.ndarray, y: np.ndarray, *, label_size: float
) -> np.ndarray:
    """Add the axes and the taxon labels, with room for the longest; returns their boxes (N, 4) in pixels."""
    n_taxa = len(display.taxa)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    offset = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
    labels = [
        axes.annotate(
            name, (x[tip], y[tip]), fontsize=label_size, color=INK, parse_math=False, annotation_clip=False, **offset
        )
        for tip, name in enumerate(display.taxa)
    ]
    renderer = canvas.get_renderer()
    widths = np.array([label.get_window_extent(renderer).width for label in labels]) / figure.dpi + 6 / 72
    depth = float(x.max()) or 1.0  # all branches of length zero: any scale will do
    # widen the page until the branches have their share beside the longest label
    total = max(_WIDTH, 2 * _MARGIN + _NARROWEST_TREE + float(widths.max()))
    figure.set_size_inches(total, figure.get_size_inches()[1])
    height = float(figure.get_size_inches()[1])
    inner = total - 2 * _MARGIN
    axes.set_position((_MARGIN / total, _FOOT / height, inner / total, 1 - (_HEAD + _FOOT) / height))
    # every label ends inside: x_i * inner / limit + width_i <= inner
    limit = max(depth * inner / (inner - 0.1), float((x[:n_taxa] * inner / (inner - widths)).max()))
    axes.set_xlim(0, limit)
    axes.set_ylim(n_taxa - 0.5, -0.5)
    return np.array([label.get_window_extent(renderer).extents for label in labels])


def _place_supports(
    axes: Axes,
    canvas: FigureCanvasAgg,
    display: DisplayTree,
    x: np.ndarray,
    y: np.ndarray,
    segments: np.ndarray,
    labels: np.ndarray,
    *,
    size: float,
) -> None:
    """Write each support beside its node, at the place where it covers the fewest lines and no other text."""
    renderer = canvas.get_renderer()
    point = axes.figure.dpi / 72
    ends = axes.transData.transform(segments.reshape(-1, 2)).reshape(-1, 2, 2)
    lines = np.concatenate([ends.min(axis=1), ends.max(axis=1)], axis=1)
    left_edge = axes.get_window_extent(renderer).x0
    texts = labels
    for node in np.flatnonzero(np.isfinite(display.supports)).tolist():
        text = axes.annotate(
            f"{display.supports[node]:.2f}",
            (x[node], y[node]),
            textcoords="offset points",
            xytext=(0, 0),
            va="bottom",
            fontsize=size,
            color=BLUE,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )
        box = text.get_window_extent(renderer)
        width, height = box.width / point, box.height / point
        places = [  # of the lower left corner, the preferred ones first
            (2.5, -height / 2),
            (-width - 2.5, 1.5),
            (-width - 2.5, -height - 1.5),
            (2.5, 1.5),
            (2.5, -height - 1.5),
        ]
        boxes = [np.asarray(box.extents) + np.tile(np.multiply(place, point), 2) for place in places]
        costs = [10 * _overlaps(b, texts) + _overlaps(b, lines) + 10 * (b[0] < left_edge) for b in boxes]
        best = int(np.argmin(costs))
        text.set_position(places[best])
        texts = np.concatenate([texts, boxes[best][None]])


def _overlaps(box: np.ndarray, others: np.ndarray) -> int:
    """Number of the boxes (n, 4), given by their lower left and upper right corners, that meet the box (4,)."""
    meets = (others[:, :2] < box[2:]) & (others[:, 2:] > box[:2])
    return int(meets.all(axis=1).sum())


def _draw_scale_bar(axes: Axes, depth: float) -> None:
    """A bar of a round length, about a fifth of the tree's depth, below the last row."""
    if depth <= 0:
        return
    power = 10.0 ** math.floor(math.log10(depth / 4))
    length = max(step * power for step in (1, 2, 5) if step * power <= depth / 4)
    below = {"xycoords": axes.get_xaxis_transform(), "annotation_clip": False}
    axes.plot(
        [0, length], [0, 0], color=INK, linewidth=1.3, transform=axes.get_xaxis_transform(), clip_on=False, marker="|"
    )
    axes.annotate(
        f"{length:g} substitutions per site",
        (0, 0),
        xytext=(0, -5),
        textcoords="offset points",
        va="top",
        fontsize=8,
        color=INK,
        **below,
    )
