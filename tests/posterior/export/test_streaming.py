"""Trees drawn twice with the same random numbers: the second time those that the weights of the first have chosen."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import fitted_example
from tests.statistics import assert_frequencies
from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.evaluate.estimates import effective_sample_size
from vbpi_mix.posterior.export import streaming
from vbpi_mix.posterior.export.streaming import stream_resampled, stream_weighted
from vbpi_mix.posterior.export.topology_ranking import rank_topologies
from vbpi_mix.posterior.sampling import draw_trees
from vbpi_mix.seeding import torch_generator


def gathered(stream):
    chunks = list(stream.read())
    names = ("branch_lengths", "log_likelihood", "log_prior", "weights", "components")
    columns = {name: np.concatenate([getattr(chunk, name) for chunk in chunks]) for name in names}
    return columns | {"children": np.concatenate([chunk.topologies.children for chunk in chunks])}


@pytest.fixture(scope="module")
def run():
    return fitted_example()


def draw(make, run, n_trees, folder, **options):
    options = {"seed": 5, "stream": 3, "folder": folder} | options
    return make(run.problem, run.inputs.taxa, n_trees, **options)


def all_draws(run, n_draws, seed=5):
    """The draws that the streams are made of, without streaming."""
    return draw_trees(
        run.problem, run.inputs.taxa, n_particles=n_draws // 2, n_repeats=1, generator=torch_generator(seed, stream=3)
    )


@pytest.mark.parametrize("n_trees", [1, 7, 1000, 2500])
def test_each_draw_is_taken_as_often_as_its_weight_says(run, tmp_path, n_trees):
    stream = draw(stream_resampled, run, n_trees, tmp_path, oversampling=2)
    columns = gathered(stream)
    assert stream.n_trees == n_trees == len(columns["weights"])
    assert stream.total_weight == n_trees
    assert set(columns["weights"].tolist()) == {1.0}
    drawn = all_draws(run, stream.n_draws)
    assert stream.effective_sample_size == pytest.approx(drawn.effective_sample_size())
    row = {lengths.tobytes(): i for i, lengths in enumerate(drawn.branch_lengths)}
    copies = np.bincount([row[x.tobytes()] for x in columns["branch_lengths"]], minlength=drawn.n_trees)
    expected = n_trees * drawn.weights()
    assert (copies >= np.floor(expected - 1e-9)).all()
    assert (copies <= np.ceil(expected + 1e-9)).all()
    position = [row[x.tobytes()] for x in columns["branch_lengths"]]
    np.testing.assert_array_equal(columns["children"], drawn.topologies.children[position])
    np.testing.assert_array_equal(columns["components"], drawn.components[position])


def test_scores_are_those_of_the_model(run, tmp_path):
    for stream in (draw(stream_resampled, run, 300, tmp_path), draw(stream_weighted, run, 300, tmp_path)):
        for chunk in stream.read():
            lengths = torch.from_numpy(np.array(chunk.branch_lengths))
            likelihood = run.problem.model.log_likelihood(lengths, chunk.topologies).numpy()
            np.testing.assert_allclose(chunk.log_likelihood, likelihood, rtol=1e-12)
            np.testing.assert_allclose(chunk.log_prior, run.problem.model.log_prior(lengths).numpy(), rtol=1e-12)


def test_weighted_trees_are_the_draws_with_their_weights(run, tmp_path):
    stream = draw(stream_weighted, run, 2999, tmp_path)
    drawn, columns = all_draws(run, 3000), gathered(stream)
    assert stream.n_trees == stream.n_draws == 3000  # the same number from both components
    order, theirs = np.argsort(columns["branch_lengths"][:, 0]), np.argsort(drawn.branch_lengths[:, 0])
    weights = columns["weights"] / stream.total_weight
    np.testing.assert_allclose(weights[order], drawn.weights()[theirs])
    assert stream.effective_sample_size == pytest.approx(effective_sample_size(drawn.log_weights))
    assert weights.sum() == pytest.approx(1)


def test_streams_of_a_weighted_mixture_are_its_draws_with_their_weights(run, tmp_path):
    mixture = run.problem.mixture
    mixture.set_component_weights(np.array([0.8, 0.2]))
    try:
        weighted, drawn = draw(stream_weighted, run, 2000, tmp_path), all_draws(run, 2000)
        resampled = gathered(draw(stream_resampled, run, 500, tmp_path, oversampling=4))
    finally:
        mixture.set_component_weights(None)
    columns = gathered(weighted)
    order, theirs = np.argsort(columns["branch_lengths"][:, 0]), np.argsort(drawn.branch_lengths[:, 0])
    np.testing.assert_allclose((columns["weights"] / weighted.total_weight)[order], drawn.weights()[theirs])
    row = {lengths.tobytes(): i for i, lengths in enumerate(drawn.branch_lengths)}
    copies = np.bincount([row[x.tobytes()] for x in resampled["branch_lengths"]], minlength=2000)
    assert (np.abs(copies - 500 * drawn.weights()) < 1 + 1e-9).all()
    assert np.bincount(columns["components"]).tolist() == [1600, 400]
    assert weighted.effective_sample_size == pytest.approx(drawn.effective_sample_size())


def test_equal_seeds_give_equal_trees_and_others_do_not(run, tmp_path):
    for make in (stream_resampled, stream_weighted):
        first, again = (gathered(draw(make, run, 500, tmp_path)) for _ in range(2))
        other = gathered(draw(make, run, 500, tmp_path, seed=6))
        for name, values in first.items():
            np.testing.assert_array_equal(values, again[name])
        assert not np.array_equal(first["branch_lengths"], other["branch_lengths"])


def test_resampled_topologies_follow_the_posterior(run, tmp_path):
    stream = draw(stream_resampled, run, 4000, tmp_path, oversampling=40)
    ranking = rank_topologies(stream)
    drawn = all_draws(run, 400_000, seed=77)
    expected = np.zeros(ranking.n_topologies + 1)
    np.add.at(expected, ranking.ranks(drawn.topologies), drawn.weights())
    counts = np.append(0, ranking.probability * 4000)
    assert_frequencies(np.round(counts[1:]), expected[1:] / expected[1:].sum())


def test_the_order_is_random(run, tmp_path):
    components = gathered(draw(stream_resampled, run, 2000, tmp_path))["components"]
    changes = (np.diff(components) != 0).sum()
    share = components.mean()
    assert changes == pytest.approx(2000 * 2 * share * (1 - share), abs=6 * np.sqrt(2000) / 2)


def test_one_draw_with_all_the_weight_is_written_in_pieces(run, tmp_path, monkeypatch):
    def one_heavy(problem, trees, allocation):
        likelihood, prior, weights = original(problem, trees, allocation)
        weights = np.full_like(weights, -np.inf)
        weights[3] = 0.0
        return likelihood, prior, weights

    original = streaming._scores
    monkeypatch.setattr(streaming, "_scores", one_heavy)
    stream = draw(stream_resampled, run, 1000, tmp_path, oversampling=1, block_size=64)
    columns = gathered(stream)
    assert stream.n_trees == 1000
    assert len(np.unique(columns["branch_lengths"], axis=0)) == 1
    assert stream.effective_sample_size == pytest.approx(1)
    assert stream.error_factor == pytest.approx(np.sqrt(1000))


def test_weights_that_cannot_be_used(run, tmp_path, monkeypatch):
    def scores(value):
        return lambda _, trees, __: (None, None, np.full(len(trees.component_of_tree), value))

    for value, message in ((np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "every importance weight is zero")):
        monkeypatch.setattr(streaming, "_scores", scores(value))
        with pytest.raises(NumericalError, match=message):
            draw(stream_resampled, run, 10, tmp_path)


def test_draws_that_change_between_the_passes_are_noticed(run, tmp_path, monkeypatch):
    marks = iter(range(1000))
    monkeypatch.setattr(streaming, "_mark", lambda _: next(marks))
    with pytest.raises(NumericalError, match="second time"):
        draw(stream_resampled, run, 10, tmp_path)


def test_progress_counts_both_passes(run, tmp_path):
    seen = []
    draw(stream_resampled, run, 300, tmp_path, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] == 12_000
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_no_trees(run, tmp_path):
    for make in (stream_resampled, stream_weighted):
        with pytest.raises(InputError, match="0 trees"):
            draw(make, run, 0, tmp_path)


@pytest.fixture(scope="module")
def inferring():
    """A run whose model has parameters."""
    return fitted_example(model="HKY+G4")


@pytest.mark.parametrize("make", [stream_resampled, stream_weighted])
def test_scores_are_those_of_the_model_under_each_tree_s_parameters(inferring, tmp_path, make):
    model = inferring.problem.model
    stream = draw(make, inferring, 200, tmp_path)
    assert stream.parameter_names == model.parameters.names == ("kappa", "pi(A)", "pi(C)", "pi(G)", "pi(T)", "alpha")
    for chunk in stream.read():
        lengths, at = (torch.from_numpy(np.array(x)) for x in (chunk.branch_lengths, chunk.coordinates))
        np.testing.assert_allclose(chunk.parameters, model.parameters.values(at).numpy(), rtol=1e-12)
        np.testing.assert_allclose(chunk.log_likelihood, model.log_likelihood(lengths, chunk.topologies, at).numpy())
        np.testing.assert_allclose(chunk.log_prior, model.log_prior(lengths, at).numpy())
        assert np.ptp(chunk.parameters, axis=0).min() > 0


def test_parameters_of_streams_are_those_drawn_with_their_trees(inferring, tmp_path):
    drawn = all_draws(inferring, 2000)
    assert drawn.parameters.shape == (2000, 6)
    row = {lengths.tobytes(): i for i, lengths in enumerate(drawn.branch_lengths)}
    for make, options in ((stream_weighted, {}), (stream_resampled, {"oversampling": 4})):
        stream = draw(make, inferring, 2000 if not options else 500, tmp_path, **options)
        chunk = stream.take(np.arange(stream.n_trees))
        position = [row[x.tobytes()] for x in chunk.branch_lengths]
        np.testing.assert_array_equal(chunk.parameters, drawn.parameters[position])


def test_models_without_parameters_have_none(run, tmp_path):
    stream = draw(stream_resampled, run, 10, tmp_path)
    assert stream.parameter_names == ()
    assert stream.take(np.arange(10)).parameters.shape == (10, 0)
