"""BAli-Phy's samples: the lengths of `C1.trees` are in units of the scale that `C1.log` beside it has."""

import re
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import open_text
from vbpi_mix.io.notices import notice
from vbpi_mix.io.number_tables import read_number_table

_TREES = re.compile(r"C\d+\.trees")
_SCALE = re.compile(r"(?:scale\[\d+\]|Scale\d+)")


def scales_of_trees(path: Path, n_trees: int) -> np.ndarray | None:
    """(n_trees,) what the lengths of each tree of a file are to be multiplied by; None for other files.

    BAli-Phy writes the trees of every tenth iteration, and all iterations into its log, in older versions; where the
    rows are as many as the trees, or as many times more as they are fewer, they belong together in order.

    Raises:
        InputError: a log beside such trees that cannot be read.
    """
    if _TREES.fullmatch(path.name) is None:
        return None
    log = path.with_suffix(".log")
    if not log.is_file():
        notice(
            f"{path}: its name is that of BAli-Phy's trees, whose branch lengths are in units of a scale in "
            f"{log.name}; that file is not beside it, and the lengths are taken as they are"
        )
        return None
    with open_text(log) as file:
        heading = file.readline().split()
    if not heading or heading[0] != "iter":
        return None
    table = read_number_table(log, first="iter", separator="\t")
    columns = [i for i, name in enumerate(table.names) if _SCALE.fullmatch(name)]
    if not columns:
        return None
    every, rest = divmod(max(len(table.values) - 1, 0), max(n_trees - 1, 1))
    if len(columns) > 1 or (len(table.values) != n_trees and (rest or not every)):
        what = f"{len(columns)} scales" if len(columns) > 1 else f"{len(table.values)} rows for {n_trees} trees"
        notice(f"{path}: {log.name} has {what}: the branch lengths are taken as they are, in units of the scale")
        return None
    scales = table.values[:: max(every, 1), columns[0]][:n_trees]
    if (scales <= 0).any():
        raise InputError(f"{log}: a {table.names[columns[0]]} that is not positive")
    return scales
