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
def test_the_last_colour_sums_to_one_and_so_do_all(scale):
    outputs = outputs_of(2, scale=scale)
    # sums over blue, then over green, then over red: the marginals of a distribution that sums to 1
    expanded = outputs.expand(256, -1, -1, -1)

    def blue(given):
        return torch.logsumexp(logistic_mixture_log_prob(all_values_of(2, given), expanded), dim=0)

    # blue given red and green sums to the density of (red, green), so ratios of two blues are conditionals: check by
    # summing all of blue and green for all reds on a coarse set, where the total over green must agree with the total
    # that a mixture without green's and blue's coefficients gives
    green = torch.stack([blue([100, g, 0]) for g in range(256)])
    independent = outputs.clone()
    independent[:, [*range(30, 40), *range(60, 70), *range(90, 100)]] = 0  # no colour moves another's mean
    independent_expanded = independent.expand(256, -1, -1, -1)
    flat = torch.stack(
        [
            torch.logsumexp(logistic_mixture_log_prob(all_values_of(2, [100, g, 0]), independent_expanded), dim=0)
            for g in range(256)
        ]
    )
    assert float(torch.logsumexp(green, 0)) == pytest.approx(float(torch.logsumexp(flat, 0)), abs=1e-9)


def test_one_colour_sums_to_one():
    """Mixtures of one logistic with constant other colours: the three factors each sum to 1."""
    outputs = outputs_of(3)
    outputs[:, 1:10] = -1e4  # all weight on the first logistic
    expanded = outputs.expand(256, -1, -1, -1)
    for colour in (2,):
        total = torch.logsumexp(logistic_mixture_log_prob(all_values_of(colour, [7, 250, 0]), expanded), dim=0)
        parts = [outputs.clone(), outputs.clone()]
        # blue sums out, whatever its mean and scale
        for part, value in zip(parts, (-0.3, 0.9), strict=True):
            part[:, 70:80], part[:, 80:90] = value, -2.0
        others = [
            torch.logsumexp(
                logistic_mixture_log_prob(all_values_of(colour, [7, 250, 0]), p.expand(256, -1, -1, -1)), dim=0
            )
            for p in parts
        ]
        for other in others:
            assert float(total) == pytest.approx(float(other), abs=1e-9)


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
