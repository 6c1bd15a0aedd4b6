"""Loops over the patterns of one row: what messages, tables and likelihoods are made of.

A row is one rate category of one block of `BLOCK` patterns, state s of pattern p at `s * BLOCK + p`. Loops get whole
arrays with the numbers of rows, since each array that is made and passed on costs two atomic operations, and an array
that is read and written comes twice, since the compiler vectorises that with few checks.
"""

import numpy as np

from vbpi_mix.compiled import kernel

BLOCK = 64
_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK
_QUARTER = BLOCK // 4
_SMALL = 1e-30  # messages whose total falls below this are scaled
_NEARLY_ZERO = 1e-290
_LEAST = 1e-140  # likelihood of a site; less, or below zero, is rounding where terms cancel
_MANTISSA = np.int64((1 << 52) - 1)
_ONE = np.int64(1023 << 52)
_FIFTY_TWO, _BIAS = np.int64(52), np.int64(1023)
_LOG2_HIGH, _LOG2_LOW = 0.693145751953125, 1.4286068203094172e-06


@kernel(inner=True, fastmath=True)
def cross_row(rows_in: np.ndarray, rows_out: np.ndarray, source: int, out: int, m: np.ndarray, c: int) -> None:
    """Row `out` = M_c row `source`."""
    a, b = rows_in[source], rows_out[out]
    m00, m01, m02, m03 = m[c, 0], m[c, 1], m[c, 2], m[c, 3]
    m10, m11, m12, m13 = m[c, 4], m[c, 5], m[c, 6], m[c, 7]
    m20, m21, m22, m23 = m[c, 8], m[c, 9], m[c, 10], m[c, 11]
    m30, m31, m32, m33 = m[c, 12], m[c, 13], m[c, 14], m[c, 15]
    for p in range(BLOCK):
        a0, a1, a2, a3 = a[p], a[_R1 + p], a[_R2 + p], a[_R3 + p]
        b[p] = (m00 * a0 + m01 * a1) + (m02 * a2 + m03 * a3)
        b[_R1 + p] = (m10 * a0 + m11 * a1) + (m12 * a2 + m13 * a3)
        b[_R2 + p] = (m20 * a0 + m21 * a1) + (m22 * a2 + m23 * a3)
        b[_R3 + p] = (m30 * a0 + m31 * a1) + (m32 * a2 + m33 * a3)


@kernel(inner=True, fastmath=True)
def product_row(rows: np.ndarray, rows_b: np.ndarray, rows_out: np.ndarray, a: int, b: int, out: int) -> float:
    """Row `out` = row a times row b; how many patterns have become small."""
    x, y, z = rows[a], rows_b[b], rows_out[out]
    small = 0.0
    for p in range(BLOCK):
        z0, z1 = x[p] * y[p], x[_R1 + p] * y[_R1 + p]
        z2, z3 = x[_R2 + p] * y[_R2 + p], x[_R3 + p] * y[_R3 + p]
        z[p] = z0
        z[_R1 + p] = z1
        z[_R2 + p] = z2
        z[_R3 + p] = z3
        small += 1.0 if (z0 + z1) + (z2 + z3) < _SMALL else 0.0
    return small


