import numpy as np

from vbpi_mix.analysis.verdict import verdict
from vbpi_mix.evaluate.diagnostics.mixture import growth_diagnostic
from vbpi_mix.evaluate.diagnostics.parameters import parameter_diagnostic
from vbpi_mix.evaluate.diagnostics.thresholds import LEFT_BY_THE_SEARCH, WARNED_MISSING
from vbpi_mix.start import GrowthSettings

NAMES = [f"x{i}" for i in range(21)] + ["alpha{pos2}"]


def test_one_poorly_determined_parameter_is_named_and_condemns_nothing():
    found = parameter_diagnostic(NAMES, np.array([5000.0] * 21 + [50.0]))
    assert found.level == "fair"
    assert "alpha{pos2}" in found.verdict
    assert verdict([found]).startswith("The fit can be used; less than perfect: parameters of the model")
    assert "alpha{pos2}" in verdict([found])


def test_many_poorly_determined_parameters_do_condemn():
    found = parameter_diagnostic(NAMES, np.full(22, 50.0))
    assert found.level == "poor"
    assert verdict([found]) == "Do not rely on this fit before you have looked at: parameters of the model."


def test_missing_mass_has_one_row_of_thresholds():
    assert GrowthSettings().missing == LEFT_BY_THE_SEARCH.good
    assert LEFT_BY_THE_SEARCH.fair == WARNED_MISSING
    assert growth_diagnostic(0.005).level == "good"
    assert growth_diagnostic(0.06).level == "poor"
    assert growth_diagnostic(0.4, well_sampled=True).level == "fair"
    assert growth_diagnostic(0.0, complete=False).level == "fair"
    assert growth_diagnostic(float("nan"), complete=False).level == "poor"
