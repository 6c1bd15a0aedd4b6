"""Priors against SciPy and counts."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests.statistics import assert_mean
from vbpi_mix.errors import ConfigError
from vbpi_mix.model import ExponentialBranchPrior, GammaDirichletBranchPrior, log_topology_prior, parse_branch_prior
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


GAMMA_DIRICHLETS = [
    GammaDirichletBranchPrior(), GammaDirichletBranchPrior(2.0, 3.0, 1.0, 1.0),
    GammaDirichletBranchPrior(1.5, 0.5, 0.7, 1.0), GammaDirichletBranchPrior(3.0, 2.0, 1.0, 0.4),
    GammaDirichletBranchPrior(2.0, 4.0, 2.0, 0.5),
]  # fmt: skip
every_gamma_dirichlet = pytest.mark.parametrize("prior", GAMMA_DIRICHLETS, ids=str)


@every_gamma_dirichlet
@pytest.mark.parametrize("n_taxa", [3, 4, 7])
def test_gamma_times_dirichlet(prior, n_taxa):
    """Of total and shares; lengths have Jacobian 1 / T^(E - 1)."""
    n_edges = 2 * n_taxa - 3
    a = np.r_[np.full(n_taxa, prior.concentration), np.full(n_taxa - 3, prior.concentration * prior.inner)]
    lengths = np.random.default_rng(n_taxa).exponential(0.3, (5, n_edges))
    total = lengths.sum(axis=1)
    expected = stats.gamma.logpdf(total, prior.shape, scale=1 / prior.rate)
    expected += [stats.dirichlet.logpdf(x / x.sum(), a) for x in lengths]
    expected -= (n_edges - 1) * np.log(total)
    np.testing.assert_allclose(prior.log_prob(torch.from_numpy(lengths)).numpy(), expected, rtol=1e-12, atol=1e-12)
    assert prior.mean_rate(n_edges) == pytest.approx(n_edges / (prior.shape / prior.rate))


@every_gamma_dirichlet
def test_gamma_dirichlet_integrates_to_one(prior):
    """By draws of independent lengths, for four taxa."""
    generator = np.random.default_rng(1)
    scale, shape = prior.shape / prior.rate / 2, 0.6
    lengths = generator.gamma(shape, scale, (200_000, 5))
    log_q = stats.gamma.logpdf(lengths, shape, scale=scale).sum(axis=1)
    ratio = np.exp(prior.log_prob(torch.from_numpy(lengths)).numpy() - log_q)
    assert_mean(ratio, 1.0)
    assert ratio.std() < 20  # else the mean says nothing


@every_gamma_dirichlet
def test_second_derivatives_of_gamma_dirichlet(prior):
    lengths = torch.from_numpy(np.random.default_rng(2).exponential(0.3, (3, 7)))
    found = prior.hessian(lengths)
    for t in range(3):
        exact = torch.autograd.functional.hessian(lambda x: prior.log_prob(x[None])[0], lengths[t])
        torch.testing.assert_close(found[t], exact, rtol=1e-9, atol=1e-9)


def test_lengths_of_zero():
    """Those whose shares have concentration 1 do no harm, whatever the others'."""
    lengths = torch.full((1, 5), 0.1, dtype=torch.float64)
    lengths[0, 0] = 0.0
    for prior in (GammaDirichletBranchPrior(), GammaDirichletBranchPrior(1.0, 0.1, 1.0, 0.5)):
        leaf = lengths.clone().requires_grad_()
        value = prior.log_prob(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        assert value.isfinite().all()
        assert gradient.isfinite().all()
        assert prior.hessian(lengths).isfinite().all()


def test_what_a_branch_prior_is_called():
    assert parse_branch_prior("exponential", 4.0) == ExponentialBranchPrior(4.0)
    assert parse_branch_prior(" Exponential( 3 ) ", 4.0) == ExponentialBranchPrior(3.0)
    assert parse_branch_prior("gammadir", 4.0) == GammaDirichletBranchPrior(1.0, 0.1, 1.0, 1.0)
    for prior in (*GAMMA_DIRICHLETS, ExponentialBranchPrior(1 / 3)):
        assert parse_branch_prior(str(prior), 4.0) == prior


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uniform(0,1)", r"prior 'uniform\(0,1\)': .*exponential\(10\), .*gammadir"),
        ("exponential()", "unknown branch-length prior"),
        ("exponential(a)", "unknown branch-length prior"),
        ("exponential(1,2)", "unknown branch-length prior"),
        ("gammadir(1,2,3)", "unknown branch-length prior"),
        ("gammadir(1,2,3,4", "unknown branch-length prior"),
        ("", "unknown branch-length prior"),
        ("exponential(0)", "finite and positive"),
        ("gammadir(1,0,1,1)", "gammadir: rate is 0.0"),
        ("gammadir(inf,1,1,1)", "gammadir: shape is inf"),
        ("gammadir(1,1,-1,1)", "gammadir: concentration is -1.0"),
        ("gammadir(1,1,1,nan)", "gammadir: inner is nan"),
    ],
)
def test_branch_priors_that_are_none(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_branch_prior(text, 10.0)
