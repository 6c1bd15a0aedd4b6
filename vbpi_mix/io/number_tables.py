"""Tables of numbers that samplers write: a heading of names, then rows of as many finite numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import read_text
from vbpi_mix.io.labels import first_repeated, plain_name
from vbpi_mix.io.numbers import finite_number


@dataclass(frozen=True, kw_only=True)
class NumberTable:
    """A table of numbers.

    Arguments:
        names: (n,) of the columns, all different.
        values: (T, n) float64, finite.
    """

    names: tuple[str, ...]
    values: np.ndarray


def read_number_table(path: Path, *, first: str, separator: str | None = None) -> NumberTable:
    """Read a table; blank lines and lines that begin with `[` or `#` are passed over.

    Arguments:
        path: the file.
        first: name of the first column, in any case.
        separator: separator between cells; None: any white space.

    Raises:
        InputError: no such heading, no row, columns of one name or without one, a row with more or fewer cells than
            the heading, a cell that is no finite number.
    """
    lines = [
        (number, line.split(separator))
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if line.strip() and line[0] not in "[#"
    ]
    if len(lines) < 2 or lines[0][1][0].lower() != first.lower():
        raise InputError(f"{path}: expected a heading that begins with {first} and rows, as MrBayes writes them")
    names = tuple(plain_name(name.strip(), str(path)) for name in lines[0][1])
    if not all(names):
        raise InputError(f"{path}, line {lines[0][0]}: column {names.index('') + 1} has no name")
    repeated = first_repeated(names)
    if repeated is not None:
        raise InputError(f"{path}, line {lines[0][0]}: two columns are named {repeated!r}; names must differ")
    values = np.empty((len(lines) - 1, len(names)))
    for i, (number, cells) in enumerate(lines[1:]):
        values[i] = _row(cells, names, f"{path}, line {number}")
    return NumberTable(names=names, values=values)


def _row(cells: Sequence[str], names: Sequence[str], where: str) -> list[float]:
    if [cell.strip() for cell in cells] == list(names):
        raise InputError(f"{where}: the heading stands there again: several runs in one file; give one file for each")
    if len(cells) != len(names):
        raise InputError(
            f"{where}: expected {len(names)} numbers, as the heading has columns, not {len(cells)}; is the file cut "
            "off?"
        )
    row = []
    for name, cell in zip(names, cells, strict=True):
        value = finite_number(cell.strip())
        if value is None:
            raise InputError(f"{where}: {cell[:30]!r} in the column {name!r} is no finite number")
        row.append(value)
    return row
