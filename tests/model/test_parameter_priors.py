"""Priors of parameters: what is read, that densities of coordinates integrate to 1, what is refused."""

import re

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from vbpi_mix.errors import ConfigError
from vbpi_mix.model import ParameterPriors, parse_priors
from vbpi_mix.model.parameter_priors import Beta, Dirichlet, Exponential, Gamma, LogNormal
from vbpi_mix.model.parameter_space import shares


def density(prior, u):
    return float(prior.log_prob(torch.tensor([u], dtype=torch.float64)).exp())


NUMBERS = [
    Exponential(1.0), Exponential(7.0), Gamma(0.5, 2.0), Gamma(30.0, 3.0), LogNormal(-0.5, 0.2), LogNormal(1.0, 2.0),
    Beta(), Beta(0.5, 3.0), Beta(40.0, 20.0),
]  # fmt: skip


@pytest.mark.parametrize("prior", NUMBERS, ids=str)
def test_densities_integrate_to_one(prior):
    value, _ = integrate.quad(lambda u: density(prior, u), -40, 40, limit=500, points=[-5, -1, 0, 1, 5])
    assert value == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("prior", NUMBERS, ids=str)
def test_means_are_those_of_the_numbers(prior):
    """The mean of x under the density of its coordinate."""

    def value(u):
        return 1 / (1 + np.exp(-u)) if isinstance(prior, Beta) else np.exp(u)

    mean, _ = integrate.quad(lambda u: value(u) * density(prior, u), -40, 40, limit=500, points=[-5, -1, 0, 1, 5])
    expected = {
        Exponential: lambda p: 1 / p.rate,
        Gamma: lambda p: p.shape / p.rate,
        LogNormal: lambda p: np.exp(p.mean + p.sd**2 / 2),
        Beta: lambda p: p.a / (p.a + p.b),
    }[type(prior)](prior)
    assert mean == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("concentration", [(1.0,), (3.0,), (0.8, 2.0, 5.0)])
def test_dirichlet_integrates_to_one(concentration):
    """Over two coordinates of three shares, by quadrature and by SciPy's density at some points."""
    prior = Dirichlet(concentration)
    nodes = np.linspace(-40, 40, 401)
    u = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    s = shares(torch.from_numpy(u))
    values = prior.log_prob(s).exp().numpy()
    assert values.sum() * (nodes[1] - nodes[0]) ** 2 == pytest.approx(1, rel=1e-4)
    some = s[np.abs(u).max(axis=1) < 4][::37]
    a = np.broadcast_to(concentration, 3)
    expected = [stats.dirichlet.logpdf(x / x.sum(), a) + np.log(x).sum() for x in some.numpy()]
    np.testing.assert_allclose(prior.log_prob(some).numpy(), expected, rtol=1e-12)


def test_what_is_read():
    priors = parse_priors(
        ["exchangeabilities = Dirichlet( 2 )", "ratio=beta(2,3.5)", "frequencies=dirichlet(1,2,3,4)",
         "shape=GAMMA(2,1e-1)", "invariant=uniform(0,1)", "multipliers=dirichlet(10)"]
    )  # fmt: skip
    assert priors == ParameterPriors(
        exchangeabilities=Dirichlet((2.0,)), ratio=Beta(2.0, 3.5), frequencies=Dirichlet((1.0, 2.0, 3.0, 4.0)),
        shape=Gamma(2.0, 0.1), invariant=Beta(), multipliers=Dirichlet((10.0,)),
    )  # fmt: skip
    assert parse_priors([]) == ParameterPriors()
    assert parse_priors(["shape=lognormal(-1,0.5)"]).shape == LogNormal(-1.0, 0.5)
    assert parse_priors(["shape=exponential(2)"]).shape == Exponential(2.0)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["shape=lognormal(-0.6931471805599453,0.001)", "ratio=beta(2000001,1000000)"],
        ["frequencies=dirichlet(1234567.5,1,2,3)", "shape=gamma(0.123456789,3)"],
    ],
)
def test_descriptions_are_read_again(texts):
    priors = parse_priors(texts)
    assert parse_priors(f"{name}={text}" for name, text in priors.describe().items()) == priors


def test_descriptions():
    assert ParameterPriors().describe() == {
        "exchangeabilities": "dirichlet(1)",
        "ratio": "beta(1,1)",
        "frequencies": "dirichlet(1)",
        "shape": "exponential(1)",
        "invariant": "beta(1,1)",
        "multipliers": "dirichlet(1)",
        "free_rates": "dirichlet(1)",
        "free_weights": "dirichlet(1)",
    }
    assert str(LogNormal(-0.5, 1.25)) == "lognormal(-0.5,1.25)"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["shape"], "prior 'shape': expected NAME=DISTRIBUTION"),
        (["kappa=beta(1,1)"], "prior 'kappa=beta(1,1)': expected NAME=DISTRIBUTION"),
        (["=beta(1,1)"], "expected NAME=DISTRIBUTION"),
        (["shape=gamma(1,1)", "shape=gamma(2,1)"], "prior 'shape=gamma(2,1)': the prior of shape"),
        (["shape=beta(1,1)"], "exponential(...) or gamma(...) or lognormal(...)"),
        (["ratio=exponential(1)"], "beta(...) or uniform(...)"),
        (["frequencies=1"], "expected dirichlet(...) after 'frequencies='"),
        (["shape=gamma(1,1"], "expected exponential(...)"),
        (["shape=gamma(1,1)x"], "expected exponential(...)"),
        (["shape=gamma(1)"], "gamma takes 2 numbers, not 1"),
        (["shape=exponential(1,2)"], "exponential takes 1 number, not 2"),
        (["invariant=beta(1,2,3)"], "beta takes 2 numbers, not 3"),
        (["invariant=uniform(0,0.5)"], "only uniform(0,1)"),
        (["shape=exponential()"], "numbers separated by commas"),
        (["shape=gamma(1,)"], "expected numbers separated by commas"),
        (["shape=gamma(a,b)"], "expected numbers separated by commas"),
        (["shape=exponential(0)"], "its numbers must be positive"),
        (["shape=lognormal(1,0)"], "its numbers must be positive"),
        (["frequencies=dirichlet(1,1,-1,1)"], "its numbers must be positive"),
        (["shape=exponential(inf)"], "its numbers must be finite"),
        (["shape=lognormal(nan,1)"], "its numbers must be finite"),
    ],
)
def test_what_is_refused(texts, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_priors(texts)
