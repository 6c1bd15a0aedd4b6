"""Messages of a tree, and the likelihood as a function of one edge, for any model of four states.

A tree hangs from taxon 0 (`phylo.topology`). Node v has two messages: D[v], the partial likelihoods of its clade at v,
and U[v], those of the rest of the tree at the upper end of v's edge, root frequencies included. With P_v the transition
matrix of the edge above v, c and d the children of u,

    D[u] = (P_c D[c]) (P_d D[d]),    U[c] = (P_u^T U[u]) (P_d D[d]),    L = sum_s U[v]_s (P_v D[v])_s  at every edge.

With P(t) = left exp(values r t) right the likelihood of a pattern as a function of one edge's length is
sum_k (left^T U)_k (right D)_k exp(values_k r t): a table of four numbers for each pattern and rate category gives
values and derivatives at any length.

Layout. Patterns come in blocks of `BLOCK`, blocks of different parts of the alignment one after the other. A row is one
rate category of one block: state s of pattern p at `s * BLOCK + p`. A node owns `n_rows` rows of D and as many of U.
Messages that have become small are divided by a number for each pattern; the sum of its logarithms over the sites is
kept (`log_scale`), so that log-likelihoods are absolute.
"""

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel

BLOCK = 64
SIZE = 4 * BLOCK
_R1, _R2, _R3 = BLOCK, 2 * BLOCK, 3 * BLOCK
_SMALL = 1e-20  # messages whose largest total is below this are scaled
_MANTISSA = np.int64((1 << 52) - 1)
_ONE = np.int64(1023 << 52)
_FIFTY_TWO, _BIAS = np.int64(52), np.int64(1023)
_QUARTER = BLOCK // 4
_NEARLY_ZERO = 1e-290
_LOG2_HIGH, _LOG2_LOW = 0.693145751953125, 1.4286068203094172e-06


class Blocks(NamedTuple):
    """Where rows and patterns are.

    Arguments:
        weights: (B, BLOCK) sites of each pattern. Blocks are filled up with missing data, whose likelihood is 1
            whatever its weight.
        single: (B,) whether all weights of a block are 1.
        first_row: (B + 1,) first row of each block; its rate categories are next to each other.
        part: (B,) part of the alignment that each block belongs to.
        category: (n_rows,) the row's rate category, counted over all parts.
        first_category: (parts + 1,) first category of each part.
    """

    weights: np.ndarray
    single: np.ndarray
    first_row: np.ndarray
    part: np.ndarray
    category: np.ndarray
    first_category: np.ndarray


class Spectra(NamedTuple):
    """The models of all parts, with n categories in all.

    Arguments:
        values: (n, 4) eigenvalues of the rate matrix times the category's rate, the last of each 0.
        left: (parts, 4, 4) right eigenvectors in columns.
        right: (parts, 4, 4) the inverse.
        weights: (n,) probabilities of the categories.
        frequencies: (parts, 4) root frequencies.
    """

    values: np.ndarray
    left: np.ndarray
    right: np.ndarray
    weights: np.ndarray
    frequencies: np.ndarray


class Scratch(NamedTuple):
    """Room for one edge's calculations: rows of BLOCK numbers, one of them also seen as integers.

    Arguments:
        sums: (4, BLOCK) float64.
        bits: (4, BLOCK) int64, which is `floats` seen as integers.
        floats: (4, BLOCK) float64.
        exponentials: (3, n, 4): exp(values t) times the category's weight, its first and second derivatives.
    """

    sums: np.ndarray
    bits: np.ndarray
    floats: np.ndarray
    exponentials: np.ndarray


def make_scratch(n_categories: int) -> Scratch:
    """Room for `n_categories` rate categories."""
    floats = np.ones((4, BLOCK))
    return Scratch(np.zeros((4, BLOCK)), floats.view(np.int64), floats, np.zeros((3, n_categories, 4)))


@kernel(fastmath=True)
def _cross(rows_in: np.ndarray, rows_out: np.ndarray, source: int, out: int, m: np.ndarray, c: int) -> None:
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


