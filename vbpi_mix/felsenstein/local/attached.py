"""Likelihoods of a clade attached to a tree: in the middle of an edge, or at a node.

Rows and messages are those of `messages`.
"""

# entries of arrays are numbers in compiled code, which checkers of types cannot know
# pyright: reportArgumentType=false, reportReturnType=false, reportAttributeAccessIssue=false

import math

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import add_weighted_triple
from vbpi_mix.felsenstein.local.messages import Blocks, Scratch, Spectra, share_that_varies
from vbpi_mix.felsenstein.local.rows import (
    BLOCK,
    add_three,
    begin_product,
    clear,
    cross_row,
    log_product,
    multiply_product,
    product_row,
    weighted_logarithms,
)
from vbpi_mix.felsenstein.local.wide_rows import apply_flat, product


@kernel(inner=True)
def spread(
    rows: np.ndarray, source: int, m: np.ndarray, first: int, of_first: int, second: int, of_second: int,
    blocks: Blocks, scratch: Scratch,
) -> None:  # fmt: skip
    """The message M `source` times each of two others, not scaled; an output below 0 is left out."""
    category, first_row = blocks.category, blocks.first_row
    wide = scratch.wide
    for i in range(len(first_row) - 1):
        width = blocks.width[i]
        for r in range(first_row[i], first_row[i + 1]):
            if width == 4:
                cross_row(rows, wide, source + r, 0, m, category[r])
                if of_first >= 0:
                    product_row(wide, rows, rows, 0, first + r, of_first + r)
                if of_second >= 0:
                    product_row(wide, rows, rows, 0, second + r, of_second + r)
                continue
            apply_flat(m[category[r]], width, width, rows[source + r], wide[0])
            if of_first >= 0:
                product(wide[0], rows[first + r], rows[of_first + r], width * BLOCK)
            if of_second >= 0:
                product(wide[0], rows[second + r], rows[of_second + r], width * BLOCK)


@kernel(inner=True)
def value_between(
    rows: np.ndarray, upper: int, lower: int, clade: int, across: np.ndarray, down: np.ndarray, spectra: Spectra,
    blocks: Blocks, scratch: Scratch,
) -> float:  # fmt: skip
    """Log-likelihood, but for scales, where a clade's message meets those of the two ends of an edge.

    Arguments:
        rows: all messages.
        upper: first row of U of the edge, root frequencies included.
        lower: first row of D of the edge.
        clade: first row of the clade's message at the place.
        across: transposed matrices from the upper end to the place.
        down: matrices from the place to the lower end.
        spectra: the models.
        blocks: blocks of the patterns.
        scratch: overwritten.
    """
    first_row, category, weights, shares = blocks.first_row, blocks.category, blocks.weights, spectra.weights
    sums, floats, bits, wide = scratch.sums, scratch.floats, scratch.bits, scratch.wide
    total = 0.0
    begin_product(floats, bits)
    for i in range(len(first_row) - 1):
        clear(sums, 0, 1)
        width = blocks.width[i]
        for r in range(first_row[i], first_row[i + 1]):
            c = category[r]
            if width == 4:
                cross_row(rows, wide, upper + r, 0, across, c)
                cross_row(rows, wide, lower + r, 1, down, c)
                add_three(wide, wide, rows, 0, 1, clade + r, shares[c], sums)
            else:
                apply_flat(across[c], width, width, rows[upper + r], wide[0])
                apply_flat(down[c], width, width, rows[lower + r], wide[1])
                add_weighted_triple(wide[0], wide[1], rows[clade + r], width, shares[c], sums, 0, BLOCK)
        total += _log_of_block(i, weights, blocks, scratch)
    return total + log_product(floats, bits)


@kernel(inner=True)
def value_at_node(
    rows: np.ndarray, first: int, second: int, clade: int, spectra: Spectra, blocks: Blocks, scratch: Scratch
) -> float:
    """Log-likelihood, but for scales, where three messages meet: first rows of two and of a clade's.

    One of the first two includes the root frequencies.
    """
    first_row, category, weights, shares = blocks.first_row, blocks.category, blocks.weights, spectra.weights
    sums, floats, bits = scratch.sums, scratch.floats, scratch.bits
    total = 0.0
    begin_product(floats, bits)
    for i in range(len(first_row) - 1):
        clear(sums, 0, 1)
        width = blocks.width[i]
        for r in range(first_row[i], first_row[i + 1]):
            share = shares[category[r]]
            if width == 4:
                add_three(rows, rows, rows, first + r, second + r, clade + r, share, sums)
            else:
                add_weighted_triple(rows[first + r], rows[second + r], rows[clade + r], width, share, sums, 0, BLOCK)
        total += _log_of_block(i, weights, blocks, scratch)
    return total + log_product(floats, bits)


@kernel(inner=True)
def _log_of_block(i: int, weights: np.ndarray, blocks: Blocks, scratch: Scratch) -> float:
    """Log-likelihood of a block with the likelihoods sums[0] of its patterns, but for what goes into the product."""
    sums, floats, bits = scratch.sums, scratch.floats, scratch.bits
    if blocks.variable[i] > 0.0:
        return -blocks.variable[i] * math.log(share_that_varies(sums, weights, i))
    if blocks.single[i] and multiply_product(sums, 0, floats, bits):
        return 0.0
    return weighted_logarithms(sums, 0, weights, i, floats, bits)
