"""Messages from the tips of a tree, for any number of states.

The states of a tip are one of a few sets, numbered by their code, whatever the rate category. So a matrix times them is
looked up in a table (states, codes): that takes less than half the time of a product, and nothing is read but the
codes, where the message D of an inner node is long and seldom in a cache.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import ROWS, four_rows_of_small_product
from vbpi_mix.felsenstein.local.messages import Blocks, Scratch, Spectra
from vbpi_mix.felsenstein.local.rows import BLOCK, cross_row, edge_table_row
from vbpi_mix.felsenstein.local.wide_rows import apply_flat_transposed


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
def cross_tip(
    rows: np.ndarray, tip: int, taxon: int, out: int, m: np.ndarray, blocks: Blocks, scratch: Scratch
) -> None:
    """The message `out` = M D of a tip.

    Arguments:
        rows: all messages.
        tip: the node.
        taxon: whose states the tip has.
        out: first row of the result.
        m: (n, width * width) matrices of all categories.
        blocks: blocks of the patterns.
        scratch: overwritten.
    """
    category, first_row, table = blocks.category, blocks.first_row, scratch.by_code
    for i in range(len(first_row) - 1):
        width = blocks.width[i]
        for r in range(first_row[i], first_row[i + 1]):
            if width == 4:
                cross_row(rows, rows, tip * len(category) + r, out + r, m, category[r])
            else:
                _times_sets(m[category[r]], width, width, blocks.sets, table)
                _look_up(table, width, blocks.codes[i, taxon], rows[out + r])


@kernel(inner=True)
def tabulate_tip_edge(
    rows: np.ndarray, u: int, tip: int, taxon: int, out: int, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> None:
    """The table of the edge above a tip, with the message u at its upper end; see `cross_tip`."""
    category, first_row, table = blocks.category, blocks.first_row, scratch.by_code
    stride, of_part = spectra.left.shape[2], -1
    for i in range(len(first_row) - 1):
        width, part = blocks.width[i], blocks.part[i]
        if width == 4:
            for r in range(first_row[i], first_row[i + 1]):
                lower = tip * len(category) + r
                edge_table_row(rows, rows, rows, u + r, lower, out + r, spectra.left, spectra.right, part)
            continue
        of_left, of_right = spectra.left[part].reshape(stride * stride), spectra.right[part].reshape(stride * stride)
        if part != of_part:
            _times_sets(of_right, stride, width, blocks.sets, table)
            of_part = part
        for r in range(first_row[i], first_row[i + 1]):
            apply_flat_transposed(of_left, stride, width, rows[u + r], rows[out + r])
            _multiply_looked_up(table, width, blocks.codes[i, taxon], rows[out + r])
