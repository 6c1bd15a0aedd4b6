"""Summaries against distributions that are known exactly."""

import numpy as np
import pytest
from scipy import stats

from tests.posterior.examples import made_up_draws
from vbpi_mix.posterior.parameter_summary import summarise_columns, summarise_parameters

GRID = np.linspace(-12, 30, 40_001)


def test_weights_turn_a_grid_into_known_distributions():
    """A grid weighted by a density is its quadrature; an exponential's shortest interval begins at 0."""
    for density, low, high in (
        (stats.norm(1.5, 2.0), 1.5 - 2 * stats.norm.ppf(0.975), 1.5 + 2 * stats.norm.ppf(0.975)),
        (stats.expon(), 0.0, -np.log(0.05)),
    ):
        weights = density.pdf(GRID)
        found = summarise_columns(("x",), GRID[:, None], weights / weights.sum()).row(0)
        assert found["mean"] == pytest.approx(density.mean(), abs=2e-3)
        assert found["sd"] == pytest.approx(density.std(), abs=2e-3)
        assert found["median"] == pytest.approx(density.median(), abs=2e-3)
        # near the best interval the width hardly depends on its place
        assert (found["hpd_low"], found["hpd_high"]) == pytest.approx((low, high), abs=5e-2)
        assert found["hpd_high"] - found["hpd_low"] == pytest.approx(high - low, abs=4e-3)


def test_equal_weights_are_worth_their_number():
    values = np.random.default_rng(1).normal(size=(500, 3))
    found = summarise_columns(("a", "b", "c"), values)
    np.testing.assert_allclose(found.effective_sample_size, 500)
    np.testing.assert_allclose(found.mean, values.mean(axis=0))
    np.testing.assert_allclose(found.sd, values.std(axis=0))


def test_the_size_says_how_much_means_vary():
    """Draws of N(0, 1.4) weighted to N(0, 1): the spread of the means is sd / sqrt(size)."""
    generator = np.random.default_rng(2)
    means, sizes = [], []
    for _ in range(2000):
        x = generator.normal(0, 1.4, 400)
        w = stats.norm.pdf(x) / stats.norm.pdf(x, scale=1.4)
        found = summarise_columns(("x",), x[:, None], w / w.sum())
        means.append(found.mean[0])
        sizes.append(found.effective_sample_size[0])
    assert np.std(means) == pytest.approx(1 / np.sqrt(np.mean(sizes)), rel=0.08)


def test_a_number_that_does_not_vary():
    weights = np.array([0.5, 0.3, 0.2])
    found = summarise_columns(("x",), np.ones((3, 1)), weights)
    assert found.row(0) == {
        "mean": 1.0, "sd": 0.0, "median": 1.0, "hpd_low": 1.0, "hpd_high": 1.0,
        "effective_sample_size": pytest.approx(1 / (weights**2).sum()),
    }  # fmt: skip


def test_tree_length_comes_first_and_weights_count():
    draws = made_up_draws(200, parameters=("kappa", "alpha"))
    found = summarise_parameters(draws)
    assert found.names == ("TL", "kappa", "alpha")
    assert found.n_model_parameters == 2
    np.testing.assert_allclose(found.mean[0], draws.weights() @ draws.branch_lengths.sum(axis=1))
    np.testing.assert_allclose(found.mean[1:], draws.weights() @ draws.parameters)
    assert list(found.to_dict()) == ["TL", "kappa", "alpha"]
    assert summarise_parameters(made_up_draws(20)).names == ("TL",)
