import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vbpi_mix.errors import InputError
from vbpi_mix.posterior.intervals import highest_density_interval, weighted_median

VALUES = st.lists(st.integers(0, 30).map(float), min_size=1, max_size=25)


def shortest_by_trying_all(values, weights, mass):
    best = None
    for low in values:
        for high in values:
            inside = (values >= low) & (values <= high)
            if weights[inside].sum() >= (mass - 1e-12) * weights.sum() and (
                best is None or high - low < best[1] - best[0]
            ):
                best = (low, high)
    return best


@given(VALUES)
def test_equal_weights_give_the_usual_median(values):
    assert weighted_median(np.array(values)) == pytest.approx(np.median(values))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=1, max_size=20))
def test_whole_weights_are_repetitions(pairs):
    values, copies = np.array(pairs, dtype=float).T
    if copies.sum() == 0:
        return
    repeated = np.repeat(values, copies.astype(int))
    assert weighted_median(values, copies / 7) == pytest.approx(np.median(repeated))
    assert highest_density_interval(values, copies / 7) == highest_density_interval(repeated)


@given(VALUES, st.sampled_from([0.1, 0.5, 0.95, 1.0]), st.integers(0, 10))
def test_no_shorter_interval_holds_the_mass(values, mass, seed):
    values = np.sort(values)
    weights = np.random.default_rng(seed).exponential(size=len(values))
    low, high = highest_density_interval(values, weights, mass=mass)
    best = shortest_by_trying_all(values, weights, mass)
    assert high - low == pytest.approx(best[1] - best[0])
    assert low == best[0]


def test_a_skewed_density():
    values = np.random.default_rng(1).exponential(size=200_000)
    low, high = highest_density_interval(values)
    assert low == pytest.approx(0, abs=1e-3)
    assert high == pytest.approx(-np.log(0.05), abs=0.05)


def test_importance_weights_turn_one_density_into_another():
    values = np.random.default_rng(1).uniform(0, 12, size=200_000)
    low, high = highest_density_interval(values, np.exp(-values))
    assert low == pytest.approx(0, abs=1e-3)
    assert high == pytest.approx(-np.log(0.05), abs=0.1)
    assert weighted_median(values, np.exp(-values)) == pytest.approx(np.log(2), abs=0.02)


@pytest.mark.parametrize("weights", [[0, 0, 0], [1, -1, 1], [1, np.nan, 1], [1, 1]])
def test_weights_that_are_none(weights):
    with pytest.raises(InputError):
        weighted_median(np.arange(3.0), np.array(weights, dtype=float))


def test_a_mass_that_is_none():
    with pytest.raises(InputError, match="95"):
        highest_density_interval(np.arange(3.0), mass=95)
