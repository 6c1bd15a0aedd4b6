"""Messages taken to the other ends of their edges, and what is made of them there.

What a message becomes there, M times it, stays in the first level of the cache and is used at once. Keeping it for
later would cost more than making it anew: messages are long, memory is slow, and the products are quick.

The states of a tip are one of a few sets, numbered by their code, whatever the rate category. With more than four
states a matrix times them is looked up in a table (states, codes), which takes half the time of a product.
"""

from typing import NamedTuple

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import (
    ROWS,
    four_rows_of_small_product,
    multiply_states,
    product_and_totals,
)
from vbpi_mix.felsenstein.local.messages import Blocks, Scratch, Spectra, wide_table
from vbpi_mix.felsenstein.local.rows import (
    BLOCK,
    add_totals,
    clear,
    cross_row,
    divide,
    edge_table_row,
    product_row,
    table_row,
    weighted_logarithms,
)
from vbpi_mix.felsenstein.local.wide_rows import apply_flat, apply_flat_transposed, invert, product, some_small


class Source(NamedTuple):
    """A message, and the way to the other end of its edge.

    Arguments:
        row: its first row.
        matrices: (n, width^2) that take it there.
        taxon: whose states it is, if it is D of a tip; -1 otherwise.
    """

    row: int
    matrices: np.ndarray
    taxon: int


@kernel(inner=True)
def _times_sets(m: np.ndarray, stride: int, width: int, sets: np.ndarray, table: np.ndarray) -> None:
    """table = M sets, M[i, j] = m[i * stride + j]."""
    for i in range(0, width, ROWS):
        four_rows_of_small_product(m, i * stride, stride, 1, width, sets, table, i, sets.shape[1])


@kernel(inner=True)
def _look_up(table: np.ndarray, width: int, codes: np.ndarray, out: np.ndarray) -> None:
    for s in range(width):
        row, part = table[s], out[s * BLOCK : s * BLOCK + BLOCK]
        for p in range(BLOCK):
            part[p] = row[codes[p]]


@kernel(inner=True)
def _multiply_looked_up(table: np.ndarray, width: int, codes: np.ndarray, out: np.ndarray) -> None:
    for s in range(width):
        row, part = table[s], out[s * BLOCK : s * BLOCK + BLOCK]
        for p in range(BLOCK):
            part[p] *= row[codes[p]]


