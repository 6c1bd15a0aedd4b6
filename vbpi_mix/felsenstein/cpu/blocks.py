"""Blocks of site patterns, which kernels take one by one, and the shares of trees and blocks that threads take."""

import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

import numpy as np

from vbpi_mix.phylo import SitePatterns
from vbpi_mix.threads import get_threads

Range = tuple[int, int]
T = TypeVar("T")


def pattern_blocks(patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, block) state sets and (B, block) weights, filled up with missing data of weight zero; made once."""
    return _CACHE.get(patterns, block)


def pattern_codes(patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(B, N, block) numbers of state sets, (B, block) weights, (n, states) which states each set has; made once."""
    return _CODES.get(patterns, block)


def work_shares(n_trees: int, n_blocks: int) -> tuple[list[Range], list[Range]]:
    """Ranges of trees and ranges of blocks, one task for each pair: trees first, then patterns."""
    n_threads = get_threads()
    if n_threads == 1:
        return [(0, n_trees)], [(0, n_blocks)]
    block_parts = min(n_blocks, max(1, n_threads // n_trees))
    blocks = [(i * n_blocks // block_parts, (i + 1) * n_blocks // block_parts) for i in range(block_parts)]
    return _falling_ranges(n_trees, n_threads), blocks


def _falling_ranges(count: int, n_threads: int) -> list[Range]:
    """Ranges of half of what is left per thread: few of them, and a thread that comes late holds up nobody."""
    ranges = []
    first = 0
    while first < count:
        last = first + -(-(count - first) // (2 * n_threads))
        ranges.append((first, last))
        first = last
    return ranges


class _BlockCache(Generic[T]):
    """Cache of the blocks of patterns in use, for each block size; patterns are values and do not change."""

    def __init__(self, make: Callable[[SitePatterns, int], T]) -> None:
        self._make = make
        self._entries: dict[tuple[int, int], tuple[weakref.ref[SitePatterns], T]] = {}

    def get(self, patterns: SitePatterns, block: int) -> T:
        entry = self._entries.get((id(patterns), block))
        if entry is not None and entry[0]() is patterns:
            return entry[1]
        self._entries = {key: kept for key, kept in self._entries.items() if kept[0]() is not None}
        blocks = self._make(patterns, block)
        self._entries[id(patterns), block] = weakref.ref(patterns), blocks
        return blocks


def _blocks(patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, block) state sets and (B, block) weights, filled up with missing data of weight zero.

    Patterns of weight zero are left out, so that an impossible one among them does no harm.
    """
    counted = patterns.weights > 0
    n_counted = int(counted.sum())
    n_blocks = max(1, -(-n_counted // block))
    data_type = patterns.data_type
    states = np.full((patterns.n_taxa, n_blocks * block), data_type.missing, dtype=data_type.dtype)
    states[:, :n_counted] = patterns.state_sets[:, counted]
    weights = np.zeros(n_blocks * block)
    weights[:n_counted] = patterns.weights[counted]
    by_block = states.reshape(patterns.n_taxa, n_blocks, block).transpose(1, 0, 2)
    return np.ascontiguousarray(by_block), weights.reshape(n_blocks, block)


def _codes(patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    states, weights = _blocks(patterns, block)
    sets, codes = np.unique(states, return_inverse=True)
    bits = (sets.astype(np.uint64)[:, None] >> np.arange(patterns.n_states, dtype=np.uint64)) & np.uint64(1)
    return np.ascontiguousarray(codes.reshape(states.shape).astype(np.uint16)), weights, bits.astype(np.float64)


_CACHE = _BlockCache(_blocks)
_CODES = _BlockCache(_codes)
