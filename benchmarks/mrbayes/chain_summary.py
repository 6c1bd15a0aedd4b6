"""What Markov chains say of a parameter: moments, intervals, effective sample sizes, Monte-Carlo errors."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vbpi_mix.posterior.intervals import highest_density_interval


@dataclass(frozen=True, kw_only=True)
class ChainSummary:
    """One parameter over several chains of the same target.

    Arguments:
        mean, sd, median: of all values together.
        low, high: shortest interval with 95 % of them.
        ess: effective sample size, summed over the chains.
        error: Monte-Carlo standard error of the mean: sd / sqrt(ess), or what the chains' own means say if that is
            more.
        run_means: of each chain.
    """

    mean: float
    sd: float
    median: float
    low: float
    high: float
    ess: float
    error: float
    run_means: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def summarise_chains(chains: Sequence[np.ndarray]) -> ChainSummary:
    """Summarise (n,) values of each chain, burn-in left out."""
    values = np.concatenate(chains)
    means = np.array([chain.mean() for chain in chains])
    sd, ess = float(values.std(ddof=1)), sum(effective_size(chain) for chain in chains)
    between = float(means.std(ddof=1) / np.sqrt(len(chains))) if len(chains) > 1 else 0.0
    low, high = highest_density_interval(values)
    return ChainSummary(
        mean=float(values.mean()),
        sd=sd,
        median=float(np.median(values)),
        low=low,
        high=high,
        ess=ess,
        error=max(sd / np.sqrt(ess), between),
        run_means=tuple(means.tolist()),
    )


def effective_size(values: np.ndarray) -> float:
    """n / (1 + 2 sum of autocorrelations), summed as long as pairs of them are positive and made to fall.

    Geyer's initial monotone sequence (Stat. Sci. 7, 1992). A chain that does not move counts 1.

    Arguments:
        values: (n,) of one chain, n >= 4.
    """
    n = len(values)
    centred = values - values.mean()
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[:n] / n
    if covariance[0] <= 1e-14 * max(1.0, float(np.abs(values).max()) ** 2):
        return 1.0
    pairs = covariance[: n - n % 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    pairs = np.minimum.accumulate(pairs[: ends[0]] if len(ends) else pairs)
    return float(min(n, n * covariance[0] / max(2 * pairs.sum() - covariance[0], covariance[0] / n)))
