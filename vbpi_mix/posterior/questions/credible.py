"""Credible sets of topologies, and the smallest one that holds a given tree, drawn or not.

Topologies are ranked by a score that any topology has: their probability under the mixture. The set of those that
score at least c has the posterior probability sum_i w_i [score_i >= c] over the draws, whatever the score is, so its
level is right even where no topology is drawn twice. With a good score it is small, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.anneal.trees import clade_hashes, mixed, split_hashes
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws, probability_of

LEVELS = (0.5, 0.95, 0.99)


@dataclass(frozen=True, kw_only=True)
class CredibleSet:
    """The topologies that score best and hold a share of the posterior.

    Arguments:
        level: the share asked for.
        probability: probability of the set; more than the level where topologies are few.
        standard_error: standard error of that probability.
        n_topologies: drawn ones in it.
        n_splits: distinct inner splits of those.
        n_subsplits: distinct splits of a clade (rooted at the first taxon) of those.
        complete: whether the drawn ones are nearly all: rare ones hold little of the set.
        threshold: score of the last one.
    """

    level: float
    probability: float
    standard_error: float
    n_topologies: int
    n_splits: int
    n_subsplits: int
    complete: bool
    threshold: float


@dataclass(frozen=True, kw_only=True)
class CredibleLevel:
    """The smallest credible set that holds a topology.

    Arguments:
        better: posterior probability of all topologies that score higher.
        standard_error: standard error of that.
        equal: share of the draws that score the same: those of the topology itself, as a rule.
        drawn: whether the topology is among the draws.
    """

    better: float
    standard_error: float
    equal: float
    drawn: bool

    @property
    def level(self) -> float:
        """Probability of the set, the topology included."""
        return min(self.better + self.equal, 1.0)

    def randomised(self, uniform: float) -> float:
        """A level that is uniform under the posterior: a part of the topology's own probability added at random."""
        return min(self.better + uniform * self.equal, 1.0)


def credible_sets(
    draws: TopologyDraws, scores: np.ndarray, *, levels: Sequence[float] = LEVELS
) -> tuple[CredibleSet, ...]:
    """One for each level.

    Arguments:
        draws: T topologies.
        scores: scores of the distinct ones.
        levels: levels between 0 and 1.
    """
    p = draws.probability
    order = ranking(draws, scores)
    ladder = np.cumsum(p[order])
    times = np.bincount(draws.position, minlength=draws.distinct.n_trees)
    found = []
    for level in levels:
        count = int(np.searchsorted(ladder, level * (1 - 1e-12))) + 1
        inside = order[: min(count, len(order))]
        mass = float(min(p[inside].sum(), 1.0))
        chosen = draws.distinct[inside]
        hashes, rows = mixed(clade_hashes(chosen)), np.arange(len(inside))[:, None]
        pairs = hashes[rows, chosen.children[:, :, 0]] + hashes[rows, chosen.children[:, :, 1]]
        rare = inside[times[inside] <= 1]
        found.append(
            CredibleSet(
                level=level,
                probability=mass,
                standard_error=_error(draws, np.isin(draws.position, inside)),
                n_topologies=len(inside),
                n_splits=len(np.unique(split_hashes(chosen))),
                n_subsplits=len(np.unique(pairs)),
                complete=float(p[rare].sum()) < 0.02,
                threshold=float(scores[inside[-1]]),
            )
        )
    return tuple(found)


def ranking(draws: TopologyDraws, scores: np.ndarray) -> np.ndarray:
    """The distinct topologies in the order in which credible sets take them, as indices.

    Arguments:
        draws: T topologies.
        scores: scores of the distinct ones.
    """
    return np.lexsort((-draws.probability, -scores))


def counted(credible_set: CredibleSet) -> str:
    """The number of topologies of a set; that of those drawn is a bound where many are rare."""
    return f"{'' if credible_set.complete else 'at least '}{credible_set.n_topologies:,}"


def credible_level(draws: TopologyDraws, scores: np.ndarray, topology: np.ndarray, score: float) -> CredibleLevel:
    """Level of the smallest credible set that holds a topology.

    Arguments:
        draws: T topologies.
        scores: scores of the distinct ones.
        topology: (N-2, 2) children.
        score: score of the topology; -inf where the mixture does not have it: then it is behind all draws.
    """
    p = draws.probability
    own = (draws.distinct.children == topology).all(axis=(1, 2))
    better = (scores > score) & ~own
    equal = (scores == score) | own
    mass = float(min(p[better].sum(), 1.0))
    return CredibleLevel(
        better=mass,
        standard_error=_error(draws, better[draws.position]),
        equal=float(p[equal].sum()),
        drawn=bool(own.any()),
    )


def _error(draws: TopologyDraws, inside: np.ndarray) -> float:
    return probability_of(draws, inside).standard_error