@kernel(inner=True, fastmath=True)
def table_row(
    rows: np.ndarray, rows_b: np.ndarray, rows_c: np.ndarray, rows_d: np.ndarray, rows_out: np.ndarray,
    a: int, b: int, c: int, d: int, out: int, left: np.ndarray, right: np.ndarray, part: int,
) -> None:  # fmt: skip
    """Row `out`_k = (left^T (a b))_k (right (c d))_k."""
    ra, rb, rc, rd, ro = rows[a], rows_b[b], rows_c[c], rows_d[d], rows_out[out]
    l00, l01, l02, l03 = left[part, 0, 0], left[part, 0, 1], left[part, 0, 2], left[part, 0, 3]
    l10, l11, l12, l13 = left[part, 1, 0], left[part, 1, 1], left[part, 1, 2], left[part, 1, 3]
    l20, l21, l22, l23 = left[part, 2, 0], left[part, 2, 1], left[part, 2, 2], left[part, 2, 3]
    l30, l31, l32, l33 = left[part, 3, 0], left[part, 3, 1], left[part, 3, 2], left[part, 3, 3]
    r00, r01, r02, r03 = right[part, 0, 0], right[part, 0, 1], right[part, 0, 2], right[part, 0, 3]
    r10, r11, r12, r13 = right[part, 1, 0], right[part, 1, 1], right[part, 1, 2], right[part, 1, 3]
    r20, r21, r22, r23 = right[part, 2, 0], right[part, 2, 1], right[part, 2, 2], right[part, 2, 3]
    r30, r31, r32, r33 = right[part, 3, 0], right[part, 3, 1], right[part, 3, 2], right[part, 3, 3]
    for p in range(BLOCK):
        u0, u1 = ra[p] * rb[p], ra[_R1 + p] * rb[_R1 + p]
        u2, u3 = ra[_R2 + p] * rb[_R2 + p], ra[_R3 + p] * rb[_R3 + p]
        ro[p] = (l00 * u0 + l10 * u1) + (l20 * u2 + l30 * u3)
        ro[_R1 + p] = (l01 * u0 + l11 * u1) + (l21 * u2 + l31 * u3)
        ro[_R2 + p] = (l02 * u0 + l12 * u1) + (l22 * u2 + l32 * u3)
        ro[_R3 + p] = (l03 * u0 + l13 * u1) + (l23 * u2 + l33 * u3)
    for p in range(BLOCK):
        v0, v1 = rc[p] * rd[p], rc[_R1 + p] * rd[_R1 + p]
        v2, v3 = rc[_R2 + p] * rd[_R2 + p], rc[_R3 + p] * rd[_R3 + p]
        ro[p] *= (r00 * v0 + r01 * v1) + (r02 * v2 + r03 * v3)
        ro[_R1 + p] *= (r10 * v0 + r11 * v1) + (r12 * v2 + r13 * v3)
        ro[_R2 + p] *= (r20 * v0 + r21 * v1) + (r22 * v2 + r23 * v3)
        ro[_R3 + p] *= (r30 * v0 + r31 * v1) + (r32 * v2 + r33 * v3)


@kernel(inner=True, fastmath=True)
def edge_table_row(
    rows: np.ndarray, rows_v: np.ndarray, rows_out: np.ndarray, u: int, v: int, out: int, left: np.ndarray,
    right: np.ndarray, part: int,
) -> None:  # fmt: skip
    """Row `out`_k = (left^T u)_k (right v)_k."""
    ra, rc, ro = rows[u], rows_v[v], rows_out[out]
    l00, l01, l02, l03 = left[part, 0, 0], left[part, 0, 1], left[part, 0, 2], left[part, 0, 3]
    l10, l11, l12, l13 = left[part, 1, 0], left[part, 1, 1], left[part, 1, 2], left[part, 1, 3]
    l20, l21, l22, l23 = left[part, 2, 0], left[part, 2, 1], left[part, 2, 2], left[part, 2, 3]
    l30, l31, l32, l33 = left[part, 3, 0], left[part, 3, 1], left[part, 3, 2], left[part, 3, 3]
    r00, r01, r02, r03 = right[part, 0, 0], right[part, 0, 1], right[part, 0, 2], right[part, 0, 3]
    r10, r11, r12, r13 = right[part, 1, 0], right[part, 1, 1], right[part, 1, 2], right[part, 1, 3]
    r20, r21, r22, r23 = right[part, 2, 0], right[part, 2, 1], right[part, 2, 2], right[part, 2, 3]
    r30, r31, r32, r33 = right[part, 3, 0], right[part, 3, 1], right[part, 3, 2], right[part, 3, 3]
    for p in range(BLOCK):
        u0, u1, u2, u3 = ra[p], ra[_R1 + p], ra[_R2 + p], ra[_R3 + p]
        ro[p] = (l00 * u0 + l10 * u1) + (l20 * u2 + l30 * u3)
        ro[_R1 + p] = (l01 * u0 + l11 * u1) + (l21 * u2 + l31 * u3)
        ro[_R2 + p] = (l02 * u0 + l12 * u1) + (l22 * u2 + l32 * u3)
        ro[_R3 + p] = (l03 * u0 + l13 * u1) + (l23 * u2 + l33 * u3)
    for p in range(BLOCK):
        v0, v1, v2, v3 = rc[p], rc[_R1 + p], rc[_R2 + p], rc[_R3 + p]
        ro[p] *= (r00 * v0 + r01 * v1) + (r02 * v2 + r03 * v3)
        ro[_R1 + p] *= (r10 * v0 + r11 * v1) + (r12 * v2 + r13 * v3)
        ro[_R2 + p] *= (r20 * v0 + r21 * v1) + (r22 * v2 + r23 * v3)
        ro[_R3 + p] *= (r30 * v0 + r31 * v1) + (r32 * v2 + r33 * v3)


