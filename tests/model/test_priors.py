"""Priors against SciPy and counts."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from vbpi_mix.errors import ConfigError
from vbpi_mix.model import ExponentialBranchPrior, log_topology_prior
from vbpi_mix.phylo import all_topologies


@pytest.mark.parametrize("rate", [1.0, 10.0])
def test_exponential_density(rate):
    lengths = np.random.default_rng(0).exponential(size=(3, 7))
    expected = stats.expon(scale=1 / rate).logpdf(lengths).sum(axis=1)
    np.testing.assert_allclose(ExponentialBranchPrior(rate).log_prob(torch.from_numpy(lengths)).numpy(), expected)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_impossible_rates(rate):
    with pytest.raises(ConfigError, match="finite and positive"):
        ExponentialBranchPrior(rate)


@pytest.mark.parametrize("n_taxa", [3, 4, 5, 6])
def test_topologies_are_equally_probable(n_taxa):
    assert math.exp(log_topology_prior(n_taxa)) * len(all_topologies(n_taxa)) == pytest.approx(1)
