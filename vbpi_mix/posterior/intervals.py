"""Medians and shortest intervals of weighted values."""

import numpy as np

from vbpi_mix.errors import InputError

# Sums of rounded weights may fall short of the mass that they make up by this share.
_ROUNDING = 1e-12


def weighted_median(values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The middle of the values that have half of the weight on each side.

    With equal weights the usual median: of an even number of values the mean of the two in the middle. With others the
    value at which the cumulative weight passes one half, and the mean of two neighbours where it is one half between
    them.

    Arguments:
        values: (n,) finite numbers.
        weights: (n,) not negative, up to a constant; equal if not given.

    Raises:
        InputError: no value of positive weight, or a weight that is negative or not finite.
    """
    ordered, cumulative = _ordered(values, weights)
    half = cumulative[-1] / 2
    slack = _ROUNDING * cumulative[-1]
    low = int(np.searchsorted(cumulative, half - slack, side="left"))
    high = int(np.searchsorted(cumulative, half + slack, side="right"))
    return float((ordered[low] + ordered[min(high, len(ordered) - 1)]) / 2)


def highest_density_interval(
    values: np.ndarray, weights: np.ndarray | None = None, *, mass: float = 0.95
) -> tuple[float, float]:
    """The shortest interval between two of the values that holds at least `mass` of the weight.

    For equal weights that is the interval of Chen and Shao (J. Comput. Graph. Stat. 8, 1999). Of several equally short
    ones the lowest is given. A density with several peaks has one interval here all the same.

    Arguments:
        values: (n,) finite numbers.
        weights: (n,) not negative, up to a constant; equal if not given.
        mass: share of the weight, above 0 and at most 1.

    Returns:
        Lower and upper end, both among the values.

    Raises:
        InputError: as `weighted_median`, or a mass outside (0, 1].
    """
    if not 0 < mass <= 1:
        raise InputError(f"an interval must hold a share of the weight above 0 and at most 1, not {mass}")
    ordered, cumulative = _ordered(values, weights)
    before = np.concatenate([[0.0], cumulative[:-1]])
    needed = before + (mass - _ROUNDING) * cumulative[-1]
    last = np.searchsorted(cumulative, needed, side="left")  # the first value that completes the mass
    starts = np.flatnonzero(last < len(ordered))
    widths = ordered[last[starts]] - ordered[starts]
    best = int(starts[widths.argmin()])
    return float(ordered[best]), float(ordered[last[best]])


def _ordered(values: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Values of positive weight in rising order, and their cumulative weights."""
    values = np.asarray(values, dtype=np.float64)
    given = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if given.shape != values.shape or not (np.isfinite(given) & (given >= 0)).all():
        raise InputError("weights of values must be finite, not negative, and as many as the values")
    used = given > 0
    if not used.any():
        raise InputError("a median or an interval needs at least one value of positive weight")
    values, given = values[used], given[used]
    order = np.argsort(values, kind="stable")
    return values[order], np.cumsum(given[order])
