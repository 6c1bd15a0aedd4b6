"""A batch: which loci are left to do, by whom, and the table and page that tell of it."""

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vbpi_mix.batch.dask_workers import run_on_dask
from vbpi_mix.batch.locus import LocusTask
from vbpi_mix.batch.options import Locus, LocusOptions
from vbpi_mix.batch.page import write_page
from vbpi_mix.batch.pool import run_in_processes
from vbpi_mix.batch.result import load_result
from vbpi_mix.batch.table import TABLE, Row, append_row, read_rows, row_of_result, write_rows
from vbpi_mix.errors import CheckpointError, ConfigError, InputError
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.threads import get_threads

PAGE = "index.html"
_PAGE_EVERY = 30.0  # seconds
_ANY = LocusOptions()
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Workers that analyse the loci.

    Arguments:
        number: Processes on this machine; one per available core if None.
        scheduler: Dask scheduler, see `dask_workers.run_on_dask`; processes of this machine without Dask if None.
        tries: Number of times that a locus is begun if its process dies.
        memory: Bytes for each process; no limit if None.

    Raises:
        ConfigError: a number below 1.
    """

    number: int | None = None
    scheduler: str | None = None
    tries: int = 3
    memory: int | None = None

    def __post_init__(self) -> None:
        if min(1 if self.number is None else self.number, self.tries) < 1:
            raise ConfigError("workers and tries must be at least 1")

    def rows(self, tasks: Iterator[LocusTask], reporter: Reporter) -> Iterator[Row]:
        """Rows of tasks, as they end."""
        n = get_threads() if self.number is None else self.number
        if self.scheduler is None:
            return run_in_processes(tasks, n, tries=self.tries, memory=self.memory)
        return run_on_dask(
            tasks, self.scheduler, n_workers=n, tries=self.tries, memory=self.memory, tell=reporter.message
        )


@dataclass(frozen=True, kw_only=True)
class BatchSummary:
    """Summary of one call of a batch.

    Arguments:
        n_loci: Asked for.
        n_before: Done by earlier calls, with the same data and options.
        rows: Rows of all loci that were asked for.
        seconds: Wall time.
    """

    n_loci: int
    n_before: int
    rows: tuple[Row, ...]
    seconds: float

    def count(self, level: str) -> int:
        """Loci with this verdict."""
        return sum(row.level == level for row in self.rows)


def run_batch(
    loci: Sequence[Locus],
    output: Path,
    *,
    workers: Workers | None = None,
    page: bool = True,
    reporter: Reporter | None = None,
) -> BatchSummary:
    """Do all loci that have no result of the same data and options yet; failed ones are tried again.

    Arguments:
        loci: Loci with different names.
        output: Folder of the batch; made if need be. Several calls, such as the jobs of an array, may work on
            different loci in it at the same time.
        workers: Workers that analyse them.
        page: Write the page that shows the whole, at the end and every half a minute.
        reporter: Told about progress.

    Raises:
        InputError: the folder cannot be written to, or its table is none.
        BackendError: there is no Dask, or no scheduler.
    """
    begun = time.perf_counter()
    reporter, workers = reporter or Silent(), workers or Workers()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {output}: {error.strerror}") from error
    table = output / TABLE
    rows = read_rows(table)
    if rows and not table.read_bytes().endswith(b"\n"):  # a line that was cut off
        write_rows(table, rows.values())
    done: dict[str, Row] = {}
    left: list[Locus] = []
    for locus in loci:
        row = _finished(locus, output, rows.get(locus.name), table)
        if row is None:
            left.append(locus)
        else:
            done[locus.name] = row
    n_before = len(done)
    reporter.message(f"{len(loci):,} loci: {n_before:,} done before, {len(left):,} to do")
    last_page = time.perf_counter()
    tasks = (LocusTask(locus=locus, output=output) for locus in left)
    for row in workers.rows(tasks, reporter) if left else ():
        append_row(table, row)
        done[row.locus] = row
        if row.failed:
            reporter.warning(f"{row.locus}: {row.error}")
        n_failed = sum(r.failed for r in done.values()) if row.failed else None
        reporter.progress("loci", len(done) - n_before, len(left), "" if n_failed is None else f"{n_failed} failed")
        if page and time.perf_counter() - last_page > _PAGE_EVERY:
            write_page(output / PAGE, list(done.values()), len(loci), output)
            last_page = time.perf_counter()
    if page:
        write_page(output / PAGE, list(done.values()), len(loci), output)
    return BatchSummary(
        n_loci=len(loci), n_before=n_before, rows=tuple(done.values()), seconds=time.perf_counter() - begun
    )


def parse_memory(text: str) -> int:
    """Bytes of "2G", "800M".

    Raises:
        ConfigError: anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMG]?)i?B?\s*", text, re.IGNORECASE)
    if match is None or float(match[1]) <= 0:
        raise ConfigError(f"'{text}' is no amount of memory: give a number with M or G behind it, such as 2G")
    return int(float(match[1]) * _UNITS[match[2].upper()])


def results_of(output: Path) -> Iterator[tuple[Row, Path]]:
    """Row and result file of every finished locus of a batch, by name.

    Raises:
        InputError: there is no batch, or a file of it is missing.
    """
    rows = read_rows(output / TABLE)
    if not rows:
        raise InputError(f"{output}: there is no {TABLE} with loci; give the folder that `vbpi-mix batch ... -o` wrote")
    for row in sorted((r for r in rows.values() if not r.failed), key=lambda r: r.locus):
        path = Locus(name=row.locus, path=Path(), options=_ANY).result_path(output)
        if not path.is_file():
            raise InputError(f"{path}: missing, though {TABLE} has it: call `batch` again")
        yield row, path


def _finished(locus: Locus, output: Path, row: Row | None, table: Path) -> Row | None:
    """The row of a locus whose result is there; it is added to the table where only the result was written."""
    try:
        key = locus.key()
    except InputError:
        return None  # which the locus itself will say
    path = locus.result_path(output)
    if not path.is_file():
        return None
    if row is not None and row.key == key and not row.failed:
        return row
    try:
        result = load_result(path)
    except CheckpointError:
        return None
    if result.key != key or result.name != locus.name:
        return None
    found = row_of_result(result)
    append_row(table, found)
    return found


def describe_failures(rows: Sequence[Row], most: int = 5) -> list[str]:
    """One line for each of the first failures."""
    failed = [row for row in rows if row.failed]
    lines = [f"{row.locus}: {row.error}" for row in failed[:most]]
    return lines if len(failed) <= most else [*lines, f"and {len(failed) - most} more, see {TABLE}"]