@kernel(fastmath=True)
def _multiply_by_crossed(
    rows_in: np.ndarray, rows_out: np.ndarray, source: int, out: int, m: np.ndarray, c: int
) -> float:
    """Row `out` *= M_c row `source`; how many patterns have become small."""
    a, b = rows_in[source], rows_out[out]
    m00, m01, m02, m03 = m[c, 0], m[c, 1], m[c, 2], m[c, 3]
    m10, m11, m12, m13 = m[c, 4], m[c, 5], m[c, 6], m[c, 7]
    m20, m21, m22, m23 = m[c, 8], m[c, 9], m[c, 10], m[c, 11]
    m30, m31, m32, m33 = m[c, 12], m[c, 13], m[c, 14], m[c, 15]
    small = 0.0
    for p in range(BLOCK):
        a0, a1, a2, a3 = a[p], a[_R1 + p], a[_R2 + p], a[_R3 + p]
        b0 = b[p] * ((m00 * a0 + m01 * a1) + (m02 * a2 + m03 * a3))
        b1 = b[_R1 + p] * ((m10 * a0 + m11 * a1) + (m12 * a2 + m13 * a3))
        b2 = b[_R2 + p] * ((m20 * a0 + m21 * a1) + (m22 * a2 + m23 * a3))
        b3 = b[_R3 + p] * ((m30 * a0 + m31 * a1) + (m32 * a2 + m33 * a3))
        b[p] = b0
        b[_R1 + p] = b1
        b[_R2 + p] = b2
        b[_R3 + p] = b3
        small += 1.0 if (b0 + b1) + (b2 + b3) < _SMALL else 0.0
    return small


