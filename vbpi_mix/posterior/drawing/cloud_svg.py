"""Many posterior trees drawn over each other, after the idea of DensiTree (Bouckaert 2010)."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo.topology import Topology
from vbpi_mix.posterior.consensus import ConsensusTree
from vbpi_mix.posterior.drawing.palette import (
    BLUE,
    GREEN,
    ORANGE,
    RULE,
)
from vbpi_mix.posterior.drawing.rooting import DisplayTree, display_tree
from vbpi_mix.posterior.drawing.svg import Drawing
from vbpi_mix.posterior.drawing.tree_svg import scale_bar, tip_labels
from vbpi_mix.posterior.draws import PosteriorDraws

_MARGIN = 10.0
_FOOT = 58.0
_LEGEND_ROW = 18.0
_LABEL_SHARE = 0.46
_KINDS = ((BLUE, "best topology"), (ORANGE, "second"), (GREEN, "third"), ("#4a4a4a", "all others"))


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Rooted trees ready to be drawn at any width.

    Arguments:
        taxa: (N,) names.
        order: (N,) tips from top to bottom, those of the consensus drawing.
        lines: lines of each tree (B, 4): distance from the root and row of both ends of every branch.
        kinds: kind of each tree: 0, 1, 2 for the three most probable topologies, 3 for the others.
        shares: (4,) of these kinds among the trees.
    """

    taxa: tuple[str, ...]
    order: tuple[int, ...]
    lines: tuple[np.ndarray, ...]
    kinds: tuple[int, ...]
    shares: tuple[float, ...]


def make_cloud(draws: PosteriorDraws, consensus: ConsensusTree, *, outgroup: str | None = None) -> Cloud:
    """Root every tree where the drawing of the consensus is rooted, or, if it lacks that split, at the nearest one.

    Arguments:
        draws: equally weighted trees, some 100 of them.
        consensus: gives the order of the tips and the place of the root.
        outgroup: see `display_tree`.

    Raises:
        InputError: no taxon has the outgroup's name.
    """
    display = display_tree(consensus, outgroup=outgroup)
    order = tuple(node for node in display.pre_order() if node < consensus.n_taxa)
    rows = np.empty(consensus.n_taxa)
    rows[list(order)] = np.arange(consensus.n_taxa)
    side, fraction = _root_split(display)
    distinct, position = draws.topologies.unique()
    ranked = np.argsort(-np.bincount(position, minlength=distinct.n_trees), kind="stable")
    rank = np.empty(distinct.n_trees, dtype=np.int64)
    rank[ranked] = np.arange(distinct.n_trees)
    kinds = np.minimum(rank[position], 3)
    lines = tuple(
        _rooted_lines(topology, lengths, rows, side, fraction)
        for topology, lengths in zip(draws.topologies, draws.branch_lengths, strict=True)
    )
    shares = tuple((np.bincount(kinds, minlength=4) / draws.n_trees).tolist())
    return Cloud(taxa=draws.taxa, order=order, lines=lines, kinds=tuple(kinds.tolist()), shares=shares)


