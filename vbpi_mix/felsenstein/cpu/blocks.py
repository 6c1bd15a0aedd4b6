"""Blocks of site patterns, which kernels take one by one, and the shares of trees and blocks that threads take."""

import weakref

import numpy as np

from vbpi_mix.phylo import SitePatterns
from vbpi_mix.phylo.alignment import MISSING
from vbpi_mix.threads import get_threads

Range = tuple[int, int]


def pattern_blocks(patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, block) state sets and (B, block) weights, filled up with missing data of weight zero; made once."""
    return _CACHE.get(patterns, block)


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


class _BlockCache:
    """The blocks of patterns that are in use, for each block size; patterns are values and do not change."""

    def __init__(self) -> None:
        self._entries: dict[tuple[int, int], tuple[weakref.ref[SitePatterns], tuple[np.ndarray, np.ndarray]]] = {}

    def get(self, patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, N, block) state sets and (B, block) weights, filled up with missing data of weight zero."""
        entry = self._entries.get((id(patterns), block))
        if entry is not None and entry[0]() is patterns:
            return entry[1]
        self._entries = {key: kept for key, kept in self._entries.items() if kept[0]() is not None}
        blocks = _blocks(patterns, block)
        self._entries[id(patterns), block] = weakref.ref(patterns), blocks
        return blocks


def _blocks(patterns: SitePatterns, block: int) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, block) state sets and (B, block) weights, filled up with missing data of weight zero.

    Patterns of weight zero are left out, so that an impossible one among them does no harm.
    """
    counted = patterns.weights > 0
    n_counted = int(counted.sum())
    n_blocks = max(1, -(-n_counted // block))
    states = np.full((patterns.n_taxa, n_blocks * block), MISSING, dtype=np.uint8)
    states[:, :n_counted] = patterns.state_sets[:, counted]
    weights = np.zeros(n_blocks * block)
    weights[:n_counted] = patterns.weights[counted]
    by_block = states.reshape(patterns.n_taxa, n_blocks, block).transpose(1, 0, 2)
    return np.ascontiguousarray(by_block), weights.reshape(n_blocks, block)


_CACHE = _BlockCache()
