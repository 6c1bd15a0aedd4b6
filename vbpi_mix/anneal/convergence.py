"""Whether groups of chains agree: split frequencies, and scalars by rank-normalised R-hat and effective size.

References:
    Vehtari, Gelman, Simpson, Carpenter and Bürkner, Rank-normalization, folding, and localization: an improved R-hat,
    Bayesian Analysis 16, 2021.
    Lakner et al., Systematic Biology 57, 2008 (average standard deviation of split frequencies).
"""

import importlib
import math
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np

from vbpi_mix.anneal.trees import split_hashes
from vbpi_mix.phylo import TopologyBatch

_WINDOW = 5.0  # times the autocorrelation time
_FREQUENT = 0.1  # in one group at least, as MrBayes counts splits


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """One number of every tree, followed over chains.

    Arguments:
        name: name of the scalar.
        r_hat: rank-normalised; near 1 where chains agree.
        effective_size: effective size of all draws, bulk.
    """

    name: str
    r_hat: float
    effective_size: float


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """Agreement between groups of chains.

    Arguments:
        asdsf: average standard deviation of the frequencies, between groups, of splits with at least 0.1 in one.
        largest: largest difference of a split's frequency between two groups.
        n_splits: splits counted.
        scalars: log joint density, tree length, parameters.
        error: largest standard error of a split's frequency in all trees, see `split_times`; NaN if not known.
    """

    asdsf: float
    largest: float
    n_splits: int
    scalars: tuple[Scalar, ...] = field(default=())
    error: float = math.nan

    @property
    def r_hat(self) -> float:
        """The largest one."""
        return max((s.r_hat for s in self.scalars), default=math.nan)

    @property
    def effective_size(self) -> float:
        """The smallest one."""
        return min((s.effective_size for s in self.scalars), default=math.nan)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        values: dict[str, Any] = {"asdsf": self.asdsf, "largest_difference": self.largest, "n_splits": self.n_splits}
        if math.isfinite(self.error):
            values["largest_error"] = self.error
        return {
            **values,
            "scalars": {s.name: {k: v for k, v in asdict(s).items() if k != "name"} for s in self.scalars},
        }


@dataclass(frozen=True)
class NumberedSplits:
    """The inner splits of T topologies, numbered once for all that is asked of their frequencies.

    Arguments:
        hashes: (X,) of the distinct splits.
        number: (T, N-3) which of them each topology has.
    """

    hashes: np.ndarray
    number: np.ndarray

    @classmethod
    def of(cls, topologies: TopologyBatch) -> "NumberedSplits":
        """Those of topologies."""
        hashes, number = np.unique(split_hashes(topologies), return_inverse=True)
        return cls(hashes, number.reshape(topologies.n_trees, -1))

    @property
    def n_trees(self) -> int:
        """T."""
        return len(self.number)


def split_agreement_of_groups(splits: NumberedSplits, groups: np.ndarray) -> tuple[float, float, int]:
    """ASDSF, largest difference and number of splits, of equally weighted trees in groups.

    Arguments:
        splits: those of T trees.
        groups: (T,) group of each, from 0.
    """
    frequencies = group_frequencies(splits, groups)
    counted = frequencies[:, frequencies.max(axis=0) >= _FREQUENT]
    if not counted.shape[1] or len(counted) < 2:
        return 0.0, 0.0, counted.shape[1]
    largest = float((counted.max(axis=0) - counted.min(axis=0)).max())
    return float(counted.std(axis=0, ddof=1).mean()), largest, counted.shape[1]


def expected_asdsf(splits: NumberedSplits, size: float) -> float:
    """ASDSF that groups of `size` independent trees have by chance, of splits as frequent as in T trees."""
    share = group_frequencies(splits, np.zeros(splits.n_trees, dtype=np.int64))[0]
    share = share[share >= _FREQUENT]
    return float(np.sqrt(share * (1.0 - share) / size).mean()) if len(share) else 0.0


def as_close_as_chance(asdsf: float, wanted: float, splits: NumberedSplits, effective_trees: float) -> bool:
    """Whether an ASDSF is at most the one wanted, or the one that two groups of independent trees have by chance.

    Arguments:
        asdsf: of two groups of trees.
        wanted: small enough in any case.
        splits: those of the trees of both groups.
        effective_trees: number of independent trees, in both groups together.
    """
    return asdsf <= wanted or asdsf <= expected_asdsf(splits, 0.5 * effective_trees)


def group_frequencies(splits: NumberedSplits, groups: np.ndarray) -> np.ndarray:
    """(G, X) frequencies of all splits in each group."""
    n_groups, n_splits = int(groups.max()) + 1, len(splits.hashes)
    found = np.zeros((n_groups, n_splits))
    for g in range(n_groups):
        inside = splits.number[groups == g]
        found[g] = np.bincount(inside.reshape(-1), minlength=n_splits) / max(1, len(inside))
    return found


