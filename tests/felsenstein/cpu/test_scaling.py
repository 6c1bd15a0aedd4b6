"""Powers of two for numbers that have become small."""

import numpy as np
import pytest

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.cpu.scaling import rescaling, scaled_next


@kernel()
def _rescale(value: float) -> tuple[float, float]:
    return rescaling(value)


@pytest.mark.parametrize("exponent", [0, 1, 127, 128, 129, 255, 256, 257, 300, 400, 511, 512, 513, 640, 900, 1022])
def test_small_numbers_come_back_above_the_step(exponent):
    value = 2.0**-exponent
    factor, steps = _rescale(value)
    assert factor == 2.0 ** (128 * steps)
    assert 2.0**-128 <= value * factor <= 1.0
    if exponent < 128:
        assert factor == 1.0


def test_zero_stays_finite():
    factor, steps = _rescale(0.0)
    assert np.isfinite(factor)
    assert steps == 7


@pytest.mark.parametrize("exponent", [0, 1, 31, 32, 33, 63, 64, 65, 96, 97, 117, 118])
def test_small_float32_numbers_come_back_above_their_step(exponent):
    value = np.float32(2.0**-exponent)
    factor, steps = _rescale(value)
    assert factor == 2.0 ** (128 * steps)
    assert 2.0**-32 <= value * factor <= 1.0
    if exponent < 32:
        assert factor == 1.0


def test_float32_numbers_without_digits_become_nan():
    assert np.isnan(_rescale(np.float32(2.0**-119))[0])
    assert np.isnan(_rescale(np.float32(2.0**-140))[0])
    assert np.isfinite(_rescale(np.float32(0.0))[0])


@pytest.mark.parametrize(("dtype", "few", "many"), [(np.float64, 5.0, 6.0), (np.float32, 0.25, 0.5)])
def test_the_next_block_starts_scaled_after_many_steps(dtype, few, many):
    steps = np.array([0.0, few, 0.0], dtype=dtype)
    assert not scaled_next(steps)
    steps[2] = many
    assert scaled_next(steps)


@pytest.mark.parametrize("value", [1.0, 2.0**-300, 0.0])
def test_plain_python_gives_the_same(value):
    assert rescaling(value) == _rescale(value)
