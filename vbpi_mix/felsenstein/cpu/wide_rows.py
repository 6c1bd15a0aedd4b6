"""Loops over the patterns of one row, for any number of states: products with matrices, and sums over states.

A row is one rate category of one block of `BLOCK` patterns, state s of pattern p at `s * BLOCK + p`. States are filled
up to a multiple of four (`width_of`) by some that never occur: zero in tips, in matrices, and so everywhere.

Tips have no rows. Each distinct state set of the data has a number, its code, and a matrix times every state set is a
table (width, codes) in which a tip's message is looked up.
"""

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.general_gradient import BLOCK
from vbpi_mix.felsenstein.cpu.scaling import rescaling
from vbpi_mix.felsenstein.cpu.wide_products import ROWS, four_rows_of_product

_SMALL = 2.0**-128  # see `scaling`
_TILE = 4 * BLOCK
_B2, _B3 = 2 * BLOCK, 3 * BLOCK


def width_of(n_states: int) -> int:
    """The number of states, filled up to a multiple of four."""
    return -(-n_states // 4) * 4


@kernel(inner=True)
def apply(matrix: np.ndarray, vector: np.ndarray, row: np.ndarray) -> None:
    """row = matrix @ vector, (width, width) times (width * BLOCK,)."""
    width = len(matrix)
    for i in range(0, width, ROWS):
        four_rows_of_product(matrix, i * width, width, 1, width, vector, row, i, BLOCK)


@kernel(inner=True)
def apply_transposed(matrix: np.ndarray, vector: np.ndarray, row: np.ndarray) -> None:
    """row = transpose of matrix @ vector."""
    width = len(matrix)
    for j in range(0, width, ROWS):
        four_rows_of_product(matrix, j, 1, width, width, vector, row, j, BLOCK)


@kernel(inner=True, fastmath=True)
def _outer_tile(x: np.ndarray, y: np.ndarray, out: np.ndarray, i: int, j: int) -> None:
    """out[i, j : j + 4] += sum over patterns of x times the four states of y."""
    t0 = t1 = t2 = t3 = 0.0
    for p in range(BLOCK):
        v = x[p]
        t0 += v * y[p]
        t1 += v * y[BLOCK + p]
        t2 += v * y[_B2 + p]
        t3 += v * y[_B3 + p]
    out[i, j] += t0
    out[i, j + 1] += t1
    out[i, j + 2] += t2
    out[i, j + 3] += t3


@kernel(inner=True)
def add_outer(vector: np.ndarray, others: np.ndarray, out: np.ndarray) -> None:
    """out[s, t] += sum over patterns of vector[s] others[t]; out (width, width)."""
    width = len(out)
    for j in range(0, width, 4):
        y = others[j * BLOCK : j * BLOCK + _TILE]
        for i in range(width):
            _outer_tile(vector[i * BLOCK : i * BLOCK + BLOCK], y, out, i, j)


@kernel(inner=True, fastmath=True)
def multiply(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    for p in range(len(out)):
        out[p] = left[p] * right[p]


@kernel(inner=True, fastmath=True)
def dot(left: np.ndarray, right: np.ndarray) -> float:
    total = 0.0
    for p in range(len(left)):
        total += left[p] * right[p]
    return total


@kernel(inner=True, fastmath=True)
def dot_three(first: np.ndarray, second: np.ndarray, third: np.ndarray) -> float:
    total = 0.0
    for p in range(len(first)):
        total += first[p] * second[p] * third[p]
    return total


@kernel(inner=True, fastmath=True)
def _look_up(table: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    for p in range(BLOCK):
        out[p] = table[codes[p]]


@kernel(inner=True)
def tip_row(table: np.ndarray, codes: np.ndarray, out: np.ndarray) -> None:
    """out = what a table (width, codes) says of each pattern's code."""
    for s in range(len(table)):
        _look_up(table[s], codes, out[s * BLOCK : s * BLOCK + BLOCK])


@kernel(inner=True, fastmath=True)
def _sum_looked_up(table: np.ndarray, codes: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for p in range(BLOCK):
        total += a[p] * b[p] * table[codes[p]]
    return total


@kernel(inner=True)
def tip_slope(table: np.ndarray, codes: np.ndarray, a: np.ndarray, b: np.ndarray) -> float:
    """Sum over states and patterns of a b times what a table says of each pattern's code."""
    total = 0.0
    for s in range(len(table)):
        first, last = s * BLOCK, s * BLOCK + BLOCK
        total += _sum_looked_up(table[s], codes, a[first:last], b[first:last])
    return total


@kernel(inner=True, fastmath=True)
def _add_states(row: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
    for p in range(BLOCK):
        out[p] += row[p] * other[p]


@kernel(inner=True)
def sum_of_products(row: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
    """out (BLOCK,) += sum over states of row times other."""
    for s in range(0, len(row), BLOCK):
        _add_states(row[s : s + BLOCK], other[s : s + BLOCK], out)


@kernel(inner=True, fastmath=True)
def _larger(row: np.ndarray, out: np.ndarray) -> None:
    for p in range(BLOCK):
        out[p] = max(out[p], row[p])


@kernel(inner=True, fastmath=True)
def _any_small(row: np.ndarray) -> bool:
    count = 0.0
    for p in range(BLOCK):
        count += 1.0 if row[p] < _SMALL else 0.0
    return count > 0.0


@kernel(inner=True, fastmath=True)
def times(row: np.ndarray, factors: np.ndarray) -> None:
    """Multiply each pattern's states by its factor."""
    for s in range(0, len(row), BLOCK):
        part = row[s : s + BLOCK]
        for p in range(BLOCK):
            part[p] *= factors[p]


@kernel(inner=True)
def rescale(row: np.ndarray, factors: np.ndarray, steps: np.ndarray) -> None:
    """Multiply patterns that have become small; `factors` gets by what, `steps` is advanced (see `scaling`)."""
    factors[:] = 0.0
    for s in range(0, len(row), BLOCK):
        _larger(row[s : s + BLOCK], factors)
    if not _any_small(factors):
        factors[:] = 1.0
        return
    changed = False
    for p in range(BLOCK):
        factor, n_steps = rescaling(factors[p])
        if factors[p] == 0.0:  # impossible, whatever the scale; what is near, and derivatives, keep theirs
            factor, n_steps = 1.0, 0.0
        factors[p] = factor
        steps[p] += n_steps
        changed = changed or n_steps > 0.0
    if changed:
        times(row, factors)
