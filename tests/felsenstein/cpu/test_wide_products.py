import numpy as np
import pytest
from numba.core.errors import TypingError

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import (
    ROWS,
    add_row_of_product,
    add_three_rows_of_product,
    add_weighted_triple,
    four_rows_of_product,
    four_rows_of_small_product,
    four_rows_times_product,
    multiply_states,
    product_and_totals,
)


@kernel()
def _multiply(m, at, down, right, states, x, out, pitch):
    for i in range(0, len(out), ROWS):
        four_rows_of_product(m, at + i * down, down, right, states, x, out, i, pitch)


@kernel()
def _multiply_by(m, at, down, right, states, x, out, pitch):
    for i in range(0, len(out), ROWS):
        four_rows_times_product(m, at + i * down, down, right, states, x, out, i, pitch)


@kernel()
def _multiply_small(m, at, down, right, states, x, out, pitch):
    for i in range(0, len(out), ROWS):
        four_rows_of_small_product(m, at + i * down, down, right, states, x, out, i, pitch)


@kernel()
def _add(m, at, down, right, states, x, out, pitch):
    if len(out) == 1:
        add_row_of_product(m, at, down, right, states, x, out, 0, pitch)
    else:
        add_three_rows_of_product(m, at, down, right, states, x, out, 0, pitch)


@kernel()
def _join(a, b, c, states, weight, out, totals, pitch):
    product_and_totals(a, b, states, out, totals, 1, pitch)
    add_weighted_triple(a, b, c, states, weight, totals, 2, pitch)
    multiply_states(c, states, totals, 0, pitch)


@pytest.mark.parametrize(("product", "pitch"), [(_multiply, 64), (_multiply, 32), (_multiply_small, 12)])
@pytest.mark.parametrize("transposed", [False, True])
def test_products_are_those_of_the_definition(product, pitch, transposed):
    generator = np.random.default_rng(1)
    n_rows, states, stride, offset = 8, 13, 17, 3
    flat = generator.normal(size=offset + stride * 20)
    x, out = generator.normal(size=(states, pitch)), np.full((n_rows, pitch), np.nan)
    down, right = (1, stride) if transposed else (stride, 1)
    rows, columns = np.arange(n_rows)[:, None] * down, np.arange(states) * right
    matrix = flat[offset + rows + columns]
    product(flat, offset, down, right, states, x, out, pitch)
    np.testing.assert_allclose(out, matrix @ x, rtol=1e-13, atol=1e-13)


def test_products_multiply_what_is_there():
    generator = np.random.default_rng(2)
    matrix, x, out = generator.normal(size=(4, 20)), generator.normal(size=(20, 32)), generator.normal(size=(4, 32))
    expected = out * (matrix @ x)
    _multiply_by(matrix, 0, 20, 1, 20, x, out, 32)
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n_rows", [1, 3])
def test_products_are_added_to_what_is_there(n_rows):
    generator = np.random.default_rng(3)
    matrix, x, out = generator.normal(size=(n_rows, 20)), generator.normal(size=(20, 64)), np.ones((n_rows, 64))
    _add(matrix, 0, 20, 1, 20, x, out, 64)
    np.testing.assert_allclose(out, 1.0 + matrix @ x, rtol=1e-13, atol=1e-13)


def test_products_state_by_state_and_their_sums():
    generator = np.random.default_rng(4)
    a, b, c, totals = (generator.random((n, 64)) for n in (20, 20, 20, 3))
    before, out, scaled = totals.copy(), np.full((20, 64), np.nan), c.copy()
    _join(a, b, scaled, 20, 0.3, out, totals, 64)
    np.testing.assert_array_equal(out, a * b)
    np.testing.assert_array_equal(scaled, c * before[0])
    more = [np.zeros(64), (a * b).sum(axis=0), 0.3 * (a * b * c).sum(axis=0)]
    np.testing.assert_allclose(totals, before + more, rtol=1e-13)


def test_arrays_must_be_contiguous():
    x, out = np.ones((20, 32)), np.ones((4, 32))
    with pytest.raises(TypingError, match="contiguous arrays of float64"):
        _multiply(np.ones((8, 20))[::2], 0, 20, 1, 20, x, out, 32)
