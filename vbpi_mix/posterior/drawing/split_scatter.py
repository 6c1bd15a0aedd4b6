"""Split frequencies of two posteriors against each other, as a figure."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vbpi_mix.evaluate.distances.splits import SplitAgreement
from vbpi_mix.posterior.drawing.palette import BLUE, INK, ORANGE, QUIET

_SIDE = 5.2  # inches
_NEAR = 0.05  # differences below it are drawn as agreement


def comparison_figure(splits: SplitAgreement, *, first: str, reference: str) -> Figure:
    """A scatter plot: a point for every split, on the diagonal where the two agree.

    Splits that differ by more than 0.05 have another sign as well as another colour. Save it with `Figure.savefig`.

    Arguments:
        splits: splits of two posteriors; the reference's frequencies are on the horizontal axis.
        first: name of the first posterior, shown as it is.
        reference: name of the second.
    """
    y, x = splits.frequencies
    far = np.abs(x - y) > _NEAR
    figure = Figure(figsize=(_SIDE, _SIDE))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.13, 0.12, 0.83, 0.78))
    axes.plot([0, 1], [0, 1], color="#8a8a8a", linewidth=1)
    axes.fill_between([0, 1], [-_NEAR, 1 - _NEAR], [_NEAR, 1 + _NEAR], color="#e9eef5", linewidth=0)
    axes.plot(x[~far], y[~far], "o", color=BLUE, markersize=4.5, alpha=0.75, markeredgewidth=0)
    axes.plot(x[far], y[far], "^", color=ORANGE, markersize=6, alpha=0.9, markeredgewidth=0)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel(f"split frequency, {_short(reference)}", color=INK, parse_math=False)
    axes.set_ylabel(f"split frequency, {_short(first)}", color=INK, parse_math=False)
    axes.tick_params(colors=QUIET)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(
        f"{len(x)} splits; ASDSF {splits.asdsf:.4f}, largest difference {splits.max_difference:.3f}\n"
        f"(band: within {_NEAR}; {int(far.sum())} outside it, as triangles)",
        fontsize=9.5,
        color=INK,
    )
    return figure


def _short(name: str, most: int = 48) -> str:
    return name if len(name) <= most else f"{name[: most - 3]}..."
