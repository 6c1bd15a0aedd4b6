"""Tree length and parameters of the substitution model, summed up from weighted draws.

With normalised weights w the mean is m = sum_i w_i x_i. The delta method for self-normalised importance sampling gives
it the standard error sqrt(sum_i w_i^2 (x_i - m)^2); the effective sample size of a parameter is the number of
independent draws whose mean has the same error, sum_i w_i (x_i - m)^2 / sum_i w_i^2 (x_i - m)^2. It is the number of
draws where all weigh the same.
"""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.intervals import highest_density_interval, weighted_median

TREE_LENGTH = "TL"


@dataclass(frozen=True, kw_only=True)
class ParameterSummary:
    """Moments and intervals of n numbers of a posterior.

    Arguments:
        names: (n,) MrBayes's; the first is `TL`, the sum of all branch lengths.
        mean: (n,).
        sd: (n,) posterior standard deviations.
        median: (n,).
        low, high: (n,) ends of the 95 % highest-density intervals.
        effective_sample_size: (n,) of each mean.
    """

    names: tuple[str, ...]
    mean: np.ndarray
    sd: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    effective_sample_size: np.ndarray

    @property
    def n_model_parameters(self) -> int:
        """Number of parameters besides the tree length."""
        return len(self.names) - 1

    def to_dict(self) -> dict[str, dict[str, float]]:
        """The numbers by name, ready for JSON."""
        return {name: self.row(i) for i, name in enumerate(self.names)}

    def row(self, i: int) -> dict[str, float]:
        """The numbers of one."""
        return {
            "mean": float(self.mean[i]),
            "sd": float(self.sd[i]),
            "median": float(self.median[i]),
            "hpd_low": float(self.low[i]),
            "hpd_high": float(self.high[i]),
            "effective_sample_size": float(self.effective_sample_size[i]),
        }


def summarise_parameters(draws: PosteriorDraws) -> ParameterSummary:
    """Tree length and parameters of weighted draws."""
    names, values = parameter_table(draws)
    return summarise_columns(names, values, draws.weights())


def parameter_table(draws: PosteriorDraws) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and (T, n) values of tree length and parameters."""
    total = draws.branch_lengths.sum(axis=1)
    return (TREE_LENGTH, *draws.parameter_names), np.column_stack([total, draws.parameters])


def summarise_columns(
    names: tuple[str, ...], values: np.ndarray, weights: np.ndarray | None = None
) -> ParameterSummary:
    """The same of (T, n) values with (T,) weights that sum to 1; equal ones if not given."""
    w = np.full(len(values), 1 / len(values)) if weights is None else weights
    mean = w @ values
    squares = (values - mean) ** 2
    variance, error = w @ squares, w**2 @ squares
    # a number that does not vary is known from any draw: Kish's size of the weights
    size = np.divide(variance, error, out=np.full(len(names), 1 / float(w @ w)), where=error > 0)
    intervals = np.array([highest_density_interval(column, w) for column in values.T])
    return ParameterSummary(
        names=names,
        mean=mean,
        sd=np.sqrt(variance),
        median=np.array([weighted_median(column, w) for column in values.T]),
        low=intervals[:, 0],
        high=intervals[:, 1],
        effective_sample_size=size,
    )
