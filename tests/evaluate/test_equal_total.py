import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate import log_ml_published
from vbpi_mix.evaluate.equal_total import log_ml_equal_total


def test_it_is_the_formula():
    log_w = np.random.default_rng(1).normal(size=(4, 3, 10))
    found = log_ml_equal_total(log_w)
    used = np.exp(log_w[:, :, :3])  # 10 // 3 draws of each component
    per_repeat = np.log(used.mean(axis=(1, 2)))
    assert found.per_repeat.value == pytest.approx(per_repeat.mean(), rel=1e-12)
    assert found.deviation == pytest.approx(per_repeat.std(ddof=1), rel=1e-12)
    assert found.per_repeat.standard_error == pytest.approx(found.deviation / 2, rel=1e-12)
    assert found.pooled.value == pytest.approx(np.log(used.mean()), rel=1e-12)
    assert found.n_samples == 9


def test_weighted_components():
    log_w = np.random.default_rng(2).normal(size=(5, 2, 8))
    weights = np.array([0.75, 0.25])
    found = log_ml_equal_total(log_w, weights)
    per_repeat = np.log((np.exp(log_w[:, :, :4]).mean(axis=2) * weights).sum(axis=1))
    assert found.per_repeat.value == pytest.approx(per_repeat.mean(), rel=1e-12)
    zero = log_ml_equal_total(log_w, np.array([1.0, 0.0]))
    assert zero.per_repeat.value == pytest.approx(np.log(np.exp(log_w[:, 0, :4]).mean(axis=1)).mean(), rel=1e-12)


def test_more_components_that_are_alike_gain_nothing():
    """The published form's deviation falls by the root of A, this one's does not."""
    log_w = np.random.default_rng(3).normal(scale=0.5, size=(2000, 4, 400))
    one, four = log_w[:, :1], log_w
    # 2,000 repeats know a standard deviation within 1/sqrt(4000) = 1.6%; five of those
    assert log_ml_equal_total(four).deviation == pytest.approx(log_ml_equal_total(one).deviation, rel=0.11)
    assert log_ml_published(four)[1] == pytest.approx(log_ml_published(one)[1] / 2, rel=0.11)


def test_totals_that_are_not_there():
    log_w = np.zeros((3, 4, 10))
    assert log_ml_equal_total(log_w, n_total=40).n_samples == 40
    for given, n_total in ((log_w, 3), (log_w, 44), (log_w[:1], None)):
        with pytest.raises(InputError, match="equal totals"):
            log_ml_equal_total(given, n_total=n_total)
