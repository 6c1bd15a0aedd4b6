"""Rate categories."""

import pytest
import torch
from torch.autograd import gradcheck

from vbpi_mix.errors import NumericalError
from vbpi_mix.model import SiteRates, discrete_gamma_rates


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("shape", [None, 0.4])
@pytest.mark.parametrize("proportion", [None, 0.0, 0.3])
def test_the_mean_rate_is_one(shape, proportion):
    site_rates = SiteRates(
        gamma_shape=None if shape is None else tensor(shape),
        n_gamma_categories=5,
        proportion_invariant=None if proportion is None else tensor(proportion),
    )
    rates, weights = site_rates.rates(), site_rates.weights()
    assert rates.shape == weights.shape == ((1 if shape is None else 5) + (proportion is not None),)
    assert float(weights.sum()) == pytest.approx(1, rel=1e-14)
    assert float(weights @ rates) == pytest.approx(1, rel=1e-13)
    if proportion is not None:
        assert rates[0] == 0
        assert weights[0] == proportion


def test_invariant_sites_and_gamma():
    rates = SiteRates(gamma_shape=tensor(0.5), proportion_invariant=tensor(0.2)).rates()
    torch.testing.assert_close(rates[1:], discrete_gamma_rates(tensor(0.5), 4) / 0.8)


def test_gradients():
    def both(shape, proportion):
        site_rates = SiteRates(gamma_shape=shape, proportion_invariant=proportion)
        return site_rates.rates(), site_rates.weights()

    assert gradcheck(both, (tensor(0.7).requires_grad_(), tensor(0.3).requires_grad_()))


@pytest.mark.parametrize("proportion", [-0.1, 1.0, float("nan")])
def test_impossible_proportions(proportion):
    site_rates = SiteRates(proportion_invariant=tensor(proportion))
    for compute in (site_rates.rates, site_rates.weights):
        with pytest.raises(NumericalError, match="proportion of invariant sites"):
            compute()
