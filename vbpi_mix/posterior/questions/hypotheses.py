"""Probabilities of hypotheses on the topology, with errors and bounds, and Bayes factors against the uniform prior."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import betaincinv

from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.phylo.constraint_counts import count_topologies
from vbpi_mix.phylo.constraints import Constraint, Constraints

_FEWEST = 10.0  # effective draws on either side, below which a probability is only bounded
_LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class TopologyDraws:
    """Weighted draws of topologies, as hypotheses need them.

    Arguments:
        taxa: (N,) names.
        topologies: T of them.
        weights: (T,) that sum to 1.
        effective_size: independent draws that they are worth.
        groups: (T,) number of the chain of each, where draws of one chain depend on each other; None: independent.
    """

    taxa: tuple[str, ...]
    topologies: TopologyBatch
    weights: np.ndarray
    effective_size: float
    groups: np.ndarray | None = None

    @cached_property
    def _unique(self) -> tuple[TopologyBatch, np.ndarray]:
        return self.topologies.unique()

    @property
    def distinct(self) -> TopologyBatch:
        """The distinct topologies."""
        return self._unique[0]

    @property
    def position(self) -> np.ndarray:
        """(T,) the position of each draw among the distinct topologies."""
        return self._unique[1]

    @cached_property
    def probability(self) -> np.ndarray:
        """Share of each distinct topology."""
        return np.bincount(self.position, weights=self.weights, minlength=self.distinct.n_trees)

    def satisfied(self, constraint: Constraint) -> np.ndarray:
        """(T,) bool: which draws satisfy a constraint."""
        return constraint.satisfied(self.distinct)[self.position]


@dataclass(frozen=True, kw_only=True)
class Probability:
    """A posterior probability.

    Arguments:
        value: the estimate.
        standard_error: standard error of the probability.
        low, high: where it lies with 95%; one-sided where draws on one side are too few (`resolved`).
        resolved: whether the estimate is more than a bound.
        method: "draws", "mixture" or "Laplace".
    """

    value: float
    standard_error: float
    low: float
    high: float
    resolved: bool = True
    method: str = "draws"

    @property
    def log_odds(self) -> tuple[float, float, float]:
        """Log odds, and where they lie."""
        return _logit(self.value), _logit(self.low), _logit(self.high)


@dataclass(frozen=True, kw_only=True)
class BayesFactor:
    """Bayes factor of a hypothesis against all other allowed topologies.

    Arguments:
        log: log Bayes factor, natural logarithm; infinite where the estimated probability is 0 or 1.
        standard_error: standard error of the estimate; infinite where it is only bounded.
        low, high: where it lies with 95%; infinite on a side that is not bounded.
    """

    log: float
    standard_error: float
    low: float
    high: float

    @property
    def in_words(self) -> str:
        """The scale of Kass and Raftery (1995), by the end of the interval that is nearer to no evidence."""
        side, size = ("for", self.low) if self.low > 0 else ("against", -self.high)
        if size <= 0:
            return "no evidence either way"
        strength = next((w for bound, w in ((1, "hardly any"), (3, "positive"), (5, "strong")) if size < bound), "")
        return f"{strength or 'very strong'} evidence {side} it"


def probability_of(draws: TopologyDraws, satisfied: np.ndarray) -> Probability:
    """The share of the weight of some draws.

    The standard error is that of weighted frequencies, sqrt(sum w^2 (1 - p)^2), and for chains the larger of the
    binomial one at the effective size and the spread of the chains. Where fewer than ten effective draws satisfy the
    hypothesis, or its opposite, the probability is bounded: by the exact binomial interval of the effective size, or
    the estimate and 1.645 standard errors where that is farther.

    Arguments:
        draws: T of them.
        satisfied: (T,) bool.
    """
    w, size = draws.weights, max(draws.effective_size, 1.0)
    p = float(min(w[satisfied].sum(), 1.0))
    if not (~satisfied).any():
        p = 1.0
    error = math.sqrt(float((w[satisfied] ** 2).sum()) * (1 - p) ** 2 + float((w[~satisfied] ** 2).sum()) * p**2)
    if draws.groups is not None:
        error = max(math.sqrt(p * (1 - p) / size), _spread(draws, satisfied, p))
    with_it, without = (_effective(w[rows], w, size, draws.groups is None) for rows in (satisfied, ~satisfied))
    tail = 1 - _LEVEL
    if min(with_it, without) >= _FEWEST:
        reach = 1.96 * error
        return Probability(value=p, standard_error=error, low=max(p - reach, 0.0), high=min(p + reach, 1.0))
    k = p * size
    if with_it < without:
        high = max(float(betaincinv(k + 1, max(size - k, 1e-9), _LEVEL)), min(p + 1.645 * error, 1.0))
        return Probability(value=p, standard_error=error, low=0.0, high=high, resolved=False)
    low = min(float(betaincinv(max(k, 1e-9), size - k + 1, tail)), max(p - 1.645 * error, 0.0))
    return Probability(value=p, standard_error=error, low=low, high=1.0, resolved=False)


def complement(p: Probability) -> Probability:
    """Answer for the opposite hypothesis."""
    return Probability(
        value=1 - p.value,
        standard_error=p.standard_error,
        low=1 - p.high,
        high=1 - p.low,
        resolved=p.resolved,
        method=p.method,
    )


def bayes_factor(posterior: Probability, prior: float) -> BayesFactor:
    """Posterior odds over prior odds.

    Arguments:
        posterior: posterior probability of the hypothesis.
        prior: prior probability of the hypothesis, between 0 and 1; NaN comes out where it is 0 or 1.
    """
    if not 0.0 < prior < 1.0:
        return BayesFactor(log=math.nan, standard_error=math.nan, low=math.nan, high=math.nan)
    centre, low, high = (x - _logit(prior) for x in posterior.log_odds)
    p = posterior.value
    error = posterior.standard_error / (p * (1 - p)) if posterior.resolved and 0 < p < 1 else math.inf
    return BayesFactor(log=centre, standard_error=error, low=low, high=high)


def prior_probability(hypotheses: Sequence[Constraint], given: Constraints | None = None) -> tuple[float, float]:
    """Prior probability of hypotheses together under uniform topologies, with a standard error where they were sampled.

    Arguments:
        hypotheses: constraints, one at least.
        given: constraints that the topologies satisfy in any case.

    Raises:
        InputError: topologies cannot be counted, see `count_topologies`.
    """
    whole = given or Constraints(taxa=hypotheses[0].taxa)
    part, total = count_topologies(whole.also(*hypotheses)), count_topologies(whole)
    value = math.exp(part.log - total.log)
    return value, value * math.hypot(part.relative_error, total.relative_error)


def _effective(some: np.ndarray, every: np.ndarray, size: float, independent: bool) -> float:
    """Effective number of draws among some: of their own weights, but no more than they are of all but for rarity."""
    if not len(some) or not some.any():
        return 0.0
    own = float(some.sum() ** 2 / (some**2).sum())
    return own if independent else float(some.sum() / every.sum()) * size


def _spread(draws: TopologyDraws, satisfied: np.ndarray, p: float) -> float:
    """Standard error of a share from the shares of chains."""
    assert draws.groups is not None
    number = np.unique(draws.groups, return_inverse=True)[1]
    mass = np.bincount(number, weights=draws.weights)
    share = np.bincount(number, weights=draws.weights * satisfied) / mass
    n = len(mass)
    if n < 2:
        return 0.0
    return math.sqrt(n / (n - 1) * float((mass**2 * (share - p) ** 2).sum())) / float(mass.sum())


def _logit(p: float) -> float:
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p) - math.log1p(-p)
