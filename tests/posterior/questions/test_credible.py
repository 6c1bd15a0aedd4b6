"""Credible sets and levels, against their definitions on all topologies of six taxa."""

import numpy as np
import pytest

from tests.posterior.questions.examples import SIX, random_draws
from vbpi_mix.posterior.questions.credible import credible_level, credible_sets


def test_credible_sets_are_the_smallest_that_hold_the_level():
    draws = random_draws(1)
    for found in credible_sets(draws, draws.probability):
        ladder = np.sort(draws.probability)[::-1].cumsum()
        assert found.probability == pytest.approx(ladder[found.n_topologies - 1])
        assert found.probability >= found.level - 1e-12
        assert found.n_topologies == 1 or ladder[found.n_topologies - 2] < found.level
    single = credible_sets(draws, draws.probability, levels=[1e-9])[0]
    assert (single.n_topologies, single.n_splits, single.n_subsplits) == (1, 3, 4)


def test_a_level_is_what_ranks_higher():
    draws = random_draws(2)
    score = draws.probability
    order = np.argsort(-score)
    for rank in (0, 3, 12):
        i = order[rank]
        level = credible_level(draws, score, draws.distinct.children[i], float(score[i]))
        assert level.better == pytest.approx(score[order[:rank]].sum())
        assert level.level == pytest.approx(score[order[: rank + 1]].sum())
        assert level.drawn
    absent = next(t for t in SIX if not (draws.distinct.children == t.children).all(axis=(1, 2)).any())
    level = credible_level(draws, score, absent.children, float(score[order[3]]) * 1.0001)
    assert (level.drawn, level.equal) == (False, 0.0)
    assert level.better == pytest.approx(score[order[:3]].sum())
    assert credible_level(draws, score, absent.children, -np.inf).better == pytest.approx(1)


def test_randomised_levels_are_uniform_under_the_posterior():
    from scipy.stats import kstest

    draws = random_draws(3)
    generator = np.random.default_rng(4)
    score = draws.probability
    found = []
    for i in generator.choice(len(score), 2000, p=draws.probability):
        level = credible_level(draws, score, draws.distinct.children[i], float(score[i]))
        found.append(level.randomised(generator.random()))
    assert kstest(found, "uniform").pvalue > 1e-4
