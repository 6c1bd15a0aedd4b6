"""The quadrature against closed forms and Monte Carlo."""

from functools import lru_cache
from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import gamma

from tests.oracles.quartet import quartet_alignment, quartet_posterior
from tests.statistics import assert_mean
from vbpi_mix.felsenstein import jc69_log_likelihood
from vbpi_mix.phylo import all_topologies, site_patterns


@lru_cache(maxsize=1)
def fixed():
    return quartet_posterior(quartet_alignment().state_sets)


def test_without_data_the_posterior_is_the_prior():
    result = quartet_posterior(np.full((4, 3), 15, dtype=np.uint8), rate=5.0)
    np.testing.assert_allclose(result.log_evidence_by_topology, 0.0, atol=1e-7)
    np.testing.assert_allclose(result.probabilities, 1 / 3)
    np.testing.assert_allclose(result.mean_branch_lengths, 0.2, rtol=1e-6)


@pytest.mark.parametrize("site", ["AAAA", "AAAC", "AACC", "ACAC", "AACG", "ACGG", "ACGT"])
def test_one_site_has_a_closed_form(site):
    """A site probability is linear in each x = exp(-4t/3), and the prior mean of x is rate / (rate + 4/3)."""
    x = 10 / (10 + 4 / 3)
    p = (1 - x) / 4 * np.ones((4, 4)) + x * np.eye(4)
    sets = np.array([["ACGT".index(c)] for c in site])
    result = quartet_posterior((1 << sets).astype(np.uint8))
    for value, children in zip(result.log_evidence_by_topology, all_topologies(4).children.tolist(), strict=True):
        total = 0.0
        for inner, top in product(range(4), repeat=2):
            state = {4: inner, 5: top, **dict(enumerate(sets[:, 0]))}
            edges = [(5, 0)] + [(4, c) for c in children[0]] + [(5, c) for c in children[1]]
            total += np.prod([p[state[above], state[below]] for above, below in edges]) / 4
        assert value == pytest.approx(np.log(total), abs=1e-7)


def test_equal_to_importance_sampling():
    """Gamma proposals around the posterior means; the weights average to the evidence."""
    alignment, result = quartet_alignment(), fixed()
    generator = np.random.default_rng(0)
    n = 20_000
    for i in range(3):
        mean = result.mean_branch_lengths[i]
        shape = np.array([6.0, 8.0, 8.0, 5.0, 1.2])
        scale = mean / shape
        lengths = generator.gamma(shape, scale, size=(n, 5))
        log_q = gamma.logpdf(lengths, shape, scale=scale).sum(axis=1)
        log_prior = 5 * np.log(10) - 10 * lengths.sum(axis=1)
        topologies = all_topologies(4)[np.full(n, i)]
        log_likelihood = jc69_log_likelihood(torch.from_numpy(lengths), topologies, site_patterns(alignment)).numpy()
        weights = np.exp(log_likelihood + log_prior - log_q - result.log_evidence_by_topology[i])
        assert weights.max() / weights.sum() < 0.01
        assert_mean(weights, 1.0)
        assert_mean(weights[:, None] * lengths, mean)


def test_the_fixed_alignment_is_uncertain_and_the_quadrature_is_not():
    result = fixed()
    assert quartet_alignment().state_sets.shape == (4, 100)
    assert result.probabilities.min() > 0.05
    assert result.probabilities.max() < 0.8
    assert result.probabilities.sum() == pytest.approx(1)
    assert result.error < 1e-5
    expected = np.logaddexp.reduce(result.log_evidence_by_topology) - np.log(3)
    assert result.log_evidence == pytest.approx(expected)


def test_exchanging_taxa_exchanges_topologies():
    """B and C change places: AB|CD becomes AC|BD."""
    sets = quartet_alignment().state_sets[:, :25]
    first, second = quartet_posterior(sets), quartet_posterior(sets[[0, 2, 1, 3]])
    children = all_topologies(4).children
    partner = [min(row[1]) for row in children.tolist()]
    swapped = [partner.index({1: 2, 2: 1, 3: 3}[k]) for k in partner]
    np.testing.assert_allclose(second.log_evidence_by_topology[swapped], first.log_evidence_by_topology, atol=2e-6)
    edges = [0, 2, 1, 3, 4]
    np.testing.assert_allclose(second.mean_branch_lengths[swapped][:, edges], first.mean_branch_lengths, rtol=1e-4)


def test_partly_missing_data_is_refused():
    with pytest.raises(ValueError, match="missing or ambiguous"):
        quartet_posterior(np.array([[1], [1], [15], [2]], dtype=np.uint8))
