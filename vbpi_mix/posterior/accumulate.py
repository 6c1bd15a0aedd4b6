"""Sums over groups of rows that arrive in chunks, in memory proportional to the number of distinct groups."""

import numpy as np

from vbpi_mix.phylo.clades import unique_rows


class GroupTable:
    """Sums by key; keys are rows of unsigned words.

    Arguments:
        n_words: words of a key.
        n_sums: sums kept for each key.
        fewest_waiting: Rows that wait at least before they are merged.
    """

    def __init__(self, n_words: int, n_sums: int, *, fewest_waiting: int = 1 << 16) -> None:
        self._fewest_waiting = fewest_waiting
        self._keys = np.zeros((0, n_words), dtype=np.uint64)
        self._sums = np.zeros((0, n_sums))
        self._first = np.zeros(0, dtype=np.int64)
        self._waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._n_waiting = 0

    def add(self, keys: np.ndarray, terms: np.ndarray, positions: np.ndarray) -> None:
        """Add rows: keys (n, n_words), terms (n, n_sums), and (n,) where in the stream each row stands."""
        part = _grouped(keys, terms, positions)
        self._waiting.append(part)
        self._n_waiting += len(part[0])
        if self._n_waiting > max(self._fewest_waiting, len(self._keys)):
            self._merge()

    def result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distinct keys in the order of their bytes, their sums, and the position of the first row of each."""
        self._merge()
        return self._keys, self._sums, self._first

    def _merge(self) -> None:
        parts = [(self._keys, self._sums, self._first), *self._waiting]
        keys, sums, first = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        self._keys, self._sums, self._first = _grouped(keys, sums, first)
        self._waiting, self._n_waiting = [], 0


def _grouped(keys: np.ndarray, terms: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    distinct, inverse = unique_rows(keys)
    sums = np.stack([np.bincount(inverse, weights=x, minlength=len(distinct)) for x in terms.T], axis=1)
    first = np.empty(len(distinct), dtype=np.int64)
    first[inverse[::-1]] = positions[::-1]  # the first row of a group is written last
    return distinct, sums, first
