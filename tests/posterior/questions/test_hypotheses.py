"""Probabilities of hypotheses and their errors, against sampling from known distributions."""

import math

import numpy as np
import pytest

from tests.phylo.test_constraint_counts import clade, constraint, names
from vbpi_mix.phylo import all_topologies
from vbpi_mix.phylo.constraints import Constraints
from vbpi_mix.posterior.questions.hypotheses import (
    Probability,
    TopologyDraws,
    bayes_factor,
    complement,
    prior_probability,
    probability_of,
)

N = 5
EVERY = all_topologies(N)


def draws_of(position, weights=None, groups=None, size=None):
    n = len(position)
    w = np.full(n, 1.0 / n) if weights is None else weights / weights.sum()
    return TopologyDraws(
        taxa=names(N),
        topologies=EVERY[position],
        weights=w,
        effective_size=size or 1.0 / float((w**2).sum()),
        groups=groups,
    )


@pytest.mark.parametrize("p", [0.5, 0.9, 0.05])
def test_intervals_hold_the_truth_as_often_as_they_say(p):
    """400 samples: a coverage of 95% is below 91.5% or above 98.5% less than once in 1,000 times."""
    generator = np.random.default_rng(1)
    held = []
    for _ in range(400):
        inside = generator.random(1500) < p
        w = generator.exponential(size=1500)
        found = probability_of(draws_of(np.zeros(1500, dtype=int), w), inside)
        assert found.resolved
        held.append(found.low <= p <= found.high)
    assert 0.915 < np.mean(held) < 0.985


def test_bounds_hold_the_truth_as_often_as_they_say():
    """Three of 1,000 on average: too few to be more than bounded, and the bound holds in 95% of cases at least."""
    generator = np.random.default_rng(2)
    held = []
    for _ in range(400):
        found = probability_of(draws_of(np.zeros(1000, dtype=int)), generator.random(1000) < 0.003)
        assert found.resolved == (found.value > 0.0095)
        held.append(found.high >= 0.003)
    assert np.mean(held) > 0.93


def test_what_no_draw_has_is_bounded_by_the_effective_size():
    draws = draws_of(np.zeros(1000, dtype=int))
    never = probability_of(draws, np.zeros(1000, dtype=bool))
    assert (never.value, never.low) == (0, 0)
    assert never.high == pytest.approx(1 - 0.05 ** (1 / 1001), rel=0.01)
    always = probability_of(draws, np.ones(1000, dtype=bool))
    assert (always.value, always.high) == (1, 1)
    assert always.low == pytest.approx(0.05 ** (1 / 1001), rel=1e-5)


def test_chains_that_disagree_have_a_larger_error():
    position = np.zeros(800, dtype=int)
    chains = np.repeat(np.arange(8), 100)
    inside = np.isin(chains, [0, 1, 2, 3])
    apart = probability_of(draws_of(position, groups=chains, size=800), inside)
    assert apart.standard_error == pytest.approx(math.sqrt(0.25 / 7))
    mixed = probability_of(draws_of(position, groups=np.arange(800) % 8, size=800), inside)
    assert mixed.standard_error == pytest.approx(math.sqrt(0.25 / 800))


def test_prior_probabilities_are_shares_of_topologies():
    pair = constraint(N, clade(N, 1, 2))
    assert prior_probability([pair]) == (pytest.approx(3 / 15), 0.0)
    assert prior_probability([pair.negated()])[0] == pytest.approx(12 / 15)
    given = Constraints(taxa=names(N), each=(constraint(N, clade(N, 3, 4)),))
    assert prior_probability([pair], given)[0] == pytest.approx(1 / 3)


def test_bayes_factors_are_ratios_of_odds():
    found = bayes_factor(Probability(value=0.8, standard_error=0.01, low=0.78, high=0.82), 0.2)
    assert found.log == pytest.approx(math.log(16))
    assert found.standard_error == pytest.approx(0.01 / 0.16)
    assert found.low == pytest.approx(math.log(0.78 / 0.22 * 4))
    assert found.in_words == "positive evidence for it"
    against = bayes_factor(complement(Probability(value=0.8, standard_error=0.01, low=0.78, high=0.82)), 0.8)
    assert against.log == pytest.approx(-math.log(16))
    assert against.in_words == "positive evidence against it"
    bounded = bayes_factor(Probability(value=0, standard_error=0, low=0, high=1e-4, resolved=False), 0.2)
    assert (bounded.low, bounded.standard_error) == (-math.inf, math.inf)
    assert bounded.high == pytest.approx(math.log(1e-4 / (1 - 1e-4) * 4))
    assert bounded.in_words == "very strong evidence against it"
    assert math.isnan(bayes_factor(complement(bounded_probability()), 1.0).log)


def bounded_probability():
    return Probability(value=0, standard_error=0, low=0, high=1e-4, resolved=False)
