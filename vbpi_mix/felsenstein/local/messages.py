"""Messages of a tree, and the likelihood as a function of one edge, for any number of states.

A tree hangs from taxon 0 (`phylo.topology`). Node v has two messages: D[v], the partial likelihoods of its clade at v,
and U[v], those of the rest of the tree at the upper end of v's edge, root frequencies included. With P_v the transition
matrix of the edge above v, c and d the children of u,

    D[u] = (P_c D[c]) (P_d D[d]),    U[c] = (P_u^T U[u]) (P_d D[d]),    L = sum_s U[v]_s (P_v D[v])_s  at every edge.

With P(t) = left exp(values r t) right the likelihood of a pattern as a function of one edge's length is
sum_k (left^T U)_k (right D)_k exp(values_k r t): a table of n numbers for each pattern and rate category gives
values and derivatives at any length.

Layout. Patterns come in blocks of `BLOCK`, blocks of different parts of the alignment one after another. A row is one
rate category of one block: state s of pattern p at `s * BLOCK + p`, with room for the part of the alignment that has
most states; states are filled up to a multiple of four. Four have loops of their own (`rows`), others share those of
`wide_rows`. A node owns `n_rows` rows of D and as many of U.
Messages that have become small are divided by a number for each pattern; the sum of its logarithms over the sites is
kept (`log_scale`), so that log-likelihoods are absolute.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math
from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.local.rows import (
    BLOCK,
    add_slope_row,
    add_table_row,
    begin_product,
    clear,
    cross_row,
    derivatives,
    edge_table_row,
    log_product,
    multiply_product,
    only_slope_row,
    table_row,
    weighted_logarithms,
)
from vbpi_mix.felsenstein.local.wide_rows import (
    add_weighted,
    add_wide_slopes,
    apply_flat,
    apply_flat_transposed,
    multiply_by_flat,
    product,
)

_SMALLEST_SHARE = 1e-300  # of sites that vary, where all lengths are about 0


class Blocks(NamedTuple):
    """Positions of rows and patterns in a message.

    Arguments:
        weights: (B, BLOCK) sites of each pattern. Blocks are filled up with missing data, whose likelihood is 1
            whatever its weight.
        single: (B,) whether all weights of a block are 1.
        first_row: (B + 1,) first row of each block; its rate categories are next to each other.
        part: (B,) part of the alignment that each block belongs to.
        category: (n_rows,) the row's rate category, counted over all parts.
        first_category: (parts + 1,) first category of each part.
        width: (B,) states of each block, filled up to a multiple of four.
        widths: (parts,) the same of each part.
        variable: (B,) zero, but for a block of the patterns that all taxa have one state in, each with the weight 1:
            how many sites of its part there are, all of which vary. The probability that a site varies is one minus
            the sum of these patterns' likelihoods; every site's likelihood is divided by it. Such blocks are not
            scaled.
        codes: (B, N, BLOCK) state sets of the taxa, as columns of `sets`; empty where all parts have four states.
        sets: (width, codes) which states each set has, filled up to a multiple of four columns.
    """

    weights: np.ndarray
    single: np.ndarray
    first_row: np.ndarray
    part: np.ndarray
    category: np.ndarray
    first_category: np.ndarray
    width: np.ndarray
    widths: np.ndarray
    variable: np.ndarray
    codes: np.ndarray
    sets: np.ndarray


class Spectra(NamedTuple):
    """The models of all parts, with n categories in all and room for `width` states, zero where there are fewer.

    Arguments:
        values: (n, width) eigenvalues of the rate matrix times the category's rate; of four states the last is 0.
        left: (parts, width, width) right eigenvectors in columns.
        right: (parts, width, width) the inverse.
        weights: (n,) probabilities of the categories.
        frequencies: (parts, width) root frequencies.
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
        exponentials: (3, n, width): exp(values t) times the category's weight, its first and second derivatives.
        wide: (6, width * BLOCK).
        ways: (4, 3): four numbers for each of the three ways to join the four neighbours of an inner edge, ...
        barred: (3,) bool: ... and whether rules forbid it.
        by_code: (4, n, width, codes): of up to four tips, the matrix of each category times the state sets.
    """

    sums: np.ndarray
    bits: np.ndarray
    floats: np.ndarray
    exponentials: np.ndarray
    wide: np.ndarray
    ways: np.ndarray
    barred: np.ndarray
    by_code: np.ndarray


def make_scratch(n_categories: int, width: int = 4, n_codes: int = 0) -> Scratch:
    """Room for `n_categories` rate categories, `width` states and `n_codes` state sets."""
    floats = np.ones((4, BLOCK))
    exponentials = np.zeros((3, n_categories, width))
    sums, wide, ways = np.zeros((4, BLOCK)), np.zeros((6, width * BLOCK)), np.zeros((4, 3))
    by_code = np.zeros((4, n_categories, width, n_codes))
    return Scratch(sums, floats.view(np.int64), floats, exponentials, wide, ways, np.zeros(3, np.bool_), by_code)


@kernel(inner=True)
def _cross_any(rows: np.ndarray, source: int, out: int, m: np.ndarray, c: int, width: int) -> None:
    if width == 4:
        cross_row(rows, rows, source, out, m, c)
    else:
        apply_flat(m[c], width, width, rows[source], rows[out])


@kernel(inner=True)
def wide_table(
    rows: np.ndarray, upper: np.ndarray, lower: np.ndarray, out: int, left: np.ndarray, right: np.ndarray,
    part: int, width: int,
) -> None:  # fmt: skip
    """Row `out`_k = (left^T upper)_k (right lower)_k."""
    stride = left.shape[2]
    of_left, of_right = left[part].reshape(stride * stride), right[part].reshape(stride * stride)
    apply_flat_transposed(of_left, stride, width, upper, rows[out])
    multiply_by_flat(of_right, stride, width, lower, rows[out])


@kernel(inner=True)
def cross(rows: np.ndarray, source: int, out: int, m: np.ndarray, blocks: Blocks) -> None:
    """The message `out` = M `source`."""
    category, first_row = blocks.category, blocks.first_row
    for i in range(len(first_row) - 1):
        width = blocks.width[i]
        for r in range(first_row[i], first_row[i + 1]):
            _cross_any(rows, source + r, out + r, m, category[r], width)


@kernel(inner=True)
def tabulate(
    rows: np.ndarray, a: int, b: int, c: int, d: int, out: int, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> None:
    """The table of an edge with the messages a b at its upper and c d at its lower end."""
    first_row, part, left, right = blocks.first_row, blocks.part, spectra.left, spectra.right
    for i in range(len(part)):
        for r in range(first_row[i], first_row[i + 1]):
            if blocks.width[i] == 4:
                table_row(rows, rows, rows, rows, rows, a + r, b + r, c + r, d + r, out + r, left, right, part[i])
            else:
                wide, size = scratch.wide, blocks.width[i] * BLOCK
                product(rows[a + r], rows[b + r], wide[0], size)
                product(rows[c + r], rows[d + r], wide[1], size)
                wide_table(rows, wide[0], wide[1], out + r, left, right, part[i], blocks.width[i])


@kernel(inner=True)
def tabulate_edge(rows: np.ndarray, u: int, v: int, out: int, spectra: Spectra, blocks: Blocks) -> None:
    """The table of an edge with the message u at its upper and v at its lower end."""
    first_row, part, left, right = blocks.first_row, blocks.part, spectra.left, spectra.right
    for i in range(len(part)):
        for r in range(first_row[i], first_row[i + 1]):
            if blocks.width[i] == 4:
                edge_table_row(rows, rows, rows, u + r, v + r, out + r, left, right, part[i])
            else:
                wide_table(rows, rows[u + r], rows[v + r], out + r, left, right, part[i], blocks.width[i])


@kernel(inner=True)
def _sum_of_weighted(sums: np.ndarray, row: int, weights: np.ndarray, block: int) -> float:
    total = 0.0
    for p in range(BLOCK):
        total += weights[block, p] * sums[row, p]
    return total


@kernel(inner=True)
def share_that_varies(sums: np.ndarray, weights: np.ndarray, block: int) -> float:
    """One minus the likelihoods sums[0] of constant patterns."""
    return max(1.0 - _sum_of_weighted(sums, 0, weights, block), _SMALLEST_SHARE)


@kernel(inner=True)
def table_value(
    rows: np.ndarray, table: int, length: float, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> float:
    """Log-likelihood at a length, but for the scales of the messages."""
    first_row, category, weights = blocks.first_row, blocks.category, blocks.weights
    single = blocks.single
    sums, floats, bits, e = scratch.sums, scratch.floats, scratch.bits, scratch.exponentials
    values, shares = spectra.values, spectra.weights
    if values.shape[1] == 4:
        for c in range(len(values)):
            for k in range(3):
                e[0, c, k] = shares[c] * math.exp(values[c, k] * length)
            e[0, c, 3] = shares[c]
    else:
        for c in range(len(values)):
            for k in range(values.shape[1]):
                e[0, c, k] = shares[c] * math.exp(values[c, k] * length)
    total = 0.0
    begin_product(floats, bits)
    for i in range(len(first_row) - 1):
        clear(sums, 0, 1)
        for r in range(first_row[i], first_row[i + 1]):
            if blocks.width[i] == 4:
                add_table_row(rows, table + r, e, category[r], sums)
            else:
                add_weighted(rows[table + r], blocks.width[i], e, category[r], sums)
        if blocks.variable[i] > 0.0:
            total -= blocks.variable[i] * math.log(share_that_varies(sums, weights, i))
        elif not (single[i] and multiply_product(sums, 0, floats, bits)):
            total += weighted_logarithms(sums, 0, weights, i, floats, bits)
    return total + log_product(floats, bits)


@kernel(inner=True)
def table_slope(
    rows: np.ndarray, table: int, length: float, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> tuple[float, float]:
    """First and second derivative of the log-likelihood in the edge's length."""
    first_row, category, weights = blocks.first_row, blocks.category, blocks.weights
    sums, e = scratch.sums, scratch.exponentials
    values, shares = spectra.values, spectra.weights
    last = 3 if values.shape[1] == 4 else values.shape[1]
    for c in range(len(values)):
        if last == 3:
            e[0, c, 3] = shares[c]
        for k in range(last):
            value = values[c, k]
            e[0, c, k] = shares[c] * math.exp(value * length)
            e[1, c, k] = value * e[0, c, k]
            e[2, c, k] = value * e[1, c, k]
    slope = curve = 0.0
    for i in range(len(first_row) - 1):
        first, end = first_row[i], first_row[i + 1]
        if end == first + 1 and blocks.width[i] == 4 and blocks.variable[i] == 0.0:
            d1, d2 = only_slope_row(rows, table + first, e, category[first], weights, i)
        else:
            clear(sums, 0, 3)
            for r in range(first, end):
                if blocks.width[i] == 4:
                    add_slope_row(rows, table + r, e, category[r], sums)
                else:
                    add_wide_slopes(rows[table + r], blocks.width[i], e, category[r], sums)
            if blocks.variable[i] > 0.0:
                rest = share_that_varies(sums, weights, i)
                first_share = _sum_of_weighted(sums, 1, weights, i) / rest
                second_share = _sum_of_weighted(sums, 2, weights, i) / rest
                d1 = blocks.variable[i] * first_share
                d2 = blocks.variable[i] * (second_share + first_share * first_share)
            else:
                d1, d2 = derivatives(sums, weights, i)
        slope += d1
        curve += d2
    return slope, curve
