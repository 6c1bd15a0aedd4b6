"""Answers on five taxa, where the posterior of every topology is known from importance sampling from its mode."""

import math
from functools import cache

import numpy as np
import pytest

from tests.anneal.examples import conflicting_patterns, exact_conflicting
from vbpi_mix.analysis.answers import sentence, to_dict
from vbpi_mix.analysis.certainty import certainty
from vbpi_mix.analysis.constrained import answer_from
from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.evaluate import Estimate
from vbpi_mix.evaluate.topology_evidence import laplace_log_ratio, log_topology_evidence
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.phylo import Alignment, all_topologies, collect
from vbpi_mix.phylo.constraints import clade_constraint
from vbpi_mix.seeding import torch_generator

TAXA = tuple("abcde")
EVERY = all_topologies(5)
Z = 4.7  # standard errors: one in 500,000 tests fails by chance
_EXACT = 0.004  # what is not known of the exact probabilities


@cache
def exact():
    log_ml, _ = exact_conflicting()
    return log_ml, np.exp(log_ml - np.logaddexp.reduce(log_ml))


@cache
def fitted(candidates=15, n_repeats=10):
    alignment = Alignment(taxa=TAXA, state_sets=conflicting_patterns().state_sets)
    order = np.argsort(-exact()[1])[:candidates]
    extra = {} if candidates == 15 else {"recipe": "paper", "annealing_iterations": 0}  # a support of candidates alone
    config = make_config(alignment="x", model="JC69", components=2, iterations=500, seed=2, **extra)
    run = fit_alignment(alignment, collect(TAXA, EVERY[order]), config)
    return Posterior(run, run.weighted_sample(n_particles=1000, n_repeats=n_repeats))


def test_clades_quartets_and_constraints():
    posterior, (_, p) = fitted(), exact()
    hypotheses = [clade_constraint(TAXA, [i, j]) for i in range(5) for j in range(i)]
    hypotheses += [clade_constraint(TAXA, [0, 1], [2, 4]), clade_constraint(TAXA, [0, 2], [1, 4])]
    hypotheses += parse_constraints(["not ((a,b),(c,d),e);", "((a,c),(b,d));"], TAXA).each
    for h in hypotheses:
        answer, satisfied = posterior.ask(h), h.satisfied(EVERY)
        truth = p[satisfied].sum()
        found = answer.posterior
        assert abs(found.value - truth) < Z * found.standard_error + _EXACT, h.name
        assert answer.prior == pytest.approx(satisfied.mean())
        if found.resolved:
            odds = truth / (1 - truth) / (satisfied.mean() / (1 - satisfied.mean()))
            error = Z * answer.factor.standard_error + _EXACT / (truth * (1 - truth))
            assert abs(answer.factor.log - math.log(odds)) < error
        else:
            assert found.low - _EXACT <= truth <= found.high + _EXACT
    both = posterior.ask(hypotheses[0], hypotheses[-1].negated(), name="both")
    satisfied = hypotheses[0].satisfied(EVERY) & ~hypotheses[-1].satisfied(EVERY)
    assert abs(both.posterior.value - p[satisfied].sum()) < Z * both.posterior.standard_error + _EXACT
    assert both.prior == pytest.approx(satisfied.mean())


def test_topologies_by_integrating_over_their_lengths():
    posterior, (log_ml, p) = fitted(), exact()
    for i in range(EVERY.n_trees):
        found = log_topology_evidence(posterior.run.problem, EVERY[[i]], torch_generator(3))
        if found is not None:
            assert abs(found.value - log_ml[i]) < Z * found.standard_error + 0.03
    best = int(p.argmax())
    others = np.flatnonzero(np.arange(15) != best)
    ratio = laplace_log_ratio(posterior.run.problem.model, EVERY[[best]], EVERY[others])
    assert ratio == pytest.approx(math.log(p[best] / (1 - p[best])), abs=0.4)


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
        assert abs(level.better - better) < Z * level.standard_error + _EXACT


def test_the_whole_tree():
    posterior, (_, p) = fitted(), exact()
    whole = certainty(posterior)
    assert (whole.best.topology.children == EVERY.children[p.argmax()]).all()
    assert whole.sets[1].n_topologies == pytest.approx(
        1 + int(np.searchsorted(np.cumsum(np.sort(p)[::-1]), 0.95)), abs=1
    )
    entropy = -(p * np.log(p)).sum()
    assert whole.rogues.entropy == pytest.approx(entropy, abs=0.05)  # rooted clades of five taxa hardly constrain it
    assert "given the alignment x, the model JC69" in whole.paragraph()
    assert whole.to_dict()["most_probable"]["newick"].endswith(";")


def test_words_and_numbers():
    posterior = fitted()
    answer = posterior.ask(clade_constraint(TAXA, [0, 1], name="a,b together"))
    text = sentence(answer, posterior.conditional_on)
    assert text.startswith("a,b together: posterior probability 0.")
    assert "prior probability 0.2; Bayes factor" in text
    assert to_dict(answer)["prior"] == pytest.approx(0.2)


def test_two_constrained_fits_give_the_odds():
    posterior = fitted()
    answer = posterior.ask(clade_constraint(TAXA, [0, 1]))
    found = answer_from(answer, Estimate(value=-10.0, standard_error=0.03), Estimate(value=-12.0, standard_error=0.04))
    odds = math.exp(2.0) * 0.2 / 0.8
    assert found.posterior.value == pytest.approx(odds / (1 + odds))
    assert found.factor.standard_error == pytest.approx(0.05)
