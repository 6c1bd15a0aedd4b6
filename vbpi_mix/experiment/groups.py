"""Groups of particles between the mixture and the posterior, and the marginal likelihood that they give."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.special import gammaincinv

from vbpi_mix.anneal.bridge import bridged_log_ml
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.path_moves import PathMoves
from vbpi_mix.anneal.result import FROM_MIXTURE, AnnealedPosterior
from vbpi_mix.anneal.smc import Annealed, AnnealSettings, anneal, heat
from vbpi_mix.clock import time_is_up
from vbpi_mix.experiment.chains import chain_seed
from vbpi_mix.experiment.kept_annealing import KeptAnnealing
from vbpi_mix.experiment.reporter import Reporter

_FIRST_SHARE = 0.5  # the group that chooses the temperatures has so many times as many particles as the others, ...
_FEWEST_OF_FIRST = 32  # ... but not fewer than this
_ONE_WAY = 0.15  # nats: error of the log marginal likelihood up to which the way to the posterior suffices
_FEWEST_FOR_ERROR = 8  # groups
_CERTAINTY = 0.8  # that an error which was asked for is reached
_MOST = 128  # groups
_MOVES_BEFORE = 4  # the way back: it begins at trees of few chains, and some more than once
_PURPOSE_ANNEAL, _PURPOSE_HEAT = 1, 5


class _OutOfTimeError(Exception):
    """No time for another temperature."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What all groups of one annealing have in common. Groups of equal numbers are equal, however many there are.

    Arguments:
        moves: moves of the particles, and the reference that they begin at.
        settings: settings of the particles.
        seed: seed of the run.
        reporter: told about progress.
        until: `time.perf_counter()` at which annealing ends.
        kept: state that an interrupted call goes on from.
    """

    moves: PathMoves
    settings: AnnealSettings
    seed: int
    reporter: Reporter
    until: float | None
    kept: KeptAnnealing

    def annealed(self, n_groups: int) -> list[Annealed]:
        """Groups at the posterior; fewer where time is up, and none in place of one."""
        if len(self.kept.groups):
            done = min(len(self.kept.groups), n_groups + 1)  # others of those kept are on their way back
            self.reporter.message(f"annealing goes on after {done} of {n_groups + 1} groups")
        groups: list[Annealed] = []
        try:
            first = self._group(0, n_groups)
            while len(groups) < n_groups:
                groups.append(self._group(len(groups) + 1, n_groups, first))
        except _OutOfTimeError:
            if len(groups) < 2:
                return []
            self.reporter.warning(f"time is up: {len(groups)} of {n_groups} groups were annealed")
        left = np.mean([g.n_ancestors for g in groups]) / self.settings.n_particles
        self.reporter.message(
            f"{len(groups)} groups of {self.settings.n_particles} particles annealed in {len(groups[0].betas)} "
            f"temperatures; {left:.0%} of the first ancestors are left"
        )
        return groups

    def evidence(
        self, result: AnnealedPosterior, groups: list[Annealed], error: float | None = None
    ) -> AnnealedPosterior:
        """The result with a marginal likelihood from particles of both directions, where one knows it too roughly.

        Arguments:
            result: posterior trees, and the estimates of the groups.
            groups: these groups.
            error: standard error that the log marginal likelihood may have, nats. Eight groups or more pass in both
                directions then, since the spread of fewer is small by chance now and then. None: as many as there are
                do, and only where one direction may leave an error above 0.15.
        """
        value, one_way = result.log_ml
        if (error is None and _upper_limit(one_way, len(groups)) <= _ONE_WAY) or time_is_up(self.until):
            return result
        n_groups = max(len(groups), 0 if error is None else _FEWEST_FOR_ERROR)
        starts = _in_parts(result, n_groups)
        bridged: list[float] = []
        try:
            while len(bridged) < n_groups:
                bridged.append(self._bridged(len(bridged), n_groups, starts, groups))
                if error is not None and len(bridged) == n_groups:
                    n_groups = _groups_for(error, bridged)
        except _OutOfTimeError:
            if len(bridged) < len(groups):
                self.reporter.warning("time is up: the marginal likelihood comes from the way to the posterior alone")
                return result
            self.reporter.warning(f"time is up: {len(bridged)} of {n_groups} groups have passed in both directions")
        found = replace(result, group_log_ml=tuple(bridged), bridged=True)
        self.reporter.message(
            f"log marginal likelihood {value:.2f} ± {one_way:.2f} on the way to the posterior, "
            f"{found.log_ml[0]:.2f} ± {found.log_ml[1]:.2f} by {len(bridged)} groups in both directions"
        )
        return found

    def _group(self, number: int, n_groups: int, first: Annealed | None = None) -> Annealed:
        """A group by its number; it has the temperatures and the tuning of a first, smaller one."""
        n = self.settings.n_particles
        few = min(n, max(_FEWEST_OF_FIRST, round(_FIRST_SHARE * n)))
        compute = partial(
            anneal,
            self.moves,
            seed=self._seed(_PURPOSE_ANNEAL, number),
            settings=replace(self.settings, n_particles=few) if first is None else self.settings,
            betas=None if first is None else first.betas,
            tuned=None if first is None else first.tuned,
            report=self._tell("annealing", number, n_groups + 1, lambda beta: beta),
        )
        return self.kept.group(number, compute)

    def _bridged(self, number: int, n_groups: int, starts: list[Particles], groups: list[Annealed]) -> float:
        """Log marginal likelihood by a group, number from 0, and as many draws of the posterior on their way back."""
        group = groups[number] if number < len(groups) else self._group(number + 1, n_groups, groups[0])
        n = self.settings.n_particles
        seed, trees = self._seed(_PURPOSE_HEAT, number), starts[number % len(starts)]
        start = trees.take(np.random.default_rng(seed).choice(len(trees), n, replace=len(trees) < n))
        report = self._tell("back to the reference", number, n_groups, lambda beta: 1.0 - beta)
        back = partial(
            heat, self.moves, start, group, seed=seed, settings=self.settings, moves_before=_MOVES_BEFORE, report=report
        )
        return bridged_log_ml(group, self.kept.way_back(number, start, back))

    def _seed(self, purpose: int, number: int) -> np.random.SeedSequence:
        return chain_seed(self.seed, purpose).spawn(number + 1)[number]

    def _tell(self, words: str, done: int, of: int, passed: Callable[[float], float]) -> Callable[[float], None]:
        """What reports a temperature of one of several groups, and ends where there is no time for another."""

        def report(beta: float) -> None:
            self.reporter.progress(
                words, done * 100 + round(100 * passed(beta)), of * 100, f"inverse temperature {beta:.3f}"
            )
            if time_is_up(self.until):
                raise _OutOfTimeError

        return report


def _in_parts(result: AnnealedPosterior, most: int) -> list[Particles]:
    """Posterior trees in parts of whole chains, as many as there are chains but `most` at most.

    Groups that begin at parts of their own are independent of each other, so that their spread has all of the error.
    The trees of the chains of the start are left out: the reference was made of them, and knows them too well.
    """
    trees = result.take(np.flatnonzero(result.sides == FROM_MIXTURE))
    chain = np.unique(trees.chains, return_inverse=True)[1]
    n_parts = min(most, int(chain.max()) + 1)
    return [trees.particles.take(np.flatnonzero(chain % n_parts == part)) for part in range(n_parts)]


def _upper_limit(error: float, n_groups: int) -> float:
    """What the standard error of a mean is at most, given an estimate of it from the spread of so many groups."""
    return error / math.sqrt(2.0 * gammaincinv(0.5 * (n_groups - 1), 1.0 - _CERTAINTY) / (n_groups - 1))


def _groups_for(error: float, estimates: list[float]) -> int:
    """Number of groups whose mean has a standard error, if the variance is the upper limit that these estimates leave.

    Groups are added until their spread is small, which it is by chance now and then.
    """
    n = len(estimates)
    spread = _upper_limit(float(np.std(estimates, ddof=1)), n)
    return max(n, min(_MOST, math.ceil((spread / error) ** 2)))
