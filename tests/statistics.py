"""One failure rate for every statistical test."""

import numpy as np
from scipy import stats

FAILURE_RATE = 1e-6


def assert_mean(samples, expected, *, slack: float = 0.0) -> None:
    """The mean of independent samples (n, ...) agrees with `expected` (...) at the stated failure rate.

    Entries are tested together (Bonferroni); `slack` is added to the tolerance for rounding.
    """
    samples = np.asarray(samples, dtype=np.float64)
    expected = np.broadcast_to(np.asarray(expected, dtype=np.float64), samples.shape[1:])
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    limit = stats.t.isf(FAILURE_RATE / 2 / max(expected.size, 1), len(samples) - 1)
    difference = np.abs(samples.mean(axis=0) - expected)
    worst = np.max(difference - limit * error - slack)
    assert worst <= 0, f"mean {samples.mean(axis=0)} is not {expected} within {limit:.1f} standard errors {error}"


def assert_frequencies(counts, probabilities) -> None:
    """Counts of independent draws follow `probabilities` (chi-square, rare cells pooled)."""
    counts = np.asarray(counts, dtype=np.float64).reshape(-1)
    expected = np.asarray(probabilities, dtype=np.float64).reshape(-1) * counts.sum()
    assert not counts[expected == 0].any(), "a draw that has probability zero"
    order = np.argsort(expected)
    rare = order[np.cumsum(expected[order]) < 10]
    common = np.setdiff1d(np.arange(len(expected)), rare)
    observed = np.append(counts[common], counts[rare].sum())
    wanted = np.append(expected[common], expected[rare].sum())
    keep = wanted > 0
    statistic = ((observed[keep] - wanted[keep]) ** 2 / wanted[keep]).sum()
    p_value = stats.chi2.sf(statistic, max(keep.sum() - 1, 1))
    message = f"chi-square {statistic:.1f} on {keep.sum() - 1} degrees of freedom, p = {p_value:.2g}"
    assert p_value > FAILURE_RATE, message
