"""Pixel distributions against sums over all values, and draws against their probabilities."""

import itertools

import numpy as np
import pytest
import torch

from tests.statistics import assert_frequencies
from vbpi_mix.images.likelihoods import (
    N_COLOUR_OUTPUTS,
    bernoulli_log_prob,
    logistic_mixture_log_prob,
    sample_logistic_mixture,
)


def outputs_of(seed, *, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn((1, N_COLOUR_OUTPUTS, 1, 1), generator=generator).double()


def all_values_of(colour, given):
    """(256, 3, 1, 1) pixels in which one colour takes every value."""
    x = torch.tensor(given).double().repeat(256, 1) / 255
    x[:, colour] = torch.arange(256).double() / 255
    return x[:, :, None, None]


def test_bernoulli_sums_to_one():
    logits = torch.randn((1, 1, 2, 3), generator=torch.Generator().manual_seed(1)).double()
    images = torch.tensor(list(itertools.product((0.0, 1.0), repeat=6))).double().view(-1, 1, 2, 3)
    log_p = bernoulli_log_prob(images, logits.expand(64, -1, -1, -1))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_blue_sums_out(scale):
    """The sum over the 256 blues is the density of red and green: it does not depend on blue's parameters."""
    sums = []
    for seed in (3, 4):
        outputs, other = outputs_of(2, scale=scale), outputs_of(seed, scale=scale)
        outputs[:, [*range(70, 100)]] = other[:, [*range(70, 100)]]
        x = all_values_of(2, [7, 250, 0])
        sums.append(float(torch.logsumexp(logistic_mixture_log_prob(x, outputs.expand(256, -1, -1, -1)), dim=0)))
    assert sums[0] == pytest.approx(sums[1], abs=1e-9)


@pytest.mark.parametrize("scale", [0.3, 1.0, 4.0])
def test_green_and_blue_sum_out(scale):
    """The sum over both does not depend on their parameters either, the coefficients of red and green included."""
    sums = []
    for seed in (5, 6):
        outputs, other = outputs_of(2, scale=scale), outputs_of(seed, scale=scale)
        outputs[:, 30:] = other[:, 30:]
        outputs[:, 80:90] = -1.0
        outputs[:, 70:80], outputs[:, 90:100] = 200.0, 0.0  # blue is always 255
        x = all_values_of(1, [100, 0, 255])
        sums.append(float(torch.logsumexp(logistic_mixture_log_prob(x, outputs.expand(256, -1, -1, -1)), dim=0)))
    assert sums[0] == pytest.approx(sums[1], abs=1e-9)


def test_red_alone_sums_to_one():
    """With green and blue certain (edge bins that hold everything) the sum over red is the whole sum."""
    outputs = outputs_of(4)
    outputs[:, 50:60] = outputs[:, 80:90] = -1.0
    outputs[:, 40:50], outputs[:, 70:80] = -200.0, 200.0  # green is always 0, blue always 255
    x = all_values_of(0, [0, 0, 255])
    log_p = logistic_mixture_log_prob(x, outputs.expand(256, -1, -1, -1))
    assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)


def test_narrow_logistics_stay_finite():
    outputs = outputs_of(5)
    outputs[:, [*range(20, 30), *range(50, 60), *range(80, 90)]] = -50.0  # log-scales, held at -7
    x = all_values_of(0, [0, 200, 3]).requires_grad_(False)
    outputs.requires_grad_(True)
    log_p = logistic_mixture_log_prob(x, outputs.expand(256, -1, -1, -1))
    assert bool(torch.isfinite(log_p).all())
    log_p.sum().backward()
    assert bool(torch.isfinite(outputs.grad).all())


def test_draws_have_their_probabilities():
    outputs = outputs_of(6)
    outputs[:, 50:60] = outputs[:, 80:90] = -1.0
    outputs[:, 40:50], outputs[:, 70:80] = -200.0, 200.0
    n = 20_000
    drawn = sample_logistic_mixture(outputs.expand(n, -1, -1, -1), torch.Generator().manual_seed(7))
    red = torch.round(255 * drawn[:, 0, 0, 0]).long().numpy()
    assert set(drawn[:, 1].unique().tolist()) == {0.0}
    assert set(drawn[:, 2].unique().tolist()) == {1.0}
    x = all_values_of(0, [0, 0, 255])
    probabilities = logistic_mixture_log_prob(x, outputs.expand(256, -1, -1, -1)).exp().numpy()
    assert_frequencies(np.bincount(red, minlength=256), probabilities / probabilities.sum())
