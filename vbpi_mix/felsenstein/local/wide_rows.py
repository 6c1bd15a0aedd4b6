"""The loops of `rows` for any number of states, filled up to a multiple of four (`width`).

Products are those of `felsenstein.cpu.wide_products`. A matrix stands in the first width * width numbers of its row,
whatever room there is for other parts of the alignment.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import ROWS, four_rows_of_product, four_rows_times_product
from vbpi_mix.felsenstein.local.rows import BLOCK

_SMALL = 1e-20


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
def count_small(row: np.ndarray, width: int, sums: np.ndarray) -> float:
    """Number of patterns that have become small; sums[3] is overwritten."""
    total = sums[3]
    for p in range(BLOCK):
        total[p] = 0.0
    for s in range(width):
        part = row[s * BLOCK : s * BLOCK + BLOCK]
        for p in range(BLOCK):
            total[p] += part[p]
    small = 0.0
    for p in range(BLOCK):
        small += 1.0 if total[p] < _SMALL else 0.0
    return small


@kernel(inner=True, fastmath=True)
def add_wide_totals(row: np.ndarray, width: int, sums: np.ndarray) -> None:
    total = sums[3]
    for s in range(width):
        part = row[s * BLOCK : s * BLOCK + BLOCK]
        for p in range(BLOCK):
            total[p] += part[p]


@kernel(inner=True, fastmath=True)
def wide_divide(row: np.ndarray, width: int, sums: np.ndarray) -> None:
    total = sums[3]
    for s in range(width):
        part = row[s * BLOCK : s * BLOCK + BLOCK]
        for p in range(BLOCK):
            part[p] /= total[p]


@kernel(inner=True, fastmath=True)
def add_weighted(row: np.ndarray, width: int, e: np.ndarray, out: np.ndarray) -> None:
    """out (BLOCK,) += sum_k e[k] row[k]."""
    for k in range(width):
        factor, part = e[k], row[k * BLOCK : k * BLOCK + BLOCK]
        for p in range(BLOCK):
            out[p] += factor * part[p]


@kernel(inner=True, fastmath=True)
def add_wide_slopes(row: np.ndarray, width: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
    """Site likelihoods of one category and two derivatives, added to sums[0] to sums[2]."""
    total, slope, curve = sums[0], sums[1], sums[2]
    for k in range(width):
        x, y, z, part = e[0, c, k], e[1, c, k], e[2, c, k], row[k * BLOCK : k * BLOCK + BLOCK]
        for p in range(BLOCK):
            value = part[p]
            total[p] += x * value
            slope[p] += y * value
            curve[p] += z * value


@kernel(inner=True, fastmath=True)
def add_wide_three(a: np.ndarray, b: np.ndarray, c: np.ndarray, width: int, weight: float, sums: np.ndarray) -> None:
    total = sums[0]
    for s in range(width):
        first, last = s * BLOCK, s * BLOCK + BLOCK
        x, y, z = a[first:last], b[first:last], c[first:last]
        for p in range(BLOCK):
            total[p] += weight * x[p] * y[p] * z[p]