@kernel(fastmath=True)
def _table_row(
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


@kernel(fastmath=True)
def _edge_table_row(
    rows: np.ndarray, rows_v: np.ndarray, rows_out: np.ndarray, u: int, v: int, out: int, left: np.ndarray,
    right: np.ndarray, part: int,
) -> None:  # fmt: skip
    """Row `out`_k = (left^T u)_k (right v)_k."""
    ra, rc, ro = rows[u], rows_v[v], rows_out[out]
    for k in range(4):
        l0, l1, l2, l3 = left[part, 0, k], left[part, 1, k], left[part, 2, k], left[part, 3, k]
        r0, r1, r2, r3 = right[part, k, 0], right[part, k, 1], right[part, k, 2], right[part, k, 3]
        o = ro[k * BLOCK : (k + 1) * BLOCK]
        for p in range(BLOCK):
            x = (l0 * ra[p] + l1 * ra[_R1 + p]) + (l2 * ra[_R2 + p] + l3 * ra[_R3 + p])
            y = (r0 * rc[p] + r1 * rc[_R1 + p]) + (r2 * rc[_R2 + p] + r3 * rc[_R3 + p])
            o[p] = x * y


@kernel(fastmath=True)
def _add_table_row(rows: np.ndarray, row: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
    """Site likelihoods of one category, added to sums[0]."""
    a, total = rows[row], sums[0]
    e0, e1, e2, e3 = e[0, c, 0], e[0, c, 1], e[0, c, 2], e[0, c, 3]
    for p in range(BLOCK):
        total[p] += (e0 * a[p] + e1 * a[_R1 + p]) + (e2 * a[_R2 + p] + e3 * a[_R3 + p])


@kernel(fastmath=True)
def _only_slope_row(
    rows: np.ndarray, row: int, e: np.ndarray, c: int, weights: np.ndarray, block: int
) -> tuple[float, float]:
    """First and second derivative of the log-likelihood of a block with one category."""
    e0, e1, e2, e3 = e[0, c, 0], e[0, c, 1], e[0, c, 2], e[0, c, 3]
    f0, f1, f2 = e[1, c, 0], e[1, c, 1], e[1, c, 2]
    g0, g1, g2 = e[2, c, 0], e[2, c, 1], e[2, c, 2]
    first = second = 0.0
    for p in range(BLOCK):
        a0, a1, a2 = rows[row, p], rows[row, _R1 + p], rows[row, _R2 + p]
        inverse = 1.0 / ((e0 * a0 + e1 * a1) + (e2 * a2 + e3 * rows[row, _R3 + p]))
        ratio = ((f0 * a0 + f1 * a1) + f2 * a2) * inverse
        first += weights[block, p] * ratio
        second += weights[block, p] * (((g0 * a0 + g1 * a1) + g2 * a2) * inverse - ratio * ratio)
    return first, second


@kernel(fastmath=True)
def _add_slope_row(rows: np.ndarray, row: int, e: np.ndarray, c: int, sums: np.ndarray) -> None:
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


@kernel(fastmath=True)
def _derivatives(sums: np.ndarray, weights: np.ndarray, block: int) -> tuple[float, float]:
    total, slope, curve, w = sums[0], sums[1], sums[2], weights[block]
    first = second = 0.0
    for p in range(BLOCK):
        inverse = 1.0 / total[p]
        ratio = slope[p] * inverse
        first += w[p] * ratio
        second += w[p] * (curve[p] * inverse - ratio * ratio)
    return first, second


@kernel(fastmath=True)
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


@kernel(fastmath=True)
def _weighted_logarithms(
    sums: np.ndarray, row: int, weights: np.ndarray, block: int, floats: np.ndarray, bits: np.ndarray
) -> float:
    """sum_p w_p log(x_p) of positive normal numbers x = sums[row]; vectorised."""
    for p in range(BLOCK):
        floats[0, p] = sums[row, p]
    for p in range(BLOCK):
        bits[1, p] = (bits[0, p] & _MANTISSA) | _ONE
    total = 0.0
    for p in range(BLOCK):
        total += weights[block, p] * _logarithm(float((bits[0, p] >> _FIFTY_TWO) - _BIAS), floats[1, p])
    return total


@kernel(fastmath=True)
def _begin_product(floats: np.ndarray, bits: np.ndarray) -> None:
    """A product of 1: mantissas in floats[2], exponents of two in bits[3]."""
    for p in range(_QUARTER):
        floats[2, p] = 1.0
        bits[3, p] = 0


@kernel(fastmath=True)
def _multiply(sums: np.ndarray, row: int, floats: np.ndarray, bits: np.ndarray) -> bool:
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


@kernel(fastmath=True)
def _log_product(floats: np.ndarray, bits: np.ndarray) -> float:
    total = 0.0
    for p in range(_QUARTER):
        total += _logarithm(float(bits[3, p]), floats[2, p])
    return total


@kernel()
def _clear(sums: np.ndarray, first: int, end: int) -> None:
    for i in range(first, end):
        for p in range(BLOCK):
            sums[i, p] = 0.0


@kernel(fastmath=True)
def _add_totals(rows: np.ndarray, row: int, sums: np.ndarray) -> None:
    a, total = rows[row], sums[3]
    for p in range(BLOCK):
        total[p] += (a[p] + a[_R1 + p]) + (a[_R2 + p] + a[_R3 + p])


@kernel(fastmath=True)
def _divide(rows: np.ndarray, row: int, sums: np.ndarray) -> None:
    a, total = rows[row], sums[3]
    for p in range(BLOCK):
        inverse = 1.0 / total[p]
        a[p] *= inverse
        a[_R1 + p] *= inverse
        a[_R2 + p] *= inverse
        a[_R3 + p] *= inverse


@kernel()
def join(
    rows: np.ndarray, a: int, b: int, out: int, m: np.ndarray, n: np.ndarray, blocks: Blocks, scratch: Scratch,
    scale: bool,
) -> float:  # fmt: skip
    """The message `out` = (M a) (N b); the logarithm of what it was divided by, 0 without `scale`.

    Arguments:
        rows: all messages.
        a, b, out: first rows.
        m, n: (categories, 16) transition matrices, or their transposes.
    """
    first_row, category, weights = blocks.first_row, blocks.category, blocks.weights
    sums, floats, bits = scratch.sums, scratch.floats, scratch.bits
    log_scale = 0.0
    for i in range(len(first_row) - 1):
        small = 0.0
        first, end = first_row[i], first_row[i + 1]
        for r in range(first, end):
            c = category[r]
            _cross(rows, rows, a + r, out + r, m, c)
            small += _multiply_by_crossed(rows, rows, b + r, out + r, n, c)
        if scale and small > 0.0:
            _clear(sums, 3, 4)
            for r in range(first, end):
                _add_totals(rows, out + r, sums)
            log_scale += _weighted_logarithms(sums, 3, weights, i, floats, bits)
            for r in range(first, end):
                _divide(rows, out + r, sums)
    return log_scale


@kernel()
def cross(rows: np.ndarray, source: int, out: int, m: np.ndarray, blocks: Blocks) -> None:
    """The message `out` = M `source`."""
    category = blocks.category
    for r in range(len(category)):
        _cross(rows, rows, source + r, out + r, m, category[r])


@kernel()
def tabulate(rows: np.ndarray, a: int, b: int, c: int, d: int, out: int, spectra: Spectra, blocks: Blocks) -> None:
    """The table of an edge with the messages a b at its upper and c d at its lower end."""
    first_row, part, left, right = blocks.first_row, blocks.part, spectra.left, spectra.right
    for i in range(len(part)):
        for r in range(first_row[i], first_row[i + 1]):
            _table_row(rows, rows, rows, rows, rows, a + r, b + r, c + r, d + r, out + r, left, right, part[i])


@kernel()
def tabulate_edge(rows: np.ndarray, u: int, v: int, out: int, spectra: Spectra, blocks: Blocks) -> None:
    """The table of an edge with the message u at its upper and v at its lower end."""
    first_row, part, left, right = blocks.first_row, blocks.part, spectra.left, spectra.right
    for i in range(len(part)):
        for r in range(first_row[i], first_row[i + 1]):
            _edge_table_row(rows, rows, rows, u + r, v + r, out + r, left, right, part[i])


@kernel()
def table_value(
    rows: np.ndarray, table: int, length: float, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> float:
    """Log-likelihood at a length, but for the scales of the messages."""
    first_row, category, weights = blocks.first_row, blocks.category, blocks.weights
    single = blocks.single
    sums, floats, bits, e = scratch.sums, scratch.floats, scratch.bits, scratch.exponentials
    values, shares = spectra.values, spectra.weights
    for c in range(len(values)):
        for k in range(3):
            e[0, c, k] = shares[c] * math.exp(values[c, k] * length)
        e[0, c, 3] = shares[c]
    total = 0.0
    _begin_product(floats, bits)
    for i in range(len(first_row) - 1):
        _clear(sums, 0, 1)
        for r in range(first_row[i], first_row[i + 1]):
            _add_table_row(rows, table + r, e, category[r], sums)
        if not (single[i] and _multiply(sums, 0, floats, bits)):
            total += _weighted_logarithms(sums, 0, weights, i, floats, bits)
    return total + _log_product(floats, bits)


@kernel()
def table_slope(
    rows: np.ndarray, table: int, length: float, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> tuple[float, float]:
    """First and second derivative of the log-likelihood in the edge's length."""
    first_row, category, weights = blocks.first_row, blocks.category, blocks.weights
    sums, e = scratch.sums, scratch.exponentials
    values, shares = spectra.values, spectra.weights
    for c in range(len(values)):
        for k in range(3):
            value = values[c, k]
            e[0, c, k] = shares[c] * math.exp(value * length)
            e[1, c, k] = value * e[0, c, k]
            e[2, c, k] = value * e[1, c, k]
        e[0, c, 3] = shares[c]
    slope = curve = 0.0
    for i in range(len(first_row) - 1):
        first, end = first_row[i], first_row[i + 1]
        if end == first + 1:
            d1, d2 = _only_slope_row(rows, table + first, e, category[first], weights, i)
        else:
            _clear(sums, 0, 3)
            for r in range(first, end):
                _add_slope_row(rows, table + r, e, category[r], sums)
            d1, d2 = _derivatives(sums, weights, i)
        slope += d1
        curve += d2
    return slope, curve


@kernel(fastmath=True)
def _add_three(
    rows_a: np.ndarray, rows_b: np.ndarray, rows_c: np.ndarray, a: int, b: int, c: int, weight: float,
    sums: np.ndarray,
) -> None:  # fmt: skip
    x, y, z, total = rows_a[a], rows_b[b], rows_c[c], sums[0]
    for p in range(BLOCK):
        total[p] += weight * (
            (x[p] * y[p] * z[p] + x[_R1 + p] * y[_R1 + p] * z[_R1 + p])
            + (x[_R2 + p] * y[_R2 + p] * z[_R2 + p] + x[_R3 + p] * y[_R3 + p] * z[_R3 + p])
        )


@kernel()
def node_value(rows: np.ndarray, a: int, b: int, c: int, spectra: Spectra, blocks: Blocks, scratch: Scratch) -> float:
    """Log-likelihood where three messages meet in a node, but for their scales; root frequencies in one of them."""
    first_row, category, weights, shares = blocks.first_row, blocks.category, blocks.weights, spectra.weights
    single = blocks.single
    sums, floats, bits = scratch.sums, scratch.floats, scratch.bits
    total = 0.0
    _begin_product(floats, bits)
    for i in range(len(first_row) - 1):
        _clear(sums, 0, 1)
        for r in range(first_row[i], first_row[i + 1]):
            _add_three(rows, rows, rows, a + r, b + r, c + r, shares[category[r]], sums)
        if not (single[i] and _multiply(sums, 0, floats, bits)):
            total += _weighted_logarithms(sums, 0, weights, i, floats, bits)
    return total + _log_product(floats, bits)
