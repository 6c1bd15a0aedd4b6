"""Powers of two for numbers that have become small."""

import numpy as np
import pytest

from vbpi_mix.compiled import kernel
from vbpi_mix.felsenstein.scaling import rescaling


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
