import numpy as np
import pytest

from vbpi_mix.evaluate.diagnostics.parameters import (
    ModeCoverage,
    mode_diagnostic,
    parameter_agreement,
    parameter_diagnostic,
)


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


@pytest.mark.parametrize(
    ("shares", "log_ratios", "share", "level", "text"),
    [
        ([1.0], [0.0], 0.0, "good", "1 mode found"),
        ([0.6, 0.4], [-3.0, 2.0], 0.0, "good", "2 modes found"),
        ([0.995, 0.005], [0.0, -50.0], 0.005, "good", "lacks one with 0.5% of the posterior (alpha 2, pinvar 0.8)"),
        ([0.97, 0.03], [0.0, -50.0], 0.03, "fair", "lacks one with 3.0% of the posterior (alpha 2, pinvar 0.8)"),
        ([0.3, 0.7], [-50.0, 0.0], 0.3, "poor", "lacks one with 30.0% of the posterior (alpha 0.123, pinvar 0.1)"),
    ],
)
def test_modes_that_the_mixture_lacks(shares, log_ratios, share, level, text):
    coverage = ModeCoverage(
        names=("kappa", "alpha", "pinvar"),
        values=np.array([[2.0, 0.1234, 0.1], [3.0, 2.0, 0.8]])[: len(shares)],
        shares=np.array(shares),
        log_ratios=np.array(log_ratios),
    )
    found = mode_diagnostic(coverage)
    assert found.value == pytest.approx(share)
    assert found.level == level
    assert text in found.text
