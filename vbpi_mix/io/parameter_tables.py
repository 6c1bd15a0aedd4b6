"""Tables of parameters that MrBayes writes beside its trees: `.p`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError

_SCORES = frozenset({"Gen", "LnL", "LnPr"})


def parameter_files(trees: Sequence[Path]) -> list[Path]:
    """The `.p` beside each `.t`; none at all unless every tree file has one."""
    found = [path.with_suffix(".p") for path in trees if path.suffix == ".t"]
    return found if found and len(found) == len(trees) and all(path.is_file() for path in found) else []


def read_parameters(paths: Sequence[Path], *, burn_in: float = 0.0) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and (T, n) values of the columns that are in all files, without generation, likelihood and prior.

    The tree length is called TL in partitioned analyses too, where MrBayes says TL{all}.

    Arguments:
        paths: at least one file.
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
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    rows = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip() and line[0] != "["]
    if len(rows) < 2 or rows[0][1][0] != "Gen":
        raise InputError(f"{path}: expected a heading that begins with Gen and rows, as MrBayes writes them")
    heading = ["TL" if name == "TL{all}" else name for name in rows[0][1]]
    values = np.empty((len(rows) - 1, len(heading)))
    for i, (number, row) in enumerate(rows[1:]):
        try:
            values[i] = [float(x) for x in row]
        except ValueError:
            raise InputError(
                f"{path}, line {number}: expected {len(heading)} numbers, as the heading has columns"
            ) from None
    return heading, values[int(burn_in * len(values)) :]
