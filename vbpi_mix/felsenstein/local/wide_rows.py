"""The loops of `rows` for any number of states, filled up to a multiple of four (`width`).

Products are those of `felsenstein.cpu.wide_products`. A matrix stands in the first width * width numbers of its row,
whatever room there is for other parts of the alignment.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import (
    ROWS,
    add_row_of_product,
    add_three_rows_of_product,
    four_rows_of_product,
    four_rows_times_product,
)
from vbpi_mix.felsenstein.local.rows import BLOCK

_SMALL = 1e-45  # as `rows.SMALL`; more states differ at more sites, and scaling has to read and write all of a message


@kernel(inner=True)
def apply_flat(m: np.ndarray, stride: int, width: int, vector: np.ndarray, out: np.ndarray) -> None:
    """out = M vector, M[i, j] = m[i * stride + j]."""
    for i in range(0, width, ROWS):
        four_rows_of_product(m, i * stride, stride, 1, width, vector, out, i, BLOCK)


@kernel(inner=True)
def apply_flat_transposed(m: np.ndarray, stride: int, width: int, vector: np.ndarray, out: np.ndarray) -> None:
    """out = M^T vector, M[i, j] = m[i * stride + j]."""
    for j in range(0, width, ROWS):
        four_rows_of_product(m, j, 1, stride, width, vector, out, j, BLOCK)


@kernel(inner=True)
def multiply_by_flat(m: np.ndarray, stride: int, width: int, vector: np.ndarray, out: np.ndarray) -> None:
    """out *= M vector, M[i, j] = m[i * stride + j]."""
    for i in range(0, width, ROWS):
        four_rows_times_product(m, i * stride, stride, 1, width, vector, out, i, BLOCK)


@kernel(inner=True, fastmath=True)
def multiply_into(out: np.ndarray, factor: np.ndarray, size: int) -> None:
    for p in range(size):
        out[p] *= factor[p]


@kernel(inner=True, fastmath=True)
def product(a: np.ndarray, b: np.ndarray, out: np.ndarray, size: int) -> None:
    for p in range(size):
        out[p] = a[p] * b[p]


@kernel(inner=True, fastmath=True)
def some_small(sums: np.ndarray) -> bool:
    """Whether a pattern with the total sums[3] has become small."""
    small = 0.0
    for p in range(BLOCK):
        small += 1.0 if sums[3, p] < _SMALL else 0.0
    return small > 0.0


@kernel(inner=True, fastmath=True)
def invert(sums: np.ndarray) -> None:
    """sums[3] = 1 / sums[3]."""
    for p in range(BLOCK):
        sums[3, p] = 1.0 / sums[3, p]


@kernel(inner=True)
def add_weighted(row: np.ndarray, width: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
    """Site likelihoods of one category, added to sums[0]."""
    add_row_of_product(e, c * e.shape[2], 0, 1, width, row, sums, 0, BLOCK)


@kernel(inner=True)
def add_wide_slopes(row: np.ndarray, width: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
    """Site likelihoods of one category and two derivatives, added to sums[0] to sums[2]."""
    room = e.shape[2]
    add_three_rows_of_product(e, c * room, e.shape[1] * room, 1, width, row, sums, 0, BLOCK)
