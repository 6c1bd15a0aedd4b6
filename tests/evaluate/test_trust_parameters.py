import numpy as np
import pytest

from vbpi_mix.evaluate.trust_parameters import parameter_agreement, parameter_diagnostic


@pytest.mark.parametrize(("size", "level"), [(1500, "good"), (400, "fair"), (50, "poor")])
def test_the_least_determined_parameter_is_judged(size, level):
    found = parameter_diagnostic(("TL", "kappa", "alpha"), np.array([9000.0, size, 8000.0]))
    assert (found.value, found.level) == (size, level)
    assert "kappa" in found.text
    assert f"{size**-0.5:.{3 if level == 'good' else 2}f}" in found.verdict


@pytest.mark.parametrize(("shift", "level"), [(0.05, "good"), (0.2, "fair"), (1.0, "poor")])
def test_means_are_compared_in_standard_deviations(shift, level):
    deviations = np.array([[1.0, 3.0], [1.0, 5.0], [1.0, 4.0]])
    root = np.sqrt((9 + 25 + 16) / 3)
    means = np.array([[2.0, 10.0], [2.0, 10.0 - shift * root], [2.01, 10.0]])
    found = parameter_agreement(("TL", "alpha"), means, deviations)
    assert found.value == pytest.approx(shift)
    assert found.level == level
    assert "alpha" in found.text


def test_a_constant_does_not_disagree():
    assert parameter_agreement(("x",), np.ones((2, 1)), np.zeros((2, 1))).value == 0
