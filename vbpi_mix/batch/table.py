"""The table of all loci: one line for each that was done or failed, appended as it ends."""

import fcntl
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from vbpi_mix.batch.result import LocusResult
from vbpi_mix.errors import InputError
from vbpi_mix.writing import atomic_write, cannot_write

TABLE = "loci.tsv"
FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Arguments:
        locus: Name.
        level: good, fair, poor, or failed.
        taxa, sites: Of the alignment; 0 where it failed.
        topologies: Distinct topologies in the posterior sample.
        effective_topologies: exp(entropy) of their probabilities.
        top_probability: Probability of the most probable topology.
        log_ml, log_ml_error: Log marginal likelihood and its standard error, NaN where it was not estimated.
        depth: Depth of the analysis that found the posterior.
        seconds: Wall time.
        core_seconds: Processor time of the process and the programs that it started.
        key: Hash of data and options.
        verdict: Verdict in words.
        error: Error message.
    """

    locus: str
    level: str
    taxa: int = 0
    sites: int = 0
    topologies: int = 0
    effective_topologies: float = math.nan
    top_probability: float = math.nan
    log_ml: float = math.nan
    log_ml_error: float = math.nan
    depth: str = ""
    seconds: float = 0.0
    core_seconds: float = 0.0
    key: str = ""
    verdict: str = ""
    error: str = ""

    @property
    def failed(self) -> bool:
        return self.level == FAILED

    def line(self) -> str:
        """Cells with tabs between them; NaN is empty."""
        return "\t".join(_cell(value) for value in asdict(self).values())


COLUMNS = tuple(f.name for f in fields(Row))


def row_of_result(result: LocusResult, seconds: tuple[float, float] = (0.0, 0.0)) -> Row:
    """The line of a finished locus; wall and processor seconds are given."""
    return Row(
        locus=result.name,
        level=result.level,
        taxa=result.n_taxa,
        sites=result.n_sites,
        topologies=result.topologies.n_trees,
        effective_topologies=result.effective_topologies,
        top_probability=float(result.probabilities[0]),
        log_ml=result.log_ml[0],
        log_ml_error=result.log_ml[1],
        depth=result.depth,
        seconds=seconds[0],
        core_seconds=seconds[1],
        key=result.key,
        verdict=result.verdict,
    )


def row_of_error(name: str, key: str, error: str, seconds: tuple[float, float] = (0.0, 0.0)) -> Row:
    """The line of a locus that failed."""
    return Row(locus=name, level=FAILED, seconds=seconds[0], core_seconds=seconds[1], key=key, error=error)


def append_row(path: Path, row: Row) -> None:
    """Add a line, and the heading to a new table, in one piece; several processes may append.

    Raises:
        InputError: it cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            with suppress(OSError):  # a file system without locks: one write at a time is all there is
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
            heading = "" if os.fstat(descriptor).st_size else "\t".join(COLUMNS) + "\n"
            os.write(descriptor, (heading + row.line() + "\n").encode("utf-8", "backslashreplace"))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise cannot_write(path, error) from error


def read_rows(path: Path) -> dict[str, Row]:
    """The last line of each locus, in the order of the first ones; none where there is no table.

    A last line that was cut off is passed over: its locus is done again.

    Raises:
        InputError: not such a table.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if lines and lines[0] != "\t".join(COLUMNS) + "\n":
        raise InputError(f"{path} is no table of loci of this version: move it away, or choose another output")
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.endswith("\n"):
            break
        cells = line[:-1].split("\t")
        try:
            row = Row(**{f.name: _value(f.type, cell) for f, cell in zip(fields(Row), cells, strict=True)})
        except ValueError as error:
            raise InputError(f"{path}, line {number}: {error}") from error
        rows[row.locus] = row
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Replace the table by one line for each locus; atomic."""
    with atomic_write(path) as file:
        file.write("\t".join(COLUMNS) + "\n")
        file.writelines(row.line() + "\n" for row in rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}" if abs(value) < 1e4 else f"{value:.3f}"
    return " ".join(str(value).split())


def _value(kind: object, cell: str) -> Any:
    if kind is float:
        return float(cell) if cell else math.nan
    return int(cell) if kind is int else cell
