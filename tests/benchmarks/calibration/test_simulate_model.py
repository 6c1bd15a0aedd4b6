"""The simulator against the likelihood, and its priors."""

from itertools import product

import numpy as np
import pytest
import torch

from benchmarks.calibration.simulate_model import EXCHANGED, FREQUENCIES, PARAMETERS, draw_truth, simulate_model
from tests.statistics import assert_frequencies, assert_mean
from vbpi_mix.model import JC69, PhyloModel
from vbpi_mix.phylo import SitePatterns, all_topologies
from vbpi_mix.phylo.alignment import MISSING

N_SITES = 100_000


def exact(model, topology, lengths):
    """(256,) probabilities of the patterns of four taxa, by the package's likelihood of one column each."""
    columns = np.left_shift(1, np.array(list(product(range(4), repeat=4)), dtype=np.uint8)).astype(np.uint8)
    branch_lengths = torch.from_numpy(lengths)[None]
    logs = []
    for column in columns:
        patterns = SitePatterns(state_sets=column[:, None], weights=np.ones(1))
        target = PhyloModel(patterns, 4, substitution_model=model)
        logs.append(float(target.log_likelihood(branch_lengths, topology.batch())))
    return np.exp(logs)


def counted(alignment):
    states = np.log2(alignment.state_sets).astype(int)
    return np.bincount(np.array([64, 16, 4, 1]) @ states, minlength=256)


@pytest.mark.parametrize("seed", range(4))
def test_site_patterns_are_as_frequent_as_the_likelihood_says(seed):
    generator = np.random.default_rng(seed)
    truth = draw_truth(4, generator)
    probabilities = exact(truth.model(), truth.topology, truth.branch_lengths)
    assert probabilities.sum() == pytest.approx(1, abs=1e-10)
    alignment = simulate_model(truth.model(), truth.topology, truth.branch_lengths, N_SITES, generator)
    assert_frequencies(counted(alignment), probabilities)


def test_jukes_and_cantor_on_every_topology():
    generator = np.random.default_rng(9)
    for topology in all_topologies(4):
        lengths = generator.exponential(0.3, 5)
        alignment = simulate_model(JC69(), topology, lengths, N_SITES, generator)
        assert_frequencies(counted(alignment), exact(JC69(), topology, lengths))


def test_another_tree_would_be_noticed():
    generator = np.random.default_rng(5)
    first, second, _ = all_topologies(4)
    lengths = np.full(5, 0.2)
    alignment = simulate_model(JC69(), first, lengths, N_SITES, generator)
    with pytest.raises(AssertionError, match="chi-square"):
        assert_frequencies(counted(alignment), exact(JC69(), second, lengths))


def test_every_site_has_one_state():
    generator = np.random.default_rng(2)
    truth = draw_truth(7, generator)
    alignment = simulate_model(truth.model(), truth.topology, truth.branch_lengths, 50, generator)
    assert (alignment.n_taxa, alignment.n_sites) == (7, 50)
    assert set(np.unique(alignment.state_sets).tolist()) <= {1, 2, 4, 8}
    assert not (alignment.state_sets == MISSING).any()


def test_priors():
    generator = np.random.default_rng(1)
    truths = [draw_truth(6, generator) for _ in range(4000)]
    values = np.array([[t.parameters[name] for name in PARAMETERS] for t in truths])
    assert_mean(values, [1 / 6] * 6 + [1 / 4] * 4 + [1.0, 0.5])
    # Dirichlet(1,...,1) of k: E x^2 = 2 / (k (k + 1)); Exponential(1): 2; Uniform(0,1): 1/3
    assert_mean(values**2, [2 / 42] * 6 + [2 / 20] * 4 + [2.0, 1 / 3])
    assert_mean(np.array([t.branch_lengths for t in truths]), np.full(9, 0.1))
    assert values[:, : len(EXCHANGED)].sum(axis=1) == pytest.approx(1)
    assert values[:, len(EXCHANGED) : len(EXCHANGED + FREQUENCIES)].sum(axis=1) == pytest.approx(1)
