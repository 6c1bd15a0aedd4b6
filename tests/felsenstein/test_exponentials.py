import numpy as np
import pytest

from vbpi_mix.felsenstein.exponentials import divided_differences


def test_divided_differences():
    values = np.array([-900.0, -1.0, -1.0 + 1e-10, 0.0])
    times = np.array([[0.0, 0.5, 1e4]])
    ours = divided_differences(values, times)
    exponentials = np.exp(times[..., None] * values)
    assert ours.shape == (1, 3, 4, 4)
    for k in range(4):
        for other in range(4):
            gap = values[k] - values[other]
            if abs(gap) < 1e-6:
                expected = times * exponentials[..., k]
            else:
                expected = (exponentials[..., k] - exponentials[..., other]) / gap
            assert ours[..., k, other] == pytest.approx(expected, rel=1e-8, abs=1e-300)