@kernel(inner=True, fastmath=True)
def add_table_row(rows: np.ndarray, row: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
    """Site likelihoods of one category, added to sums[0]."""
    a, total = rows[row], sums[0]
    e0, e1, e2, e3 = e[0, c, 0], e[0, c, 1], e[0, c, 2], e[0, c, 3]
    for p in range(BLOCK):
        total[p] += (e0 * a[p] + e1 * a[_R1 + p]) + (e2 * a[_R2 + p] + e3 * a[_R3 + p])


@kernel(inner=True, fastmath=True)
def only_slope_row(
    rows: np.ndarray, row: int, e: np.ndarray, c: int, weights: np.ndarray, block: int
) -> tuple[float, float]:
    """First and second derivative of the log-likelihood of a block with one category."""
    e0, e1, e2, e3 = e[0, c, 0], e[0, c, 1], e[0, c, 2], e[0, c, 3]
    f0, f1, f2 = e[1, c, 0], e[1, c, 1], e[1, c, 2]
    g0, g1, g2 = e[2, c, 0], e[2, c, 1], e[2, c, 2]
    first = second = 0.0
    for p in range(BLOCK):
        a0, a1, a2 = rows[row, p], rows[row, _R1 + p], rows[row, _R2 + p]
        total = (e0 * a0 + e1 * a1) + (e2 * a2 + e3 * rows[row, _R3 + p])
        inverse = 1.0 / max(total, _LEAST)
        ratio = ((f0 * a0 + f1 * a1) + f2 * a2) * inverse
        first += weights[block, p] * ratio
        second += weights[block, p] * (((g0 * a0 + g1 * a1) + g2 * a2) * inverse - ratio * ratio)
    return first, second


@kernel(inner=True, fastmath=True)
def add_slope_row(rows: np.ndarray, row: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
    """Site likelihoods of one category and two derivatives, added to sums[0] to sums[2]."""
    a, total, slope, curve = rows[row], sums[0], sums[1], sums[2]
    e0, e1, e2, e3 = e[0, c, 0], e[0, c, 1], e[0, c, 2], e[0, c, 3]
    f0, f1, f2 = e[1, c, 0], e[1, c, 1], e[1, c, 2]
    g0, g1, g2 = e[2, c, 0], e[2, c, 1], e[2, c, 2]
    for p in range(BLOCK):
        a0, a1, a2 = a[p], a[_R1 + p], a[_R2 + p]
        total[p] += (e0 * a0 + e1 * a1) + (e2 * a2 + e3 * a[_R3 + p])
        slope[p] += (f0 * a0 + f1 * a1) + f2 * a2
        curve[p] += (g0 * a0 + g1 * a1) + g2 * a2


@kernel(inner=True, fastmath=True)
def derivatives(sums: np.ndarray, weights: np.ndarray, block: int) -> tuple[float, float]:
    total, slope, curve, w = sums[0], sums[1], sums[2], weights[block]
    first = second = 0.0
    for p in range(BLOCK):
        inverse = 1.0 / max(total[p], _LEAST)
        ratio = slope[p] * inverse
        first += w[p] * ratio
        second += w[p] * (curve[p] * inverse - ratio * ratio)
    return first, second


@kernel(inner=True, fastmath=True)
def _logarithm(e: float, m: float) -> float:
    """log(2^e m) for m in [1, 2), to 2 units in the last place: log m = 2 artanh((m - 1) / (m + 1)) by its series."""
    large = m > 1.4142135623730951
    m = 0.5 * m if large else m
    e = e + 1.0 if large else e
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    q = 1.0 / 21.0
    q = q * z + 1.0 / 19.0
    q = q * z + 1.0 / 17.0
    q = q * z + 1.0 / 15.0
    q = q * z + 1.0 / 13.0
    q = q * z + 1.0 / 11.0
    q = q * z + 1.0 / 9.0
    q = q * z + 1.0 / 7.0
    q = q * z + 0.2
    q = q * z + 1.0 / 3.0
    return ((2.0 * s + (2.0 * s * z) * q) + e * _LOG2_LOW) + e * _LOG2_HIGH


@kernel(inner=True, fastmath=True)
def weighted_logarithms(
    sums: np.ndarray, row: int, weights: np.ndarray, block: int, floats: np.ndarray, bits: np.ndarray
) -> float:
    """sum_p w_p log(x_p) of positive normal numbers x = sums[row]; vectorised."""
    for p in range(BLOCK):
        floats[0, p] = max(sums[row, p], _LEAST)
    for p in range(BLOCK):
        bits[1, p] = (bits[0, p] & _MANTISSA) | _ONE
    total = 0.0
    for p in range(BLOCK):
        total += weights[block, p] * _logarithm(float((bits[0, p] >> _FIFTY_TWO) - _BIAS), floats[1, p])
    return total


@kernel(inner=True, fastmath=True)
def begin_product(floats: np.ndarray, bits: np.ndarray) -> None:
    """A product of 1: mantissas in floats[2], exponents of two in bits[3]."""
    for p in range(_QUARTER):
        floats[2, p] = 1.0
        bits[3, p] = 0


@kernel(inner=True, fastmath=True)
def multiply_product(sums: np.ndarray, row: int, floats: np.ndarray, bits: np.ndarray) -> bool:
    """Multiply the product, in `_QUARTER` columns, by x = sums[row], four by four; False if that would underflow."""
    low = 0.0
    for p in range(_QUARTER):
        y = (sums[row, p] * sums[row, p + _QUARTER]) * (sums[row, p + 2 * _QUARTER] * sums[row, p + 3 * _QUARTER])
        floats[0, p] = floats[2, p] * y
        low += 1.0 if y < _NEARLY_ZERO else 0.0
    if low > 0.0:
        return False
    for p in range(_QUARTER):
        bits[3, p] += (bits[0, p] >> _FIFTY_TWO) - _BIAS
        bits[2, p] = (bits[0, p] & _MANTISSA) | _ONE
    return True


@kernel(inner=True, fastmath=True)
def log_product(floats: np.ndarray, bits: np.ndarray) -> float:
    total = 0.0
    for p in range(_QUARTER):
        total += _logarithm(float(bits[3, p]), floats[2, p])
    return total


@kernel(inner=True)
def clear(sums: np.ndarray, first: int, end: int) -> None:
    for i in range(first, end):
        for p in range(BLOCK):
            sums[i, p] = 0.0


@kernel(inner=True, fastmath=True)
def add_totals(rows: np.ndarray, row: int, sums: np.ndarray) -> None:
    a, total = rows[row], sums[3]
    for p in range(BLOCK):
        total[p] += (a[p] + a[_R1 + p]) + (a[_R2 + p] + a[_R3 + p])


@kernel(inner=True, fastmath=True)
def divide(rows: np.ndarray, row: int, sums: np.ndarray) -> None:
    a, total = rows[row], sums[3]
    for p in range(BLOCK):
        inverse = 1.0 / total[p]
        a[p] *= inverse
        a[_R1 + p] *= inverse
        a[_R2 + p] *= inverse
        a[_R3 + p] *= inverse


@kernel(inner=True, fastmath=True)
def add_three(
    rows_a: np.ndarray, rows_b: np.ndarray, rows_c: np.ndarray, a: int, b: int, c: int, weight: float,
    sums: np.ndarray,
) -> None:  # fmt: skip
    x, y, z, total = rows_a[a], rows_b[b], rows_c[c], sums[0]
    for p in range(BLOCK):
        total[p] += weight * (
            (x[p] * y[p] * z[p] + x[_R1 + p] * y[_R1 + p] * z[_R1 + p])
            + (x[_R2 + p] * y[_R2 + p] * z[_R2 + p] + x[_R3 + p] * y[_R3 + p] * z[_R3 + p])
        )
