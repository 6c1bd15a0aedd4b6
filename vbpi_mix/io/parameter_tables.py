"""Tables of parameters that MrBayes writes beside its trees: `.p`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.notices import notice
from vbpi_mix.io.number_tables import read_number_table

_SCORES = frozenset({"Gen", "LnL", "LnPr", "lnLike", "lnPrior"})  # the last two of MrBayes after 3.2.7


def parameter_files(trees: Sequence[Path]) -> list[Path]:
    """The `.p` beside each `.t`; none at all unless every tree file has one."""
    found = [path.with_suffix(".p") for path in trees if path.suffix == ".t"]
    return found if found and len(found) == len(trees) and all(path.is_file() for path in found) else []


def read_parameters(paths: Sequence[Path], *, burn_in: float = 0.0) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and (T, n) values of the columns that are in all files, without generation, likelihood and prior.

    The tree length is called TL in partitioned analyses too, where MrBayes says TL{all}.

    Arguments:
        paths: files, at least one.
        burn_in: share of each file's rows left out from its beginning.

    Raises:
        InputError: a file that cannot be read, or is no such table; no column that all have.
    """
    tables = [_read(Path(path), burn_in) for path in paths]
    names = tuple(name for name in tables[0][0] if name not in _SCORES and all(name in t[0] for t in tables))
    if not names:
        raise InputError(f"{paths[0]}: no parameters that all files have")
    return names, np.concatenate([values[:, [heading.index(name) for name in names]] for heading, values in tables])


def _read(path: Path, burn_in: float) -> tuple[list[str], np.ndarray]:
    table = read_number_table(path, first="Gen")
    heading = list(table.names)
    backwards = np.flatnonzero(np.diff(table.values[:, 0]) < 0)
    if len(backwards):
        notice(
            f"{path}: the generations begin anew {len(backwards)} time{'s' * (len(backwards) > 1)}, first at row "
            f"{backwards[0] + 2}: several runs in one file; the burn-in is left out of the first only"
        )
    if "TL" not in heading:
        heading = ["TL" if name == "TL{all}" else name for name in heading]
    return heading, table.values[int(burn_in * len(table.values)) :]
