"""Growing a list of topologies until little of the posterior is missing: climbs, neighbours, and draws.

Topologies enter for certain, because they were candidates or near others, or by chance, drawn from networks fitted to
those before. With w the Laplace evidence, K the topologies that are in for certain and pi(t) the probability that
some round draws t, the Horvitz-Thompson estimate

    evidence = sum over K of w + sum over drawn t outside K of w(t) / pi(t)

is the list's own sum where the list is (nearly) complete, and importance sampling with the branch lengths integrated
out where the posterior is flat. The missing mass of a round is the share of its new topologies in such an estimate
that counts everything known before it as certain. Rounds choose their proposal, and neighbourhoods are chosen, by what
was found before, so the estimate is not exactly unbiased (as in any adaptive importance sampling), and it says
nothing on topologies that the networks cannot draw. For these the surroundings of draws are searched (`explore`), and
what is found there enters for certain, and the next proposal with the share of the posterior that it seems to have.

References:
    Horvitz and Thompson, A generalization of sampling without replacement from a finite universe, JASA 1952.
    Cornuet, Marin, Mira and Robert, Adaptive multiple importance sampling, Scandinavian Journal of Statistics 2012.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.clock import Clock, OutOfTimeError
from vbpi_mix.io.kept_results import KeptResults
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.start.climb import climb, neighbours
from vbpi_mix.start.explore import explore
from vbpi_mix.start.growth_settings import GrowthSettings
from vbpi_mix.start.proposal import Inclusion, fit_proposal, log_inclusion
from vbpi_mix.start.topology_pool import TopologyPool
from vbpi_mix.start.weights import WeightedTopologies, weighted_topologies
from vbpi_mix.support import build_support

Report = Callable[[str], None]
Progress = Callable[[int, int, str], None]
_INTEGRATED_WITHIN = 8.0  # nats; topologies further below get an approximate correction
_MOST_FITTED = 20_000  # topologies that a proposal is fitted to
_FEWEST = 16  # candidates that are weighed however little time there is
_SEARCHED_AT_ONCE = 100  # draws, between looks at what was found


@dataclass(frozen=True, kw_only=True)
class Round:
    """Result of one round of draws.

    Arguments:
        n_topologies: number of topologies in the list after the round.
        n_new: drawn ones that were not in the list.
        missing: estimated share of the posterior that was not in the list before it.
        unsupported: share of the posterior that the last draws searched before it found outside the support; an
            upper estimate of what is still outside and near, since what is found is in the support from then on.
        standard_error: upper bound of that of a frequency after it, d / (2 sqrt(m)) with d the share of the weight
            that rests on draws and m their effective number; growth that adapts to its draws is not in it.
    """

    n_topologies: int
    n_new: int
    missing: float
    unsupported: float
    standard_error: float


@dataclass(frozen=True, kw_only=True)
class Growth:
    """A grown list.

    Arguments:
        weighted: topologies with weights; `weighted.laplace.log_weight` are evidences, `weighted.sample.weights`
            probabilities in which drawn topologies stand for those that were not drawn.
        rounds: one after the other.
        drawn_share: share of the weight that was estimated from draws.
        effective_draws: their effective number (sum of weights squared over sum of squared weights).
        log_evidence: log marginal likelihood of the model, branch lengths by Laplace's method, the uniform topology
            prior included.
        n_weighed: topologies that were optimised, kept or not.
        n_evaluations: number of evaluations of likelihood and gradient.
        complete: whether the search ended by its own rules, not because time was up.
    """

    weighted: WeightedTopologies
    rounds: tuple[Round, ...]
    drawn_share: float
    effective_draws: float
    log_evidence: float
    n_weighed: int
    n_evaluations: int
    complete: bool = True

    @property
    def missing(self) -> float:
        """The last round's estimate; NaN without rounds."""
        return self.rounds[-1].missing if self.rounds else float("nan")

    @property
    def standard_error(self) -> float:
        """The last round's; NaN without rounds."""
        return self.rounds[-1].standard_error if self.rounds else float("nan")


def grow_topologies(
    model: PhyloModel,
    candidates: TreeSample,
    *,
    generator: torch.Generator,
    settings: GrowthSettings | None = None,
    report: Report | None = None,
    progress: Progress | None = None,
    until: float | None = None,
    results: KeptResults | None = None,
) -> Growth:
    """Weigh candidates, look around the good ones, and draw until little is missing; see the module's text.

    Arguments:
        model: likelihood and priors.
        candidates: distinct topologies; their frequencies are not used.
        generator: random generator for the draws.
        settings: limits of the search.
        report: told in words what was found.
        progress: called with (steps done, their largest number, words) while it goes.
        until: `time.perf_counter()` at which to end with what there is.
        results: store of slow results, so that a search done again with the same model takes little time.
    """
    settings = settings or GrowthSettings()
    state = _Growing(model, settings, report or (lambda _: None), progress, until, results)
    try:
        _search(state, candidates, generator)
    except OutOfTimeError:
        state.give_up(candidates.topologies)
    return state.result(candidates.taxa)


