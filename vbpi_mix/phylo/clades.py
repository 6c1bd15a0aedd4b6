"""Sets of taxa as bit sets of W = ceil(N / 64) unsigned 64-bit words; taxon i is bit i % 64 of word i // 64."""

from collections.abc import Iterable

import numpy as np


def n_words(n_taxa: int) -> int:
    """W, the number of words of a set of `n_taxa` taxa."""
    return (n_taxa + 63) // 64


def singletons(n_taxa: int) -> np.ndarray:
    """(N, W) uint64: the sets of one taxon."""
    words = np.zeros((n_taxa, n_words(n_taxa)), dtype=np.uint64)
    taxa = np.arange(n_taxa)
    words[taxa, taxa // 64] = np.uint64(1) << (taxa % 64).astype(np.uint64)
    return words


def full_set(n_taxa: int) -> np.ndarray:
    """(W,) uint64: the set of all taxa."""
    return np.bitwise_or.reduce(singletons(n_taxa), axis=0)


def from_taxa(taxa: Iterable[int], n_taxa: int) -> np.ndarray:
    """(W,) uint64: the set of the given taxon indices."""
    return np.bitwise_or.reduce(singletons(n_taxa)[list(taxa)], axis=0, initial=0)


def from_members(inside: np.ndarray) -> np.ndarray:
    """(X, W) uint64: the sets of the taxa that rows of (X, N) hold."""
    n_taxa = inside.shape[1]
    words = np.zeros((len(inside), n_words(n_taxa)), dtype=np.uint64)
    for single, column in zip(singletons(n_taxa), inside.T, strict=True):
        words[column != 0] |= single
    return words


def members(words: np.ndarray, n_taxa: int) -> np.ndarray:
    """(..., N) bool: which taxa are in each set of (..., W) words."""
    taxa = np.arange(n_taxa)
    return (words[..., taxa // 64] >> (taxa % 64).astype(np.uint64)) & np.uint64(1) == 1


def sizes(words: np.ndarray) -> np.ndarray:
    """(...) int64: the number of taxa in each set of (..., W) words."""
    bytes_ = np.ascontiguousarray(words).view(np.uint8)
    return _BITS_OF_BYTE[bytes_].sum(axis=-1, dtype=np.int64)


_ODD, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_BITS_OF_BYTE = np.array([bin(i).count("1") for i in range(256)], dtype=np.uint8)


def unique_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows of a 2-d array, in the order of their bytes, and the position of each row among them.

    Rows of 64-bit words are told apart by a hash first, several times as fast as by their bytes. The result does not
    depend on it: should two rows share a hash, all are compared byte by byte.
    """
    rows = np.ascontiguousarray(rows)
    if len(rows) == 0:
        return rows, np.zeros(0, dtype=np.int64)
    if rows.dtype == np.uint64:
        _, first, inverse = np.unique(_row_hashes(rows), return_index=True, return_inverse=True)
        distinct, inverse = rows[first], inverse.reshape(-1)
        if (distinct[inverse] == rows).all():
            order = np.argsort(_as_bytes(distinct))
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order))
            return distinct[order], place[inverse]
    _, first, inverse = np.unique(_as_bytes(rows), return_index=True, return_inverse=True)
    return rows[first], inverse.reshape(-1)


def _row_hashes(rows: np.ndarray) -> np.ndarray:
    """(n,) hashes of (n, W) words: each word is multiplied, mixed and added."""
    hashes = np.zeros(len(rows), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for word in rows.T:
            hashes = (hashes ^ word) * _ODD
            hashes ^= hashes >> _HALF
    return hashes


def _as_bytes(rows: np.ndarray) -> np.ndarray:
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
