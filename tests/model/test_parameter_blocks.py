"""Free rates and tied exchangeabilities: what their coordinates mean, and that their priors are densities."""

import numpy as np
import pytest
import torch
from scipy.integrate import dblquad

from vbpi_mix.errors import ConfigError
from vbpi_mix.model import ModelFamily, ParameterPriors, parse_model, parse_priors
from vbpi_mix.model.parameter_blocks import FreeRatesBlock
from vbpi_mix.model.parameter_priors import Dirichlet
from vbpi_mix.phylo import SitePatterns

PATTERNS = SitePatterns(state_sets=np.array([[1, 2], [2, 4], [4, 8], [8, 1]], dtype=np.uint8), weights=np.ones(2))


def block(n, weights=1.0, rates=1.0):
    return FreeRatesBlock(
        columns=slice(0, 2 * (n - 1)), n_categories=n, weights=Dirichlet((weights,)), rates=Dirichlet((rates,))
    )


@pytest.mark.parametrize(("weights", "rates"), [(1.0, 1.0), (2.0, 3.0)])
def test_the_prior_of_two_free_rates_is_a_density(weights, rates):
    found = block(2, weights, rates)

    def density(v, u):
        return float(found.log_prior(torch.tensor([[u, v]], dtype=torch.float64)).exp())

    total, _ = dblquad(density, -18, 18, -18, 25, epsabs=1e-5)
    assert total == pytest.approx(1, abs=2e-3)


def test_the_prior_is_that_of_ordered_dirichlets():
    """Means of the rates under the prior, by importance weights, against draws of Dirichlets put in order.

    Fails for correct code once in some 1e6 seeds (five standard errors of 40,000 draws, and a fixed seed).
    """
    generator = np.random.default_rng(3)
    w, x = generator.dirichlet(np.ones(3), 40_000), generator.dirichlet(np.ones(3), 40_000)
    order = np.argsort(x / w, axis=1)
    w, r = np.take_along_axis(w, order, 1), np.take_along_axis(x / w, order, 1)
    expected = np.concatenate([w, r * w], axis=1)
    found = block(3)
    u = torch.from_numpy(generator.standard_t(3, size=(400_000, 4)) * np.array([2.0, 2.0, 3.0, 3.0]))
    log_q = torch.distributions.StudentT(3.0, scale=torch.tensor([2.0, 2.0, 3.0, 3.0])).log_prob(u).sum(dim=1)
    weight = (found.log_prior(u) - log_q).exp().numpy()
    values = found.values(u).numpy()
    values[:, 3:] *= values[:, :3]  # shares of the rate, which have finite variances
    mean = (weight[:, None] * values).sum(axis=0) / weight.sum()
    error = np.sqrt((weight[:, None] ** 2 * (values - mean) ** 2).sum(axis=0)) / weight.sum()
    spread = expected.std(axis=0) / np.sqrt(len(expected))
    assert (np.abs(mean - expected.mean(axis=0)) < 5 * np.sqrt(error**2 + spread**2)).all()
    assert weight.mean() == pytest.approx(1, abs=5 * weight.std() / np.sqrt(len(weight)))


def test_free_rates_are_ordered_and_of_mean_one():
    found = block(5)
    u = torch.from_numpy(np.random.default_rng(1).normal(size=(50, 8)) * 3)
    weights, rates = found.values(u).split(5, dim=1)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close((weights * rates).sum(dim=1), torch.ones(50, dtype=torch.float64))
    assert (rates.diff(dim=1) > 0).all()
    start = torch.from_numpy(found.start(shape=0.5, invariant=0.1))[None]
    assert (found.values(start)[0, 5:].diff() > 0).all()


def family(text, priors=None):
    return ModelFamily(parse_model(text, infer=True), PATTERNS, priors or ParameterPriors())


@pytest.mark.parametrize(
    ("text", "names", "code"),
    [
        ("K81", ("r(A<->G=C<->T)", "r(A<->T=C<->G)", "r(A<->C=G<->T)"), "012210"),
        ("TIM2+FO", ("r(A<->C=A<->T)", "r(A<->G)", "r(C<->T)", "r(C<->G=G<->T)"), "121030"),
        ("TVM+FQ", ("r(A<->C)", "r(A<->G=C<->T)", "r(A<->T)", "r(C<->G)", "r(G<->T)"), "123420"),
        ("010234+F", ("r(A<->G)", "r(C<->G)", "r(C<->T)", "r(A<->C=A<->T)", "r(G<->T)"), "121340"),
    ],
)
def test_equal_exchangeabilities(text, names, code):
    specification = parse_model(text, infer=True)
    assert specification.code == code
    assert parse_model(str(specification) if "F" in str(specification) else text, infer=True) == specification
    if text != "010234+F":
        found = family(text)
        assert found.names[: len(names)] == names
    found = family(text.replace("+F", "+FQ") if text.endswith("+F") else text)
    u = torch.from_numpy(np.random.default_rng(2).normal(size=(3, found.n_coordinates)))
    rates = found.models(u).exchangeabilities
    for i in range(6):
        for j in range(i):
            assert (code[i] == code[j]) == bool((rates[:, i] == rates[:, j]).all())


def test_priors_of_free_rates_take_one_number():
    with pytest.raises(ConfigError, match="free_rates takes 1 number"):
        family("JC+R3", parse_priors(["free_rates=dirichlet(1,2,3)"]))
    assert family("JC+R3", parse_priors(["free_weights=dirichlet(2)"])).n_coordinates == 4
