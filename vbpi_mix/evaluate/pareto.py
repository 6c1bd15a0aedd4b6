"""Reliability of importance weights: the shape k of their upper tail (Vehtari et al. 2024, PSIS)."""

import sys
import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vbpi_mix.errors import InputError

Verdict = Literal["good", "ok", "unreliable"]

# A generalised Pareto tail is fitted to the upper fifth of small samples, and needs five weights at least.
_FEWEST_WEIGHTS = 25


@dataclass(frozen=True, kw_only=True)
class ParetoTail:
    """The fitted tail of importance weights.

    Arguments:
        k: shape of the generalised Pareto distribution fitted to the largest weights; the weights have about 1/k
            finite moments. -inf if the largest weights are all equal (no tail at all), inf if a few weights
            stand above others that are zero or equal (too few for a fit).
        threshold: min(1 - 1/log10(n), 0.7), the largest k at which n weights give dependable estimates.
    """

    k: float
    threshold: float

    @property
    def verdict(self) -> Verdict:
        """Verdict on k: "good" below 0.5 (finite variance), "ok" up to the threshold, "unreliable" above it."""
        if self.k > self.threshold:
            return "unreliable"
        return "good" if self.k < 0.5 else "ok"

    def describe(self) -> str:
        """One sentence for people."""
        meaning = {
            "good": "the importance weights are well behaved",
            "ok": "the importance weights are usable, their errors a little larger than stated",
            "unreliable": "a few draws dominate: train longer, or do not trust the estimates and their errors",
        }[self.verdict]
        return f"Pareto k = {self.k:.2f} ({self.verdict}, threshold {self.threshold:.2f}): {meaning}"


def pareto_smooth(log_weights: np.ndarray) -> tuple[np.ndarray, ParetoTail]:
    """Replace the largest weights by the expected order statistics of the tail fitted to them.

    Arguments:
        log_weights: (n,) log importance weights, unnormalised; -inf for weight zero.

    Returns:
        (n,) smoothed log weights whose exponentials sum to 1, and the tail. Where no tail can be fitted
        (k infinite) the weights are normalised and otherwise left as they are.

    Raises:
        InputError: fewer than 25 weights, or all zero.
    """
    n = len(log_weights)
    if n < _FEWEST_WEIGHTS:
        raise InputError(f"a Pareto tail needs at least {_FEWEST_WEIGHTS} importance weights, not {n}: draw more")
    largest = log_weights.max()
    if not np.isfinite(largest):
        raise InputError("a Pareto tail cannot be fitted: no importance weight is positive and finite")
    relative = log_weights - largest
    threshold = min(1 - 1 / np.log10(n), 0.7)
    known = _shape_without_fit(relative)
    if known is not None:
        return relative - np.log(np.exp(relative).sum()), ParetoTail(k=known, threshold=threshold)
    smoothed, k = _arviz_psis(relative)
    return smoothed, ParetoTail(k=k, threshold=threshold)


def pareto_tail(log_weights: np.ndarray) -> ParetoTail:
    """The tail of log importance weights (n,); see `pareto_smooth`."""
    return pareto_smooth(log_weights)[1]


def _arviz_psis(relative: np.ndarray) -> tuple[np.ndarray, float]:
    """ArviZ's smoothing, imported where it is used because that takes a second."""
    if sys.version_info >= (3, 11):
        from arviz_stats.base.array import array_stats

        # this one takes log-likelihoods, whose negatives are the log weights of leave-one-out
        smoothed, k = array_stats.psislw(-relative)
    else:  # arviz-stats for Python 3.10 has no smoothing
        with warnings.catch_warnings():  # of its own later versions, which Python 3.10 cannot have
            warnings.simplefilter("ignore")
            from arviz import psislw  # pyright: ignore[reportMissingImports]

        smoothed, k = psislw(relative)
    return np.asarray(smoothed), float(k)


def _shape_without_fit(relative: np.ndarray) -> float | None:
    """-inf or inf where the tail cannot be fitted, else None; `relative` are log weights with maximum 0."""
    n = len(relative)
    n_tail = int(3 * n**0.5) if n > 225 else n // 5
    tail = np.exp(np.sort(relative)[n - n_tail - 1 :])
    cutoff, excess = tail[0], tail[1:] - tail[0]
    rounding = 1e-12 * cutoff
    if excess[-1] <= rounding:
        return -np.inf
    # the fit divides by the first quartile of the excesses
    return np.inf if excess[int(n_tail / 4 + 0.5) - 1] <= rounding else None
