"""Trees on disk while they are being exported: written once, read as often as there are files to make of them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.posterior.export.tree_stream import CHUNK, TreeChunk


class Spool:
    """Rows of fixed width in a temporary file without a name, which vanishes with this object.

    Arguments:
        folder: folder for the file; there must be room for it.
        dtype: data type of a row.
    """

    def __init__(self, folder: Path, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.n_rows = 0
        self._folder = folder
        try:
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed with this object
        except OSError as error:
            raise InputError(f"cannot write a temporary file in {folder}: {error.strerror}") from error

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end; errors as `write`."""
        self.write(self.n_rows, rows)

    def write(self, first: int, rows: np.ndarray) -> None:
        """Write rows from row `first` on.

        Raises:
            InputError: the disk is full, or cannot be written.
        """
        try:
            self._file.seek(first * self.dtype.itemsize)
            self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).tobytes())
            self._file.flush()
        except OSError as error:
            raise InputError(f"cannot write a temporary file in {self._folder}: {error.strerror}") from error
        self.n_rows = max(self.n_rows, first + len(rows))

    def read(self, first: int, count: int) -> np.ndarray:
        """`count` rows from row `first` on (fewer at the end)."""
        count = min(count, self.n_rows - first)
        self._file.seek(first * self.dtype.itemsize)
        return np.frombuffer(self._file.read(count * self.dtype.itemsize), dtype=self.dtype)

    def chunks(self, size: int = CHUNK) -> Iterator[np.ndarray]:
        """All rows in order, `size` at a time."""
        for first in range(0, self.n_rows, size):
            yield self.read(first, size)

    def take(self, positions: np.ndarray) -> np.ndarray:
        """The rows at given positions, in the order asked for."""
        rows = np.empty(len(positions), dtype=self.dtype)
        for i, position in enumerate(positions.tolist()):
            rows[i] = self.read(position, 1)[0]
        return rows

    def close(self) -> None:
        """Give the disk space back."""
        self._file.close()


class ColumnSpool:
    """A table of float64 that is written row by row and read column by column, in a temporary file.

    Arguments:
        folder: folder for the file; 8 bytes a number.
        n_columns: number of columns of the table.
        n_rows: number of rows of the table.
    """

    def __init__(self, folder: Path, *, n_columns: int, n_rows: int) -> None:
        self.n_columns, self.n_rows = n_columns, n_rows
        self._spool = Spool(folder, np.dtype(np.float64))

    def write(self, first: int, columns: np.ndarray) -> None:
        """Fill the rows from `first` on with (n_columns, rows) numbers."""
        for i, values in enumerate(columns):
            self._spool.write(i * self.n_rows + first, values)

    def column(self, number: int) -> np.ndarray:
        """(n_rows,) one column."""
        return self._spool.read(number * self.n_rows, self.n_rows)

    def close(self) -> None:
        """Give the disk space back."""
        self._spool.close()


class TreeSpool:
    """Trees with their scores in a `Spool`.

    Arguments:
        folder: folder for the temporary file.
        n_taxa: N.
        n_parameters: number of parameters of the substitution model.
        n_coordinates: d that they are computed from.
    """

    def __init__(self, folder: Path, n_taxa: int, *, n_parameters: int = 0, n_coordinates: int = 0) -> None:
        row = [
            ("children", np.int32, (n_taxa - 2, 2)),
            ("branch_lengths", np.float64, (2 * n_taxa - 3,)),
            ("log_likelihood", np.float64),
            ("log_prior", np.float64),
            ("log_weight", np.float64),
            ("component", np.int32),
            ("parameters", np.float64, (n_parameters,)),
            ("coordinates", np.float64, (n_coordinates,)),
        ]
        self._spool = Spool(folder, np.dtype(row))

    @property
    def n_trees(self) -> int:
        return self._spool.n_rows

    def append(self, **columns: np.ndarray) -> None:
        """Add trees: the fields of a row, by name."""
        rows = np.empty(len(columns["log_weight"]), dtype=self._spool.dtype)
        for name, values in columns.items():
            rows[name] = values
        self._spool.append(rows)

    def chunks(self, log_weight_of_one: float) -> Iterator[TreeChunk]:
        """All trees; weights are relative to the one given."""
        for number, rows in enumerate(self._spool.chunks()):
            yield _chunk(rows, number * CHUNK, log_weight_of_one)

    def take(self, positions: np.ndarray, log_weight_of_one: float) -> TreeChunk:
        """The trees at given positions."""
        return _chunk(self._spool.take(positions), -1, log_weight_of_one)

    def close(self) -> None:
        """Give the disk space back."""
        self._spool.close()


def _chunk(rows: np.ndarray, first: int, log_weight_of_one: float) -> TreeChunk:
    return TreeChunk(
        first=first,
        topologies=TopologyBatch(rows["children"]),
        branch_lengths=rows["branch_lengths"],
        log_likelihood=rows["log_likelihood"],
        log_prior=rows["log_prior"],
        weights=np.exp(rows["log_weight"] - log_weight_of_one),
        components=rows["component"],
        parameters=rows["parameters"],
        coordinates=rows["coordinates"],
    )
