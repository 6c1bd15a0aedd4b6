import numpy as np
import pytest

from tests.evaluate.diagnostics.test_draws import by_key
from vbpi_mix.evaluate.diagnostics.components import ComponentDiversity
from vbpi_mix.evaluate.diagnostics.mixture import (
    component_diagnostics,
    growth_diagnostic,
    neighbour_diagnostic,
    training_diagnostic,
)
from vbpi_mix.evaluate.diagnostics.neighbours import NeighbourMass


def test_components_that_died():
    diversity = ComponentDiversity(divergence=0.5, standard_error=0.01, effective_number=1.65)
    alive = by_key(component_diagnostics(np.array([0.3, 0.7]), diversity))
    assert alive["components_died"].level == "good"
    dead = by_key(component_diagnostics(np.array([0.001, 0.5, 0.499]), diversity))["components_died"]
    assert (dead.value, dead.level) == (1, "fair")
    assert "component 1 died" in dead.verdict
    assert component_diagnostics(np.ones(1), diversity) == []


def test_support():
    assert [growth_diagnostic(x).level for x in (0.001, 0.05, 0.5, np.nan)] == ["good", "fair", "poor", "poor"]
    found = NeighbourMass(mass=0.2, n_outside=7, n_centres=3, centre_mass=0.96)
    diagnostic = neighbour_diagnostic(found)
    assert diagnostic.level == "poor"
    assert "7 topologies" in diagnostic.definition


@pytest.mark.parametrize(("slope", "level"), [(0.0, "good"), (0.001, "fair"), (0.02, "poor"), (-0.02, "good")])
def test_training_that_has_settled_or_not(slope, level):
    iterations = np.arange(1, 201) * 100
    bounds = -100 + slope * np.arange(200) * 2 + np.random.default_rng(1).normal(0, 1e-4, 200)
    assert training_diagnostic(iterations, bounds).level == level
    assert training_diagnostic(iterations[:9], bounds[:9]) is None
