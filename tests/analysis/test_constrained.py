"""Odds of two constrained fits."""

import math

import pytest

from tests.analysis.five_taxa import TAXA, fitted
from vbpi_mix.analysis.constrained import answer_from
from vbpi_mix.evaluate import Estimate
from vbpi_mix.phylo.constraints import clade_constraint


def test_two_constrained_fits_give_the_odds():
    posterior = fitted()
    answer = posterior.ask(clade_constraint(TAXA, [0, 1]))
    found = answer_from(answer, Estimate(value=-10.0, standard_error=0.03), Estimate(value=-12.0, standard_error=0.04))
    odds = math.exp(2.0) * 0.2 / 0.8
    assert found.posterior.value == pytest.approx(odds / (1 + odds))
    assert found.factor.standard_error == pytest.approx(0.05)