@dataclass(frozen=True, kw_only=True)
class SplitTimes:
    """How well chains know the frequencies of X splits.

    Arguments:
        split: (X,) hashes of the splits with frequencies of 0.1 to 0.9.
        frequency: (X,) in all trees.
        time: (X,) trees of a chain that count as one independent tree, at least 1.
        error: (X,) standard error of the frequency.
    """

    split: np.ndarray
    frequency: np.ndarray
    time: np.ndarray
    error: np.ndarray

    @property
    def largest_error(self) -> float:
        """0 where no frequency is between 0.1 and 0.9."""
        return float(self.error.max(initial=0.0))


def split_times(splits: NumberedSplits, chains: np.ndarray) -> SplitTimes:
    """Autocorrelation of the presence of splits, and the errors that follow from it.

    The sum of the autocorrelation, averaged over chains, ends where it is a fifth of the lag. The deviations are those
    from the mean of all chains, so differences between chains count as slow motion.

    Arguments:
        splits: those of T trees, in the order in which they were visited.
        chains: (T,) chain of each, from 0; some may be longer than others.

    References:
        Sokal, Monte Carlo methods in statistical mechanics, 1989 (the window of the sum).
    """
    n_trees = splits.n_trees
    share = np.bincount(splits.number.reshape(-1), minlength=len(splits.hashes)) / n_trees
    counted = np.flatnonzero((share >= _FREQUENT) & (share <= 1.0 - _FREQUENT))
    column = np.full(len(splits.hashes), -1)
    column[counted] = np.arange(len(counted))
    column = column[splits.number]
    present = np.zeros((n_trees, len(counted)), dtype=bool)
    present[np.nonzero(column >= 0)[0], column[column >= 0]] = True
    lengths = np.bincount(chains)
    n = int(lengths.max())
    away = np.zeros((len(lengths), n, len(counted)))
    for chain, rows in enumerate(np.split(np.argsort(chains, kind="stable"), np.cumsum(lengths)[:-1])):
        away[chain, : len(rows)] = present[rows] - share[counted]
    power = np.abs(np.fft.rfft(away, 2 * n, axis=1)) ** 2
    covariance = np.fft.irfft(power, axis=1)[:, :n].sum(axis=0) / n_trees  # (lags, splits)
    sums = 2.0 * np.cumsum(covariance, axis=0) / covariance[0] - 1.0
    past = _WINDOW * sums <= np.arange(n)[:, None]
    time = np.maximum(sums[np.where(past.any(axis=0), past.argmax(axis=0), n - 1), np.arange(len(counted))], 1.0)
    return SplitTimes(
        split=splits.hashes[counted],
        frequency=share[counted],
        time=time,
        error=np.sqrt(covariance[0] * time / n_trees),
    )


def separation(splits: NumberedSplits, chains: np.ndarray) -> float:
    """Ratio of the distance between chains to the distance of chains from their own past; near 1 once they mix.

    The variance between chains of the frequencies of splits, over the one that the difference between the first and
    the second half of each chain suggests. Large where chains stay in modes of their own.

    Arguments:
        splits: those of T trees, in the order in which they were visited.
        chains: (T,) chain of each, from 0.
    """
    later = np.arange(len(chains)) >= len(chains) // 2
    frequencies = group_frequencies(splits, 2 * chains + later)
    first, second = frequencies[::2], frequencies[1::2]
    mean = 0.5 * (first + second)
    counted = mean.max(axis=0) >= _FREQUENT
    between = mean[:, counted].var(axis=0, ddof=1).sum()
    within = (0.25 * (first - second) ** 2)[:, counted].mean(axis=0).sum()
    return float(between / max(within, 1e-12))


def follow(values: Mapping[str, np.ndarray]) -> tuple[Scalar, ...]:
    """R-hat and effective size of scalars, each (chains, draws)."""
    return tuple(
        Scalar(name=name, r_hat=_call("rhat", x, "rank"), effective_size=_call("ess", x, "bulk"))
        for name, x in values.items()
    )


def _call(what: str, values: np.ndarray, method: str) -> float:
    if values.shape[1] < 4 or np.ptp(values) == 0:
        return math.nan if values.shape[1] < 4 else (1.0 if what == "rhat" else float(values.size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: Any = _statistics()
        if sys.version_info >= (3, 11):
            return float(getattr(module, what)(values, chain_axis=0, draw_axis=1, method=method))
        return float(getattr(module, what)(values, method=method))


@cache
def _statistics() -> Any:
    if sys.version_info >= (3, 11):
        return importlib.import_module("arviz_stats.base").array_stats
    return importlib.import_module("arviz")
