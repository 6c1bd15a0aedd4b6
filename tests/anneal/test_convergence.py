"""Agreement of groups of chains."""

import numpy as np
import pytest

from vbpi_mix.anneal.convergence import (
    NumberedSplits,
    as_close_as_chance,
    expected_asdsf,
    follow,
    group_frequencies,
    separation,
    split_agreement_of_groups,
    split_times,
)
from vbpi_mix.phylo import TopologyBatch, all_topologies


def _splits(children: np.ndarray) -> NumberedSplits:
    return NumberedSplits.of(TopologyBatch(children))


def test_agreement_of_groups_is_that_of_their_frequencies():
    topologies = all_topologies(5)
    trees = _splits(topologies.children[[0, 0, 0, 1, 0, 1, 1, 1]])
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    frequencies = group_frequencies(trees, groups)
    asdsf, largest, n_splits = split_agreement_of_groups(trees, groups)
    differ = frequencies[:, np.abs(frequencies[0] - frequencies[1]) > 0]
    assert set(np.round(differ[0], 2)) == {0.25, 0.75}
    assert largest == pytest.approx(0.5)
    assert n_splits == frequencies.shape[1]
    assert asdsf == pytest.approx(np.abs(frequencies[0] - frequencies[1]).mean() / np.sqrt(2))


def test_r_hat_tells_chains_apart():
    generator = np.random.default_rng(0)
    same = generator.normal(size=(4, 200))
    apart = same + np.arange(4)[:, None]
    good, bad = follow({"same": same, "apart": apart})
    assert good.r_hat < 1.02
    assert bad.r_hat > 1.3
    assert good.effective_size > 500 > bad.effective_size


@pytest.mark.parametrize("stay", [0.5, 0.95], ids=["independent", "slow"])
def test_the_error_of_split_frequencies_counts_autocorrelation(stay):
    """Two topologies, each kept with a probability: the autocorrelation time is stay / (1 - stay)."""
    generator, n_chains, n = np.random.default_rng(1), 4, 4000
    visited = (np.cumsum(generator.random((n, n_chains)) > stay, axis=0) % 2).reshape(-1)
    trees = _splits(all_topologies(5).children[visited])
    expected = np.sqrt(0.25 * stay / (1.0 - stay) / (n * n_chains))
    found = split_times(trees, np.tile(np.arange(n_chains), n))
    assert found.error.max() == pytest.approx(expected, rel=0.15)


def test_the_error_of_split_frequencies_from_chains_of_several_lengths():
    """Four chains cut into twelve of 500 to 2,500 trees know as much, but for the pairs of trees lost at the cuts."""
    generator, n_chains, n = np.random.default_rng(1), 4, 4000
    visited = (np.cumsum(generator.random((n, n_chains)) > 0.95, axis=0) % 2).reshape(-1)
    trees, whole = _splits(all_topologies(5).children[visited]), np.tile(np.arange(n_chains), n)
    piece = np.repeat(np.digitize(np.arange(n), [500, 1500]), n_chains)
    expected = split_times(trees, whole).error.max()
    assert split_times(trees, 3 * whole + piece).error.max() == pytest.approx(expected, rel=0.05)


def test_chains_that_stay_apart_know_little_of_split_frequencies():
    children = all_topologies(5).children[np.tile([0, 0, 0, 1], 100)]
    assert split_times(_splits(children), np.tile(np.arange(4), 100)).error.max() > 0.1
    assert not len(split_times(_splits(children[:1]), np.zeros(1, dtype=np.int64)).error)


def test_separation_is_large_where_chains_stay_apart():
    topologies = all_topologies(5)
    generator = np.random.default_rng(1)
    chains = np.tile(np.arange(4), 500)
    mixed = _splits(topologies.children[generator.integers(3, size=2000)])
    apart = _splits(topologies.children[np.where(generator.random(2000) < 0.1, 7, chains)])
    assert separation(mixed, chains) < 3
    assert separation(apart, chains) > 30


def test_expected_asdsf_is_that_of_independent_trees():
    topologies = all_topologies(5)
    generator = np.random.default_rng(2)
    drawn = topologies.children[generator.integers(3, size=40_000)]
    halves = np.arange(200) // 100
    found = [split_agreement_of_groups(_splits(some), halves)[0] for some in np.split(drawn, 200)]
    assert np.mean(found) == pytest.approx(np.sqrt(2 / np.pi) * expected_asdsf(_splits(drawn), 100), rel=0.15)


def test_groups_are_close_where_chance_or_the_wish_allows_more():
    trees = _splits(all_topologies(5).children[np.tile([0, 0, 0, 1], 100)])
    by_chance = expected_asdsf(trees, 50)
    for asdsf, wanted, close in (
        (0.99 * by_chance, 0.0, True),
        (1.01 * by_chance, 0.0, False),
        (1.01 * by_chance, 1.02 * by_chance, True),
    ):
        assert as_close_as_chance(asdsf, wanted, trees, 100) == close
