import numpy as np
import pytest
from numba.core.errors import TypingError

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.wide_products import (
    ROWS,
    four_rows_of_product,
    four_rows_of_small_product,
    four_rows_times_product,
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


@pytest.mark.parametrize(("product", "pitch"), [(_multiply, 64), (_multiply, 8), (_multiply_small, 12)])
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
    matrix, x, out = generator.normal(size=(4, 20)), generator.normal(size=(20, 16)), generator.normal(size=(4, 16))
    expected = out * (matrix @ x)
    _multiply_by(matrix, 0, 20, 1, 20, x, out, 16)
    np.testing.assert_allclose(out, expected, rtol=1e-13, atol=1e-13)


def test_arrays_must_be_contiguous():
    x, out = np.ones((20, 16)), np.ones((4, 16))
    with pytest.raises(TypingError, match="contiguous arrays of float64"):
        _multiply(np.ones((8, 20))[::2], 0, 20, 1, 20, x, out, 16)
