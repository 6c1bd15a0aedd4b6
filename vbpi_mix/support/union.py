"""Supports that grow: two of them as one, and where the numbers of the old one went."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import SupportError
from vbpi_mix.support.build import canonical_support
from vbpi_mix.support.hashing import pack
from vbpi_mix.support.subsplit_support import SubsplitSupport


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """The ids that the items of a support have in a larger one that holds them all.

    Arguments:
        support: the larger one.
        splits: (n_splits,) new id of each old split.
        tripartitions: (n_tripartitions,) the same for tripartitions; the order of their parts stays.
        adjacencies: (n_adjacencies,) the same for adjacencies.
    """

    support: SubsplitSupport
    splits: np.ndarray
    tripartitions: np.ndarray
    adjacencies: np.ndarray

    def entries(self) -> np.ndarray:
        """(n_params,) new entry of each old entry of the conditional probability tables (see `segments`)."""
        first = self.support.n_splits
        second = first + 3 * self.support.n_tripartitions
        subsplits = first + 3 * self.tripartitions[:, None] + np.arange(3)
        pairs = second + 4 * self.adjacencies[:, None] + np.arange(4)
        return np.concatenate([self.splits, subsplits.reshape(-1), pairs.reshape(-1)])


def union(first: SubsplitSupport, second: SubsplitSupport) -> SubsplitSupport:
    """The support of everything that is in either: that of the topologies of both, whatever these were.

    Raises:
        SupportError: they are on different numbers of taxa.
    """
    if first.n_taxa != second.n_taxa:
        raise SupportError(f"supports of {first.n_taxa} and {second.n_taxa} taxa have no union")
    n = first.n_taxa
    inner, position = _unique_rows(np.concatenate([first.splits[n:], second.splits[n:]]))
    tripartitions, adjacencies = [], []
    begin, offset = 0, 0
    for support in (first, second):
        n_inner = support.n_splits - n
        split = np.concatenate([np.arange(n), n + position[begin : begin + n_inner]])
        tripartitions.append(split[support.tripartitions])
        adjacencies.append(support.adjacencies[:, :2] + offset)
        begin, offset = begin + n_inner, offset + support.n_tripartitions
    all_tripartitions = np.concatenate(tripartitions)
    keys, at, number = np.unique(
        pack(all_tripartitions[:, 0], all_tripartitions[:, 2])[:, 0], return_index=True, return_inverse=True
    )
    above, below = number.reshape(-1)[np.concatenate(adjacencies)].T
    return canonical_support(
        n,
        np.concatenate([first.splits[:n], inner]),
        keys,
        all_tripartitions[at, 1],
        np.unique(pack(above, below)[:, 0]),
    )


def embed(small: SubsplitSupport, large: SubsplitSupport) -> Embedding:
    """Positions of the items of one support in another that holds them all.

    Raises:
        SupportError: something of `small` is not in `large`.
    """
    _, position = _unique_rows(np.concatenate([large.splits, small.splits]))
    of_large = np.full(position.max() + 1, -1, dtype=np.int64)
    of_large[position[: large.n_splits]] = np.arange(large.n_splits)
    splits = of_large[position[large.n_splits :]]
    _require(splits >= 0)
    trips = splits[small.tripartitions]
    tripartitions = _search(pack(large.tripartitions[:, 2], large.tripartitions[:, 0]), pack(trips[:, 2], trips[:, 0]))
    pairs = tripartitions[small.adjacencies[:, :2]]
    adjacencies = _search(pack(large.adjacencies[:, 0], large.adjacencies[:, 1]), pack(pairs[:, 0], pairs[:, 1]))
    return Embedding(support=large, splits=splits, tripartitions=tripartitions, adjacencies=adjacencies)


def _search(keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Rows of `wanted` (n, 1) among the sorted `keys` (m, 1)."""
    if not len(wanted):
        return np.empty(0, dtype=np.int64)
    found = np.minimum(np.searchsorted(keys[:, 0], wanted[:, 0]), max(len(keys) - 1, 0))
    _require(len(keys) > 0 and keys[found, 0] == wanted[:, 0])
    return found


def _require(inside: np.ndarray | bool) -> None:
    if not np.all(inside):
        raise SupportError("the larger support lacks something of the smaller one: take their union")


def _unique_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not len(rows):
        return rows, np.empty(0, dtype=np.int64)
    rows = np.ascontiguousarray(rows)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    _, at, position = np.unique(keys, return_index=True, return_inverse=True)
    return rows[at], position.reshape(-1)
