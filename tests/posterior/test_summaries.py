from dataclasses import replace

import numpy as np
import pytest

from tests.posterior.examples import made_up_draws
from vbpi_mix.phylo import TreeSample, collect
from vbpi_mix.phylo.distances import split_frequencies
from vbpi_mix.posterior.summaries import frequency_error, summarise_splits, summarise_topologies


@pytest.mark.parametrize("n_taxa", [3, 4, 12, 70, 130])
def test_split_frequencies_against_the_distances_module(n_taxa):
    draws = made_up_draws(60, n_taxa)
    splits = summarise_splits(draws)
    expected = split_frequencies(draws.topologies, draws.weights())
    assert splits.n_splits == len(expected)
    for words, frequency in zip(splits.clades, splits.frequency, strict=True):
        assert frequency == pytest.approx(expected[words.tobytes()])
    assert (np.diff(splits.frequency) <= 0).all()


def test_lengths_and_errors_split_by_split():
    """Recomputed from the definitions, one split at a time."""
    draws = made_up_draws(120, 7)
    splits, weights = summarise_splits(draws), draws.weights()
    clades = draws.topologies.clades()
    for i in range(splits.n_splits):
        same = (clades == splits.clades[i]).all(axis=2)
        same[:, :7] = False
        present = same.any(axis=1)
        lengths = draws.branch_lengths[same]
        frequency = weights[present].sum()
        mean = np.average(lengths, weights=weights[present])
        assert splits.frequency[i] == pytest.approx(frequency)
        assert splits.standard_error[i] == pytest.approx(np.sqrt((weights**2 * (present - frequency) ** 2).sum()))
        assert splits.mean_length[i] == pytest.approx(mean)
        assert splits.length_sd[i] == pytest.approx(
            np.sqrt(np.average((lengths - mean) ** 2, weights=weights[present]))
        )
    for taxon in range(7):
        lengths = draws.branch_lengths[:, taxon]
        mean = np.average(lengths, weights=weights)
        assert splits.pendant_mean_length[taxon] == pytest.approx(mean)
        assert splits.pendant_length_sd[taxon] == pytest.approx(
            np.sqrt(np.average((lengths - mean) ** 2, weights=weights))
        )


def test_standard_error_of_equal_weights_is_binomial():
    draws = made_up_draws(200, 6, equal=True)
    splits, topologies = summarise_splits(draws), summarise_topologies(draws)
    for table in ((splits.frequency, splits.standard_error), (topologies.probability, topologies.standard_error)):
        np.testing.assert_allclose(table[1], np.sqrt(table[0] * (1 - table[0]) / 200), atol=1e-12)


def test_standard_errors_are_calibrated():
    """Importance draws of two topologies: errors of the estimated probability against its true value."""
    generator = np.random.default_rng(4)
    base = made_up_draws(2, 5, seed=9)
    pool = made_up_draws(50, 5, seed=9).topologies.unique()[0][:2]
    p, q, scores = 0.3, 0.5, []
    for _ in range(500):
        picked = (generator.random(400) >= q).astype(int)
        draws = replace(
            base,
            topologies=pool[picked],
            branch_lengths=np.ones((400, 7)),
            log_weights=np.log(np.where(picked == 0, p / q, (1 - p) / (1 - q))),
            components=picked,
        )
        table = summarise_topologies(draws)
        at = [t.tobytes() for t in table.topologies.children].index(pool.children[0].tobytes())
        scores.append((table.probability[at] - p) / table.standard_error[at])
    assert np.mean(np.square(scores)) == pytest.approx(1, abs=0.35)  # chi-square on 500 at 1e-6
    assert np.mean(scores) == pytest.approx(0, abs=0.25)


def test_topologies_against_tree_sample():
    draws = made_up_draws(300, 8)
    table = summarise_topologies(draws)
    sample: TreeSample = collect(draws.taxa, draws.topologies, draws.weights())
    np.testing.assert_array_equal(table.topologies.children, sample.topologies.children)
    np.testing.assert_allclose(table.probability, sample.probabilities())
    weights = draws.weights()
    for i, topology in enumerate(table.topologies):
        same = (draws.topologies.children == topology.children).all(axis=(1, 2))
        np.testing.assert_allclose(
            table.mean_lengths[i], np.average(draws.branch_lengths[same], axis=0, weights=weights[same])
        )
    assert table.head(2).n_topologies == 2
    assert table.head(2).probability.tolist() == table.probability[:2].tolist()


def test_draws_of_weight_zero_leave_no_trace():
    draws = made_up_draws(100, 9, n_topologies=2)
    position = draws.topologies.unique()[1]
    log_weights = np.where(position == 1, -np.inf, draws.log_weights)
    kept = replace(draws, log_weights=log_weights)
    assert summarise_topologies(kept).n_topologies == 1
    splits = summarise_splits(kept)
    assert splits.n_splits == 6
    np.testing.assert_allclose(splits.frequency, 1)
    np.testing.assert_allclose(splits.standard_error, 0, atol=1e-15)


def test_members_name_the_side_without_the_first_taxon():
    draws = made_up_draws(1, 70)
    splits = summarise_splits(draws)
    everyone = [splits.members(i) for i in range(splits.n_splits)]
    assert all(draws.taxa[0] not in names for names in everyone)
    assert sorted(len(names) for names in everyone) == sorted(
        int(row.sum()) for row in _clade_members(draws.topologies.clades()[0, 70:], 70)
    )


def _clade_members(words, n_taxa):
    return [np.array([(int(row[t // 64]) >> (t % 64)) & 1 for t in range(n_taxa)]) for row in words]


def test_what_all_trees_have_is_certain_to_the_last_digit():
    frequency = np.array([1.0 - 2e-16, 0.5])
    error = frequency_error(frequency, np.array([0.01, 0.005]), 0.01)
    assert error[0] == 0.0
    assert error[1] > 0.0
