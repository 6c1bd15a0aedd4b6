from dataclasses import replace

import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from tests.statistics import assert_frequencies, assert_mean
from vbpi_mix.errors import InputError, NumericalError


def test_weights_are_normalised():
    draws = made_up_draws(50)
    weights = draws.weights()
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(np.log(weights / weights[0]), draws.log_weights - draws.log_weights[0], atol=1e-9)
    assert draws.effective_sample_size() == pytest.approx(1 / (weights**2).sum())


def test_systematic_counts_are_within_one_of_their_expectation():
    draws = replace(made_up_draws(40), components=np.arange(40))
    for seed in range(20):
        picked = draws.resample(1000, np.random.default_rng(seed))
        counts = np.bincount(picked.components, minlength=40)
        assert (np.abs(counts - 1000 * draws.weights()) < 1).all()
        assert counts.sum() == 1000


def test_resampling_is_unbiased():
    """Also for fewer picks than draws: each is taken n w times in expectation."""
    draws = replace(made_up_draws(30), components=np.arange(30))
    generator = np.random.default_rng(1)
    counts = [np.bincount(draws.resample(7, generator).components, minlength=30) for _ in range(3000)]
    assert_mean(np.array(counts), 7 * draws.weights())


def test_order_is_random():
    draws = replace(made_up_draws(10, equal=True), components=np.arange(10))
    generator = np.random.default_rng(2)
    first = [draws.resample(10, generator).components[0] for _ in range(5000)]
    assert_frequencies(np.bincount(first, minlength=10), np.full(10, 0.1))


def test_resampled_trees_keep_their_lengths_and_lose_their_weights():
    draws = replace(made_up_draws(25), components=np.arange(25))
    picked = draws.resample(60, np.random.default_rng(3))
    assert picked.taxa == draws.taxa
    assert not picked.log_weights.any()
    np.testing.assert_array_equal(picked.branch_lengths, draws.branch_lengths[picked.components])
    np.testing.assert_array_equal(picked.topologies.children, draws.topologies.children[picked.components])


def test_equal_seeds_give_equal_samples():
    draws = made_up_draws(25)
    a, b = (draws.resample(60, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a.branch_lengths, b.branch_lengths)


def test_weight_zero_is_never_taken():
    log_weights = np.full(40, -np.inf)
    log_weights[[3, 17]] = 0.0, -1.0
    draws = replace(made_up_draws(40), log_weights=log_weights, components=np.arange(40))
    for seed in range(50):
        assert set(draws.resample(99, np.random.default_rng(seed)).components.tolist()) <= {3, 17}


def test_smoothing_keeps_everything_but_the_tail():
    draws = made_up_draws(400)
    smoothed = draws.smoothed()
    order = np.argsort(draws.log_weights)
    np.testing.assert_allclose(np.ptp((smoothed.log_weights - draws.log_weights)[order[:300]]), 0, atol=1e-9)
    assert smoothed.weights().max() != draws.weights().max()
    assert smoothed.weights().sum() == pytest.approx(1)


@pytest.mark.parametrize("name", ["branch_lengths", "log_weights", "components"])
def test_shapes_are_checked(name):
    draws = made_up_draws(10)
    with pytest.raises(InputError, match=name):
        replace(draws, **{name: getattr(draws, name)[:-1]})


def test_taxa_are_checked():
    with pytest.raises(InputError, match="topologies"):
        replace(made_up_draws(10), taxa=("a", "b", "c", "d"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_must_be_numbers(value):
    log_weights = np.zeros(10)
    log_weights[4] = value
    with pytest.raises(NumericalError, match="draw 4"):
        replace(made_up_draws(10), log_weights=log_weights)


def test_all_weights_zero():
    with pytest.raises(NumericalError, match="every importance weight"):
        replace(made_up_draws(10), log_weights=np.full(10, -np.inf))


def test_nothing_to_resample_into():
    with pytest.raises(InputError, match="at least one"):
        made_up_draws(10).resample(0, np.random.default_rng())


def test_without_parameters_there_are_none():
    draws = made_up_draws(10)
    assert draws.parameter_names == ()
    assert draws.parameters.shape == (10, 0)
    assert draws.resample(7, np.random.default_rng(1)).parameters.shape == (7, 0)


def test_parameters_stay_with_their_trees():
    draws = replace(made_up_draws(30, parameters=("kappa", "alpha")), components=np.arange(30))
    picked = draws.resample(100, np.random.default_rng(3))
    assert picked.parameter_names == draws.smoothed().parameter_names == ("kappa", "alpha")
    np.testing.assert_array_equal(picked.parameters, draws.parameters[picked.components])
    np.testing.assert_array_equal(draws.smoothed().parameters, draws.parameters)


@pytest.mark.parametrize("wrong", [{"parameters": np.zeros((9, 2))}, {"parameter_names": ("kappa",)}])
def test_parameters_have_a_row_for_each_tree_and_a_name_for_each_column(wrong):
    with pytest.raises(InputError, match="parameters"):
        replace(made_up_draws(10, parameters=("kappa", "alpha")), **wrong)