@kernel(inner=True)
def _cross(
    rows: np.ndarray, source: Source, slot: int, i: int, r: int, rows_out: np.ndarray, out: int, blocks: Blocks,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Row `out` of `rows_out`: row r of a message, of block i, at the other end of its edge.

    Blocks come in their order. With the first of a part the table of a tip is made, in a slot of its own.
    """
    m, c, width = source.matrices, blocks.category[r], blocks.width[i]
    if width == 4:
        cross_row(rows, rows_out, source.row + r, out, m, c)
    elif source.taxon >= 0:
        table = scratch.by_code[slot, c]
        if i == 0 or blocks.part[i] != blocks.part[i - 1]:
            _times_sets(m[c], width, width, blocks.sets, table)
        _look_up(table, width, blocks.codes[i, source.taxon], rows_out[out])
    else:
        apply_flat(m[c], width, width, rows[source.row + r], rows_out[out])


@kernel(inner=True)
def cross_message(rows: np.ndarray, source: Source, out: int, blocks: Blocks, scratch: Scratch) -> None:
    """The message at the other end of its edge, from row `out` on."""
    for i in range(len(blocks.part)):
        for r in range(blocks.first_row[i], blocks.first_row[i + 1]):
            _cross(rows, source, 0, i, r, rows, out + r, blocks, scratch)


@kernel(inner=True)
def join(rows: np.ndarray, a: Source, b: Source, out: int, blocks: Blocks, scratch: Scratch) -> float:
    """The message `out` = (M_a a) (M_b b); the logarithm of what it was divided by.

    Arguments:
        rows: all messages.
        a: one of two messages that meet.
        b: the other.
        out: first row of the result.
        blocks: blocks of the patterns.
        scratch: overwritten.
    """
    wide, sums = scratch.wide, scratch.sums
    log_scale = 0.0
    for i in range(len(blocks.part)):
        width, first, end = blocks.width[i], blocks.first_row[i], blocks.first_row[i + 1]
        if width == 4:
            small = 0.0
            for r in range(first, end):
                _cross(rows, a, 0, i, r, wide, 0, blocks, scratch)
                _cross(rows, b, 1, i, r, wide, 1, blocks, scratch)
                small += product_row(wide, wide, rows, 0, 1, out + r)
            if small > 0.0 and blocks.variable[i] == 0.0:
                log_scale += _scale_block(rows, out, i, blocks, scratch)
            continue
        clear(sums, 3, 4)
        for r in range(first, end):
            _cross(rows, a, 0, i, r, wide, 0, blocks, scratch)
            _cross(rows, b, 1, i, r, wide, 1, blocks, scratch)
            product_and_totals(wide[0], wide[1], width, rows[out + r], sums, 3, BLOCK)
        if some_small(sums) and blocks.variable[i] == 0.0:
            log_scale += weighted_logarithms(sums, 3, blocks.weights, i, scratch.floats, scratch.bits)
            invert(sums)
            for r in range(first, end):
                multiply_states(rows[out + r], width, sums, 3, BLOCK)
    return log_scale


@kernel(inner=True)
def _scale_block(rows: np.ndarray, out: int, i: int, blocks: Blocks, scratch: Scratch) -> float:
    """Divide each pattern of a block of four states by its total; the sum of the totals' logarithms over the sites."""
    sums, first, end = scratch.sums, blocks.first_row[i], blocks.first_row[i + 1]
    clear(sums, 3, 4)
    for r in range(first, end):
        add_totals(rows, out + r, sums)
    log_scale = weighted_logarithms(sums, 3, blocks.weights, i, scratch.floats, scratch.bits)
    for r in range(first, end):
        divide(rows, out + r, sums)
    return log_scale


@kernel(inner=True)
def tabulate_tip_edge(
    rows: np.ndarray, u: int, tip: Source, out: int, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> None:
    """The table of the edge above a tip, with the message u at its upper end."""
    first_row, table, left, right = blocks.first_row, scratch.by_code[0, 0], spectra.left, spectra.right
    stride, of_part = left.shape[2], -1
    for i in range(len(blocks.part)):
        width, part = blocks.width[i], blocks.part[i]
        if width == 4:
            for r in range(first_row[i], first_row[i + 1]):
                edge_table_row(rows, rows, rows, u + r, tip.row + r, out + r, left, right, part)
            continue
        of_left, of_right = left[part].reshape(stride * stride), right[part].reshape(stride * stride)
        if part != of_part:
            _times_sets(of_right, stride, width, blocks.sets, table)
            of_part = part
        for r in range(first_row[i], first_row[i + 1]):
            apply_flat_transposed(of_left, stride, width, rows[u + r], rows[out + r])
            _multiply_looked_up(table, width, blocks.codes[i, tip.taxon], rows[out + r])


@kernel(inner=True)
def tabulate_arrangements(
    rows: np.ndarray, sources: tuple[Source, Source, Source, Source], out: int, spectra: Spectra, blocks: Blocks,
    scratch: Scratch,
) -> None:  # fmt: skip
    """Tables of the three ways to join four neighbours of an inner edge, one after the other.

    Arguments:
        rows: all messages.
        sources: the messages of the parent, the sibling and two children, towards the inner edge.
        out: first row of the first table: parent and sibling meet; in the next two the first child takes the place of
            the sibling, then the second.
        spectra: the models.
        blocks: blocks of the patterns.
        scratch: overwritten.
    """
    left, right, wide, n = spectra.left, spectra.right, scratch.wide, len(blocks.category)
    a, b, c, d = sources
    for i in range(len(blocks.part)):
        part, width = blocks.part[i], blocks.width[i]
        for r in range(blocks.first_row[i], blocks.first_row[i + 1]):
            _cross(rows, a, 0, i, r, wide, 0, blocks, scratch)
            _cross(rows, b, 1, i, r, wide, 1, blocks, scratch)
            _cross(rows, c, 2, i, r, wide, 2, blocks, scratch)
            _cross(rows, d, 3, i, r, wide, 3, blocks, scratch)
            if width == 4:
                table_row(wide, wide, wide, wide, rows, 0, 1, 2, 3, out + r, left, right, part)
                table_row(wide, wide, wide, wide, rows, 0, 2, 1, 3, out + n + r, left, right, part)
                table_row(wide, wide, wide, wide, rows, 0, 3, 2, 1, out + 2 * n + r, left, right, part)
                continue
            for way, beside, first, second in ((0, 1, 2, 3), (1, 2, 1, 3), (2, 3, 2, 1)):
                product(wide[0], wide[beside], wide[4], width * BLOCK)
                product(wide[first], wide[second], wide[5], width * BLOCK)
                wide_table(rows, wide[4], wide[5], out + way * n + r, left, right, part, width)