def cloud_drawing(cloud: Cloud, *, width: float, title: str) -> Drawing:
    """The trees with straight branches, each faint, so that what they share is dark.

    Arguments:
        cloud: the trees.
        width: width of the drawing, about pixels.
        title: description for those who do not see it.
    """
    n_taxa = len(cloud.taxa)
    size = 12.5 if width > 500 else 11.5
    row = 19.0 if n_taxa <= 40 else 16.5
    names, widths = tip_labels(cloud.taxa, size, _LABEL_SHARE * width)
    labels = width - _MARGIN - float(widths.max())
    depth = max(float(lines[:, 2].max()) for lines in cloud.lines)
    unit = (labels - 8 - _MARGIN) / depth if depth > 0 else 1.0
    present = [kind for kind, share in enumerate(cloud.shares) if share > 0]
    per_row = max(1, int((width - 2 * _MARGIN) // _legend_step(width)))
    height = 2 * _MARGIN + n_taxa * row + _FOOT + _LEGEND_ROW * -(-len(present) // per_row)
    legend = "; ".join(f"{_KINDS[i][1]} {_drawn(cloud, i)}" for i in present)
    drawing = Drawing(width, height, title, f"{len(cloud.lines)} posterior trees drawn over each other. {legend}.")
    ends = _tip_ends(cloud)
    for place, tip in enumerate(cloud.order):
        y = _MARGIN + (place + 0.5) * row
        drawing.line(_MARGIN + ends[place] * unit + 3, y, labels - 4, y, stroke=RULE, stroke_dasharray="2 3")
        drawing.text(labels, y + size * 0.35, names[tip], full=cloud.taxa[tip], font_size=size)
    opacity = max(0.05, min(0.5, 12 / len(cloud.lines)))
    for lines, kind in sorted(zip(cloud.lines, cloud.kinds, strict=True), key=lambda pair: -pair[1]):
        x1, y1, x2, y2 = (lines * [unit, row, unit, row] + [_MARGIN, _MARGIN + row / 2] * 2).T
        ends_ = zip(x1, y1, x2, y2, strict=True)
        path = "".join(f"M{a:.0f} {b:.1f}L{c:.0f} {d:.1f}" for a, b, c, d in ends_)
        drawing.add("path", d=path, fill="none", stroke=_KINDS[kind][0], stroke_width=1.2, stroke_opacity=opacity)
    foot = 2 * _MARGIN + n_taxa * row + 10
    scale_bar(drawing, unit, _MARGIN, foot, limit=width / 3)
    for place, kind in enumerate(present):  # the colours with their meaning and share
        colour, what = _KINDS[kind]
        x = _MARGIN + place % per_row * _legend_step(width)
        y = foot + 44 + place // per_row * _LEGEND_ROW
        drawing.line(x, y, x + 18, y, stroke=colour, stroke_width=3)
        drawing.text(x + 23, y + 4, f"{what} {_drawn(cloud, kind)}", font_size=11.5)
    return drawing


def _drawn(cloud: Cloud, kind: int) -> str:
    """Number of the drawn trees of each kind; probabilities are estimated better from all draws."""
    n_trees = len(cloud.lines)
    return f"{round(cloud.shares[kind] * n_trees):,} of {n_trees:,} trees"


def _legend_step(width: float) -> float:
    return max(165.0, width / 4 - 5)


def _tip_ends(cloud: Cloud) -> np.ndarray:
    """(N,) mean distance from the root to each tip, from top to bottom."""
    n_taxa = len(cloud.taxa)
    total = np.zeros(n_taxa)
    for lines in cloud.lines:
        tips = lines[-n_taxa:]
        total[tips[:, 3].astype(int)] += tips[:, 2]
    return total / len(cloud.lines)


def _root_split(display: DisplayTree) -> tuple[frozenset[int], float]:
    """The taxa below the first child of the root, and the share of the root's edge on their side."""
    first, second = display.children[display.root]
    below, todo = set(), [first]
    while todo:
        node = todo.pop()
        if not display.children[node]:
            below.add(node)
        todo.extend(display.children[node])
    both = float(display.lengths[first] + display.lengths[second])
    return frozenset(below), float(display.lengths[first]) / both if both > 0 else 0.5


def _rooted_lines(
    topology: Topology, lengths: np.ndarray, rows: np.ndarray, side: frozenset[int], fraction: float
) -> np.ndarray:
    """(2N-2, 4) branches of a tree: x and row of the upper and of the lower end; the N tips' branches come last."""
    n = topology.n_taxa
    neighbours: list[list[tuple[int, float]]] = [[] for _ in range(2 * n - 2)]
    below: list[frozenset[int]] = [frozenset((i,)) for i in range(n)] + [frozenset()] * (n - 2)
    for i, (left, right) in enumerate(topology.children.tolist()):
        below[n + i] = below[left] | below[right]
        for child in (left, right):
            neighbours[n + i].append((child, float(lengths[child])))
            neighbours[child].append((n + i, float(lengths[child])))
    top = 2 * n - 3
    neighbours[0].append((top, float(lengths[0])))
    neighbours[top].append((0, float(lengths[0])))
    parents = topology.batch().parents()[0]
    wanted = side if 0 not in side else frozenset(range(n)) - side
    away = fraction if 0 not in side else 1 - fraction  # share of the edge between the root and `wanted`
    edge = max(range(1, 2 * n - 3), key=lambda e: len(below[e] & wanted) / len(below[e] | wanted))
    if len(wanted) == n - 1:
        edge = 0
    a, b = (top, 0) if edge == 0 else (edge, int(parents[edge]))  # a: the end on the side of `wanted`
    length = float(lengths[edge])
    x = np.zeros(2 * n - 2)
    y = np.zeros(2 * n - 2)
    x[a], x[b] = length * away, length * (1 - away)
    order = [(a, b), (b, a)]
    for node, origin in order:  # grows while it is read
        for other, distance in neighbours[node]:
            if other != origin:
                x[other] = x[node] + distance
                order.append((other, node))
    y[:n] = rows
    size = np.zeros(2 * n - 2)
    size[:n] = 1
    origins = dict(order)
    for node, origin in reversed(order):
        if node >= n:
            kids = [k for k, _ in neighbours[node] if k != origin]
            y[node] = sum(y[k] for k in kids) / len(kids)
    root = (y[a] + y[b]) / 2
    found = [
        (0.0, root, x[node], y[node]) if {node, origin} == {a, b} else (x[origin], y[origin], x[node], y[node])
        for node, origin in sorted(origins.items(), reverse=True)
    ]
    return np.array(found)
