"""Style of the pictures of the toy and image benchmarks."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vbpi_mix.io.files import atomic_write

INK, QUIET = "#1a1a1a", "#4d4d4d"
# dark on white; rows differ in line and marker too, so that no meaning hangs on colour alone
_STYLES = (
    ("#0b4a8f", "-", "o"),
    ("#b5400a", "--", "s"),
    ("#4d4d4d", ":", "^"),
    ("#2f6b2f", "-.", "D"),
    ("#7a1f6b", (0, (5, 1)), "v"),
    ("#1a1a1a", (0, (1, 1)), "P"),
    ("#7a5c00", (0, (3, 1, 1, 1)), "X"),
    ("#00646b", (0, (7, 2)), "<"),
)
_DOTS_PER_INCH = 150


def cycle(n: int) -> list[tuple]:
    """Colour, line and marker of n rows."""
    return [_STYLES[i % len(_STYLES)] for i in range(n)]


def plain(axes: Axes) -> None:
    """Quiet ticks, two spines."""
    axes.tick_params(colors=QUIET, labelsize=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def write_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as PNG under their names, each whole or not at all."""
    paths = []
    for name, figure in figures.items():
        with atomic_write(folder / name, "wb") as file:
            figure.savefig(file, dpi=_DOTS_PER_INCH, format="png")
        paths.append(folder / name)
    return paths
