"""Arrays that kernels are called with."""

import math

import numpy as np

from vbpi_mix.phylo import TopologyBatch

_ALIGNMENT = 64  # bytes: rows that straddle cache lines cost a quarter more


def for_each_tree(values: np.ndarray, n_trees: int) -> np.ndarray:
    """(T, n) of (n,) or (T, n)."""
    # always a copy: what `broadcast_to` returns is read-only, which kernels would be compiled for anew
    return np.array(np.broadcast_to(values, (n_trees, values.shape[-1])), order="C")


def sum_of_shares(values: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Sum over the shares of the patterns; zero where any of them made the likelihood zero."""
    gradient = parts[0] if len(parts) == 1 else parts.sum(axis=0)
    gradient[~np.isfinite(values)] = 0.0
    return gradient


def child_array(topologies: TopologyBatch) -> np.ndarray:
    # one type for all integers in the kernels; a read-only array would be another type and compiled for anew
    return np.array(topologies.children, dtype=np.int64, order="C")


def aligned_array(*shape: int, dtype: type[np.floating] = np.float64) -> np.ndarray:
    """Array, not initialised, aligned to cache lines."""
    size = math.prod(shape)
    memory = np.empty(size + _ALIGNMENT, dtype)
    start = -memory.ctypes.data % _ALIGNMENT // memory.itemsize
    return memory[start : start + size].reshape(shape)
