"""Answers on five taxa, where the posterior of every topology is known from importance sampling from its mode."""

import math

import numpy as np
import pytest

from tests.analysis.five_taxa import EVERY, NOT_KNOWN, TAXA, Z, exact, fitted
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.phylo.constraints import clade_constraint


def test_clades_quartets_and_constraints():
    posterior, (_, p) = fitted(), exact()
    hypotheses = [clade_constraint(TAXA, [i, j]) for i in range(5) for j in range(i)]
    hypotheses += [clade_constraint(TAXA, [0, 1], [2, 4]), clade_constraint(TAXA, [0, 2], [1, 4])]
    hypotheses += parse_constraints(["not ((a,b),(c,d),e);", "((a,c),(b,d));"], TAXA).each
    for h in hypotheses:
        answer, satisfied = posterior.ask(h), h.satisfied(EVERY)
        truth = p[satisfied].sum()
        found = answer.posterior
        assert abs(found.value - truth) < Z * found.standard_error + NOT_KNOWN, h.name
        assert answer.prior == pytest.approx(satisfied.mean())
        if found.resolved:
            odds = truth / (1 - truth) / (satisfied.mean() / (1 - satisfied.mean()))
            error = Z * answer.factor.standard_error + NOT_KNOWN / (truth * (1 - truth))
            assert abs(answer.factor.log - math.log(odds)) < error
        else:
            assert found.low - NOT_KNOWN <= truth <= found.high + NOT_KNOWN
    both = posterior.ask(hypotheses[0], hypotheses[-1].negated(), name="both")
    satisfied = hypotheses[0].satisfied(EVERY) & ~hypotheses[-1].satisfied(EVERY)
    assert abs(both.posterior.value - p[satisfied].sum()) < Z * both.posterior.standard_error + NOT_KNOWN
    assert both.prior == pytest.approx(satisfied.mean())


def test_trees_that_are_never_drawn():
    """Of a support of the three best topologies: the others have a probability all the same."""
    posterior, (_, p) = fitted(candidates=3, n_repeats=1), exact()
    inside = np.isfinite(posterior.score(EVERY))
    assert not inside.all()
    drawn_mass = p[inside].sum()
    for i in np.flatnonzero(~inside):
        answer = posterior.ask_topology(EVERY[[int(i)]], name="it")
        assert answer.posterior.method == "Laplace"
        assert abs(math.log(answer.posterior.value) - math.log(p[i] / drawn_mass)) < 0.5
        assert answer.level is not None
        assert not answer.level.drawn
        assert answer.level.level == pytest.approx(1)
        assert answer.prior == pytest.approx(1 / 15)


def test_credible_levels_are_those_of_the_exact_posterior():
    posterior, (_, p) = fitted(), exact()
    score = posterior.score(EVERY)
    for i in range(15):
        level = posterior.level(EVERY[[i]])
        better = p[score > score[i]].sum()
        assert abs(level.better - better) < Z * level.standard_error + NOT_KNOWN
