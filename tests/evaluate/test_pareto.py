"""The tail shape on samples whose tail is known."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.pareto import ParetoTail, pareto_smooth, pareto_tail


def generalised_pareto(k, n, generator):
    u = generator.random(n)
    return -np.log(u) if k == 0 else (u**-k - 1) / k


@pytest.mark.parametrize("k", [-0.3, 0.0, 0.2, 0.5, 0.8, 1.2])
def test_known_tails(k):
    """Every tail of a generalised Pareto distribution has its shape k; the fit's prior pulls a little to 0.5."""
    generator = np.random.default_rng(5)
    n = 100_000
    n_tail = 3 * n**0.5
    estimates = [pareto_tail(np.log(generalised_pareto(k, n, generator)) - 7000).k for _ in range(20)]
    pulled = (n_tail * k + 10 * 0.5) / (n_tail + 10)
    error = (1 + k) / np.sqrt(n_tail * len(estimates))
    assert abs(np.mean(estimates) - pulled) < 5 * error + 0.02


def test_bounded_weights_are_good():
    tail = pareto_tail(np.log(np.random.default_rng(1).random(5000)))
    assert tail.k < 0
    assert tail.verdict == "good"


def test_equal_weights_have_no_tail():
    smoothed, tail = pareto_smooth(np.full(1000, -7108.0))
    assert tail.k == -np.inf
    assert tail.verdict == "good"
    np.testing.assert_allclose(np.exp(smoothed), 1e-3)
    # a cap that holds most of the weights: the tail has no spread either
    capped = np.minimum(np.random.default_rng(2).standard_normal(1000), 0.0)
    assert pareto_tail(capped).k == -np.inf


def test_zero_weights_do_not_matter():
    log_w = np.random.default_rng(3).standard_normal(4000) * 0.5
    padded = log_w.copy()
    padded[np.argsort(log_w)[:1000]] = -np.inf
    assert pareto_tail(padded).k == pytest.approx(pareto_tail(log_w).k, abs=1e-9)


def test_a_few_weights_above_nothing_are_unreliable():
    lonely = np.full(1000, -np.inf)
    lonely[:3] = 0.0, -1.0, -2.0
    smoothed, tail = pareto_smooth(lonely)
    assert tail.k == np.inf
    assert tail.verdict == "unreliable"
    np.testing.assert_allclose(np.exp(smoothed[:3]).sum(), 1)
    tiny = np.where(np.isfinite(lonely), lonely, -5000.0)  # underflows to zero beside the largest
    assert pareto_tail(tiny).k == np.inf


def test_smoothing_tames_the_tail():
    generator = np.random.default_rng(4)
    log_w = np.log(generalised_pareto(0.6, 2000, generator))
    before = log_w.copy()
    smoothed, tail = pareto_smooth(log_w)
    np.testing.assert_array_equal(log_w, before)
    assert np.exp(smoothed).sum() == pytest.approx(1)
    assert tail.k == pareto_tail(log_w).k
    # order is kept, and weights below the tail keep their ratios
    assert (np.diff(smoothed[np.argsort(log_w)]) >= -1e-12).all()
    low = np.argsort(log_w)[:1800]
    np.testing.assert_allclose(np.ptp((smoothed - log_w)[low]), 0, atol=1e-9)


@pytest.mark.parametrize(
    ("k", "n", "verdict"),
    [
        (0.2, 1000, "good"),
        (0.6, 1000, "ok"),
        (0.69, 10**6, "ok"),
        (0.71, 10**6, "unreliable"),
        (0.6, 100, "unreliable"),
    ],
)
def test_verdicts(k, n, verdict):
    tail = ParetoTail(k=k, threshold=min(1 - 1 / np.log10(n), 0.7))
    assert tail.verdict == verdict
    assert verdict in tail.describe()


def test_threshold_depends_on_the_sample_size():
    log_w = np.random.default_rng(6).standard_normal(100)
    assert pareto_tail(log_w).threshold == pytest.approx(0.5)
    assert pareto_tail(np.tile(log_w, 100) + np.arange(10_000) * 1e-9).threshold == pytest.approx(0.7)


def test_too_few_weights():
    with pytest.raises(InputError, match="at least 25"):
        pareto_tail(np.zeros(24))
    with pytest.raises(InputError, match="no importance weight"):
        pareto_tail(np.full(30, -np.inf))
