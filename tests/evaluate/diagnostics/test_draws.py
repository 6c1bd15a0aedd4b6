import json

import numpy as np
import pytest

from vbpi_mix.evaluate import evaluate_log_weights
from vbpi_mix.evaluate.diagnostics.agreement import agreement_diagnostics
from vbpi_mix.evaluate.diagnostics.components import ComponentDiversity
from vbpi_mix.evaluate.diagnostics.diagnostic import worst
from vbpi_mix.evaluate.diagnostics.draws import topology_diagnostics, weight_diagnostics
from vbpi_mix.evaluate.diagnostics.mixture import (
    component_diagnostics,
    growth_diagnostic,
    neighbour_diagnostic,
    training_diagnostic,
)
from vbpi_mix.evaluate.diagnostics.neighbours import NeighbourMass
from vbpi_mix.evaluate.distances.splits import SplitTable, split_agreement
from vbpi_mix.phylo import clades


def by_key(diagnostics):
    return {d.key: d for d in diagnostics}


def test_good_and_bad_weights():
    generator = np.random.default_rng(1)
    good = by_key(weight_diagnostics(evaluate_log_weights(generator.normal(-100, 0.3, (10, 2, 200)))))
    assert worst(good.values()) == "good"
    assert good["log_ml"].value == pytest.approx(-100 + 0.045, abs=0.05)
    assert good["elbo_gap"].value == pytest.approx(0.045, abs=0.02)
    heavy = by_key(weight_diagnostics(evaluate_log_weights(generator.normal(-100, 5, (10, 2, 200)))))
    assert heavy["pareto_k"].level == heavy["log_ml"].level == heavy["ess"].level == heavy["elbo_gap"].level == "poor"
    for d in heavy.values():
        assert d.definition
        json.dumps(d.to_dict(), allow_nan=False)


def test_flat_and_concentrated_topologies():
    few = by_key(topology_diagnostics(np.array([0.9, 0.1]), np.array([900, 100]), 1000))
    assert "concentrated" in few["topology_entropy"].verdict
    assert few["topology_entropy"].value == pytest.approx(-0.9 * np.log(0.9) - 0.1 * np.log(0.1))
    assert few["unseen_topologies"].level == "good"
    flat = by_key(topology_diagnostics(np.full(1000, 1e-3), np.ones(1000), 1000))
    assert "flat" in flat["topology_entropy"].verdict
    assert flat["unseen_topologies"].value == pytest.approx(1)
    assert flat["unseen_topologies"].level == "poor"


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


def test_agreement():
    def table(p):
        words = np.array([clades.from_taxa([1, 2], 5)])
        return SplitTable(taxa=tuple("abcde"), clades=words, frequency=np.array([p]))

    near = by_key(agreement_diagnostics(split_agreement([table(0.9), table(0.901)]), 0.01, [(-5, 0.01), (-5.01, 0.01)]))
    assert worst(near.values()) == "good"
    far = by_key(agreement_diagnostics(split_agreement([table(0.9), table(0.2)]), 0.7, [(-5, 0.01), (-6.0, 0.01)]))
    assert far["asdsf"].level == far["max_split_difference"].level == far["log_ml_spread"].level == "poor"
    assert far["log_ml_spread"].value == pytest.approx(1)
