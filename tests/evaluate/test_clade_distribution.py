"""Clade distributions against their definitions on all topologies of six taxa."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.clade_distribution import clade_distribution
from vbpi_mix.phylo import all_topologies, random_topologies

N = 6
EVERY = all_topologies(N)


def sample(n_trees, seed):
    generator = np.random.default_rng(seed)
    return random_topologies(n_trees, N, generator), generator.random(n_trees)


def clades_of(row):
    """The clades and the splits of clades of one topology, as sets."""
    below = {i: frozenset([i]) for i in range(N)}
    splits = []
    for i, (a, b) in enumerate(row.tolist()):
        below[N + i] = below[a] | below[b]
        splits.append((below[N + i], frozenset([below[a], below[b]])))
    return {below[i] for i in range(1, 2 * N - 2)}, splits


@pytest.mark.parametrize(("n_trees", "seed"), [(1, 1), (4, 2), (15, 3), (60, 4)])
def test_ccd1_is_the_product_of_conditional_frequencies(n_trees, seed):
    trees, weights = sample(n_trees, seed)
    clade_mass, split_mass = {}, {}
    for row, w in zip(trees.children, weights, strict=True):
        for whole, parts in clades_of(row)[1]:
            clade_mass[whole] = clade_mass.get(whole, 0) + w
            split_mass[whole, parts] = split_mass.get((whole, parts), 0) + w
    expected = np.array([
        np.prod([split_mass.get(s, 0) / clade_mass.get(s[0], 1) for s in clades_of(row)[1]]) for row in EVERY.children
    ])  # fmt: skip
    found = clade_distribution(trees, weights)
    p = np.exp(found.log_prob(EVERY))
    np.testing.assert_allclose(p, expected, atol=1e-12)
    check_queries(found, p)


@pytest.mark.parametrize(("n_trees", "seed"), [(1, 1), (4, 2), (15, 3), (60, 4)])
def test_ccd0_is_the_normalised_product_of_clade_frequencies(n_trees, seed):
    trees, weights = sample(n_trees, seed)
    mass = {}
    for row, w in zip(trees.children, weights / weights.sum(), strict=True):
        for clade in clades_of(row)[0]:
            mass[clade] = mass.get(clade, 0) + w
    expected = np.array([np.prod([mass.get(c, 0) for c in clades_of(row)[0]]) for row in EVERY.children])
    found = clade_distribution(trees, weights, model="ccd0")
    p = np.exp(found.log_prob(EVERY))
    np.testing.assert_allclose(p, expected / expected.sum(), atol=1e-12)
    check_queries(found, p)


def check_queries(found, p):
    assert p.sum() == pytest.approx(1)
    assert found.log_n_topologies() == pytest.approx(np.log((p > 0).sum()))
    positive = p[p > 0]
    assert found.entropy() == pytest.approx(-(positive * np.log(positive)).sum(), abs=1e-10)
    topology, log_p = found.most_probable()
    assert np.exp(log_p) == pytest.approx(p.max())
    assert found.log_prob(topology.batch())[0] == pytest.approx(log_p)


def test_the_largest_sum_of_frequencies():
    trees, weights = sample(25, 5)
    found = clade_distribution(trees, weights, model="ccd0")
    inner = trees.clades()[:, N:]

    def mean_distance(topology):
        own = topology.batch().clades()[0, N:]
        common = (inner[:, :, None] == own[None, None]).all(axis=3).sum(axis=(1, 2))
        return weights / weights.sum() @ (2 * (N - 3) - 2 * common)

    topology, total = found.largest_frequencies()
    possible = EVERY[np.isfinite(found.log_prob(EVERY))]
    assert mean_distance(topology) == pytest.approx(min(mean_distance(t) for t in possible))
    assert mean_distance(topology) == pytest.approx(2 * (N - 3) - 2 * total)


def test_no_trees_are_refused():
    with pytest.raises(InputError, match="positive weight"):
        clade_distribution(EVERY[:2], np.zeros(2))