def _search(state: "_Growing", candidates: TreeSample, generator: torch.Generator) -> None:
    state.begin(candidates.topologies)
    state.look_around(state.settings.max_neighbourhoods // 2)
    state.explore(generator)
    for number in range(state.settings.max_rounds):
        state.draw(generator)
        if state.finished:
            break
        if number + 1 < state.settings.max_rounds:
            state.look_around(state.settings.max_neighbourhoods // (2 * state.settings.max_rounds))
            state.explore(generator)


class _Growing:
    def __init__(
        self,
        model: PhyloModel,
        settings: GrowthSettings,
        report: Report,
        progress: Progress | None = None,
        until: float | None = None,
        results: KeptResults | None = None,
    ) -> None:
        self.pool = TopologyPool(model, Clock(until, self._alive), results)
        self._progress = progress
        self._step, self._words = 0, "candidates"
        self._complete = True
        self.settings = settings
        self.report = report
        self.certain = np.empty(0, dtype=bool)
        self.inclusion = Inclusion()
        self.rounds: list[Round] = []
        self._looked: set[int] = set()
        self._explored: set[int] = set()
        self._hints = np.empty(0)  # shares that searches found at topologies
        self._unsupported = float("nan")  # before any search

    def _alive(self) -> None:
        if self._progress is not None:
            n_steps = 4 + 3 * self.settings.max_rounds
            self._progress(min(self._step, n_steps), n_steps, f"{self._words}: {len(self.pool):,} topologies weighed")

    def _next(self, words: str) -> None:
        self._step, self._words = self._step + 1, words
        self._alive()

    def give_up(self, topologies: TopologyBatch) -> None:
        """Make a whole of what has been found when the time is up."""
        pool = self.pool
        self._complete = False
        if not len(pool):  # not even the candidates
            pool.clock = Clock()
            pool.add(topologies[:_FEWEST])
            pool.clock = Clock(0.0)
        self._enter_for_certain(np.arange(len(self.certain), len(pool)))
        self.report(f"time is up: the search for topologies ends with {len(pool):,}, before it was done")

    def begin(self, topologies: TopologyBatch) -> None:
        settings, pool = self.settings, self.pool
        positions = pool.add(topologies)
        self.report(f"{len(pool):,} candidates optimised")
        best = positions[np.argsort(-pool.log_density[positions], kind="stable")]
        if settings.n_climbs:
            self._next("climbs")
            optima = climb(pool, best[: settings.n_climbs])
            if settings.n_wide_climbs and settings.radius > 1:
                optima = climb(pool, optima[: settings.n_wide_climbs], radius=settings.radius)
            self.report(f"climbs: {len(pool):,} topologies seen, {len(optima):,} optima")
        self._enter_for_certain(np.arange(len(pool)))

    def look_around(self, at_most: int) -> None:
        """Weigh the neighbours of the heaviest topologies, the heaviest first, until they hold enough."""
        self._next("neighbours")
        left = at_most
        while left > 0:
            share = np.exp(self.log_share())
            order = np.argsort(-share, kind="stable")
            needed = order[np.cumsum(share[order]) - share[order] < self.settings.covered]
            ahead = [p for p in needed.tolist() if p not in self._looked][: min(left, 1 + left // 4)]
            if not ahead:
                break
            self._looked.update(ahead)
            left -= len(ahead)
            self._enter_for_certain(self.pool.add(self.pool.allowed(neighbours(self.pool.topologies[ahead], 1))))
        self.report(f"neighbours: {len(self.pool):,} topologies, {len(self._looked):,} neighbourhoods seen")

    def explore(self, generator: torch.Generator) -> None:
        """Search the surroundings of draws for what the support cannot represent, until little is found."""
        settings, pool = self.settings, self.pool
        if not settings.n_explored:
            return
        self._next("surroundings of draws")
        n_draws = n_screened = n_found = 0
        for first in range(0, settings.n_explored, _SEARCHED_AT_ONCE):
            share = np.exp(self.log_share())
            n = min(_SEARCHED_AT_ONCE, settings.n_explored - first)
            places = (np.arange(n) + torch.rand(1, generator=generator).item()) / n
            parents, times = np.unique(np.searchsorted(np.cumsum(share), places * share.sum()), return_counts=True)
            new = np.array([p not in self._explored for p in parents.tolist()])
            self._explored.update(parents.tolist())
            found = explore(
                pool,
                build_support(pool.topologies[self._kept(share)]),
                parents[new],
                times[new] / n,
                radius=settings.explored_radius,
                within=settings.explored_within,
            )
            self._enter_for_certain(found.positions)
            self._hints[found.positions] += found.shares
            self._unsupported = found.share
            n_draws, n_screened = n_draws + int(new.sum()), n_screened + found.n_screened
            n_found += len(found.positions)
            if found.share < settings.unsupported:
                break
        self.report(
            f"search: {n_screened:,} neighbours of {n_draws:,} draws were outside the support, {n_found:,} of them "
            f"enter; the last draws found {self._unsupported:.2%} of the posterior at most"
        )

    def draw(self, generator: torch.Generator) -> None:
        """One round: fit, draw, weigh the new ones, estimate what was missing."""
        self._next(f"round {len(self.rounds) + 1}")
        settings, pool = self.settings, self.pool
        share = np.maximum(np.exp(self.log_share()), self._hints)
        keep = np.flatnonzero(self._kept(share))
        fitted = share[keep]
        # the others give the proposal its support only
        fitted[np.argsort(-fitted, kind="stable")[_MOST_FITTED:]] = 0.0
        proposal = fit_proposal(
            pool.topologies[keep],
            fitted,
            n_components=settings.n_components,
            n_draws=settings.n_draws,
            pseudo_count=settings.pseudo_count,
            generator=generator,
            until=pool.clock.until,
        )
        before = len(pool)
        found = np.unique(pool.add(pool.allowed(proposal.draw(generator))))
        new = found[found >= before]
        self._integrate()
        self._lengthen(False)
        self.inclusion.add(proposal)
        log_weight = pool.log_weight()
        known = _log_sum(log_weight[:before])
        outside = _log_sum(log_weight[new] - log_inclusion([proposal], pool.topologies[new]))
        missing = float(np.exp(outside - np.logaddexp(known, outside)))
        share, effective = self.drawn()
        error = share / (2.0 * np.sqrt(effective)) if effective else 0.0
        self.rounds.append(
            Round(
                n_topologies=len(pool),
                n_new=len(new),
                missing=missing,
                unsupported=self._unsupported,
                standard_error=float(error),
            )
        )
        self.report(
            f"round {len(self.rounds)}: {len(new):,} of {len(found):,} drawn are new, {missing:.2%} was missing"
        )

    @property
    def finished(self) -> bool:
        last, settings = self.rounds[-1], self.settings
        if last.unsupported >= settings.unsupported:
            return False
        return last.missing < settings.missing or last.standard_error < settings.standard_error

    def drawn(self) -> tuple[float, float]:
        """Share of the weight that rests on draws, and their effective number."""
        share = np.exp(self.log_share())[~self.certain]
        return float(share.sum()), float(share.sum() ** 2 / (share**2).sum()) if share.any() else 0.0

    def log_share(self) -> np.ndarray:
        """(T,) log share of the weight of each topology in the list, drawn ones standing for others too."""
        weight = self.pool.log_weight()
        drawn = np.flatnonzero(~self.certain)
        if len(drawn):
            weight[drawn] -= self.inclusion.log_probability(self.pool.topologies, drawn)
        return weight - _log_sum(weight)

    def result(self, taxa: tuple[str, ...]) -> Growth:
        pool = self.pool
        log_share = self.log_share()
        share = np.exp(log_share)
        keep = np.flatnonzero(self._kept(share))
        drawn_share, effective_draws = self.drawn()
        evidence = pool.log_weight()[0] - (log_share[0] if self.certain[0] else 0.0)
        weighted = weighted_topologies(
            taxa, pool.topologies[keep], pool.modes().take(keep), pool.laplace().take(keep), log_share[keep]
        )
        return Growth(
            weighted=weighted,
            rounds=tuple(self.rounds),
            drawn_share=drawn_share,
            effective_draws=effective_draws,
            log_evidence=float(evidence) + pool.model.log_topology_prior,
            n_weighed=len(pool),
            n_evaluations=pool.n_evaluations,
            complete=self._complete,
        )

    def _kept(self, share: np.ndarray) -> np.ndarray:
        return (share >= min(self.settings.negligible, share.max())) | (self._hints > 0)

    def _enter_for_certain(self, positions: np.ndarray) -> None:
        self._lengthen(True)
        self.certain[positions] = True
        self._integrate()

    def _lengthen(self, certain: bool) -> None:
        more = len(self.pool) - len(self.certain)
        self.certain = np.concatenate([self.certain, np.full(more, certain)])
        self._hints = np.concatenate([self._hints, np.zeros(more)])

    def _integrate(self) -> None:
        self.pool.integrate(within=_INTEGRATED_WITHIN, at_most=_MOST_FITTED)


def _log_sum(values: np.ndarray) -> float:
    return float(np.logaddexp.reduce(values)) if len(values) else -np.inf
