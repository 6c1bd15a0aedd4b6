"""Style of the pictures of Table 3."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vbpi_mix.replication.table3.rows import Table3Row

INK, QUIET, RULE = "#1a1a1a", "#4d4d4d", "#c8c8c8"
# dark on white; what differs in colour differs in marker or line too
OURS, THEIRS = "#0b4a8f", "#b5400a"
ESTIMATORS = {"a2a": ("#1a1a1a", "o"), "s2a": ("#0b4a8f", "s"), "s2s": ("#b5400a", "^")}
NARROWEST = 8.6  # inches, that title and legend fit into
_TITLE, _LEGEND, _FOOT = 0.45, 0.3, 0.2  # inches above and below the panels


def short(row: Table3Row) -> str:
    """A,S."""
    return f"{row.n_components},{row.n_sampled}"


def plain(axes: Axes) -> None:
    """Quiet ticks, two spines."""
    axes.tick_params(colors=QUIET, labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def heading(figure: Figure, title: str, handles: Sequence[Line2D] = (), note: str = "") -> None:
    """A title and a legend above the panels, which get the rest of the page but for a line at its foot."""
    height = figure.get_size_inches()[1]
    head = _TITLE + (_LEGEND if handles else 0.0)
    figure.set_layout_engine("tight", rect=(0.01, _FOOT / height, 0.99, 1 - head / height))
    figure.text(0.015, 0.08 / height, note, fontsize=8, color=QUIET)
    figure.text(0.015, 1 - 0.12 / height, title, va="top", fontsize=11, fontweight="bold", color=INK)
    if handles:
        figure.legend(
            handles=list(handles), loc="upper left", bbox_to_anchor=(0.008, 1 - 0.33 / height), ncols=len(handles),
            frameon=False, fontsize=8.5, labelcolor=INK, handlelength=3,
        )  # fmt: skip
