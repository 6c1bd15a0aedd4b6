"""The loops of `rows` for any number of states, filled up to a multiple of four (`width`).

Products with matrices go by tiles of four by four states, as in `felsenstein.cpu.wide_rows`. A matrix stands in the
first width * width numbers of its row, whatever room there is for other parts of the alignment.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.rows import BLOCK

_TILE = 4 * BLOCK
_B2, _B3 = 2 * BLOCK, 3 * BLOCK
_SMALL = 1e-20
_LEAST = 1e-140


@kernel(inner=True, fastmath=True)
def _add_tile(m: np.ndarray, at: int, stride: int, x: np.ndarray, y: np.ndarray) -> None:
    """y += M x for the tile of M whose first entry is m[at], rows a stride apart."""
    a0, a1, a2, a3 = m[at], m[at + 1], m[at + 2], m[at + 3]
    i = at + stride
    b0, b1, b2, b3 = m[i], m[i + 1], m[i + 2], m[i + 3]
    i += stride
    c0, c1, c2, c3 = m[i], m[i + 1], m[i + 2], m[i + 3]
    i += stride
    d0, d1, d2, d3 = m[i], m[i + 1], m[i + 2], m[i + 3]
    for p in range(BLOCK):
        v0, v1, v2, v3 = x[p], x[BLOCK + p], x[_B2 + p], x[_B3 + p]
        y[p] += (a0 * v0 + a1 * v1) + (a2 * v2 + a3 * v3)
        y[BLOCK + p] += (b0 * v0 + b1 * v1) + (b2 * v2 + b3 * v3)
        y[_B2 + p] += (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
        y[_B3 + p] += (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)


@kernel(inner=True, fastmath=True)
def _add_tile_transposed(m: np.ndarray, at: int, stride: int, x: np.ndarray, y: np.ndarray) -> None:
    """y += M^T x for the tile of M whose first entry is m[at], rows a stride apart."""
    a0, a1, a2, a3 = m[at], m[at + 1], m[at + 2], m[at + 3]
    i = at + stride
    b0, b1, b2, b3 = m[i], m[i + 1], m[i + 2], m[i + 3]
    i += stride
    c0, c1, c2, c3 = m[i], m[i + 1], m[i + 2], m[i + 3]
    i += stride
    d0, d1, d2, d3 = m[i], m[i + 1], m[i + 2], m[i + 3]
    for p in range(BLOCK):
        v0, v1, v2, v3 = x[p], x[BLOCK + p], x[_B2 + p], x[_B3 + p]
        y[p] += (a0 * v0 + b0 * v1) + (c0 * v2 + d0 * v3)
        y[BLOCK + p] += (a1 * v0 + b1 * v1) + (c1 * v2 + d1 * v3)
        y[_B2 + p] += (a2 * v0 + b2 * v1) + (c2 * v2 + d2 * v3)
        y[_B3 + p] += (a3 * v0 + b3 * v1) + (c3 * v2 + d3 * v3)


@kernel(inner=True)
def apply_flat(m: np.ndarray, stride: int, width: int, vector: np.ndarray, out: np.ndarray) -> None:
    """out = M vector, M[i, j] = m[i * stride + j]."""
    out[: width * BLOCK] = 0.0
    for i in range(0, width, 4):
        y = out[i * BLOCK : i * BLOCK + _TILE]
        for j in range(0, width, 4):
            _add_tile(m, i * stride + j, stride, vector[j * BLOCK : j * BLOCK + _TILE], y)


@kernel(inner=True)
def apply_flat_transposed(m: np.ndarray, stride: int, width: int, vector: np.ndarray, out: np.ndarray) -> None:
    """out = M^T vector, M[i, j] = m[i * stride + j]."""
    out[: width * BLOCK] = 0.0
    for j in range(0, width, 4):
        y = out[j * BLOCK : j * BLOCK + _TILE]
        for i in range(0, width, 4):
            _add_tile_transposed(m, i * stride + j, stride, vector[i * BLOCK : i * BLOCK + _TILE], y)


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
    """How many patterns have become small; sums[3] is overwritten."""
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
