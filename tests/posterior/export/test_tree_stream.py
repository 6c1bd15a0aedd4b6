import numpy as np
import pytest

from tests.posterior.examples import made_up_draws, made_up_stream
from vbpi_mix.errors import InputError
from vbpi_mix.posterior.export.tree_stream import stream_draws


def test_chunks_follow_each_other():
    draws, stream = made_up_draws(400), made_up_stream(400, chunk_size=150)
    for _ in range(2):  # from the beginning each time
        chunks = list(stream.read())
        assert [chunk.first for chunk in chunks] == [0, 150, 300]
        np.testing.assert_array_equal(np.concatenate([c.branch_lengths for c in chunks]), draws.branch_lengths)
        weights = np.concatenate([c.weights for c in chunks]) / stream.total_weight
        np.testing.assert_allclose(weights, draws.weights())


def test_how_the_trees_came_about():
    weighted, equal = made_up_stream(400), made_up_stream(400, equal=True)
    assert weighted.weighted
    assert not equal.weighted
    assert f"effective sample size {weighted.effective_sample_size:,.1f}" in weighted.describe()[0]
    assert "400 equally weighted" in equal.describe()[0]
    assert equal.error_factor == 1


def test_scores_of_other_trees():
    with pytest.raises(InputError, match="400 trees"):
        stream_draws(made_up_draws(400), np.zeros(3), np.zeros(3))


def test_parameters_go_along():
    draws = made_up_draws(400, parameters=("kappa", "alpha"))
    stream = stream_draws(draws, np.zeros(400), np.zeros(400), chunk_size=150)
    assert stream.parameter_names == ("kappa", "alpha")
    np.testing.assert_array_equal(np.concatenate([c.parameters for c in stream.read()]), draws.parameters)
    np.testing.assert_array_equal(stream.take(np.array([7, 3])).parameters, draws.parameters[[7, 3]])
