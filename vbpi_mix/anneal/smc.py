"""From a reference density to the posterior by a sequence of temperatures: annealed importance sampling, resampled.

Particles are drawn from the reference r and moved along r^(1 - beta) p^beta. A step of beta weighs them by (p / r) to
the power of the step, which is chosen so that the conditional effective sample size keeps a given share; they are
resampled when the effective sample size falls below half, and moved by kernels that leave the new density invariant.
The product of the mean weights is an unbiased estimate of the marginal likelihood.

References:
    Neal, Annealed importance sampling, Statistics and Computing 11, 2001.
    Del Moral, Doucet and Jasra, Sequential Monte Carlo samplers, Journal of the Royal Statistical Society B 68, 2006.
    Zhou, Johansen and Aston, Toward automatic model comparison, Journal of Computational and Graphical Statistics 25,
    2016 (conditional effective sample size).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vbpi_mix.anneal.chains import PathDensity
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.path_moves import PathMoves
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.errors import NumericalError
from vbpi_mix.model import PhyloModel

_MOST_DRAWN = 200  # times the particles wanted


@dataclass(frozen=True, kw_only=True)
class AnnealSettings:
    """Settings of annealing.

    Arguments:
        n_particles: particles of a group.
        kept: conditional effective sample size, as a share, that a step of beta keeps.
        resample_below: effective sample size, as a share, below which particles are resampled.
    """

    n_particles: int = 64
    kept: float = 0.85
    resample_below: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What the particles of one group were like at each temperature but the last that they came to.

    Arguments:
        gains: (K, P) log posterior density minus log density of the reference.
        log_weights: (K, P) normalised.
    """

    gains: np.ndarray
    log_weights: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Annealed:
    """One group of particles at the posterior.

    Arguments:
        particles: equally weighted.
        log_ml: estimate of the log marginal likelihood; its exponential is unbiased.
        log_allowed: log share of the reference's draws that the constraints allow, which `log_ml` contains.
        betas: temperatures, the last is 1.
        n_ancestors: particles drawn from the reference that have descendants left.
        tuned: (temperatures, n) numbers that the moves were tuned to at each.
        passage: of the reference itself and all temperatures but the last.
    """

    particles: Particles
    log_ml: float
    log_allowed: float
    betas: tuple[float, ...]
    n_ancestors: int
    tuned: np.ndarray
    passage: Passage


class _Group:
    """Weighted particles at one place on the path."""

    def __init__(
        self,
        moves: PathMoves,
        particles: Particles,
        generators: list[np.random.Generator],
        *,
        beta: float,
        resample_below: float,
    ) -> None:
        self.moves, self.particles, self.beta = moves, particles, beta
        self.log_change = 0.0  # of the constant of the density, since the beginning
        self.ancestors = np.arange(len(particles))
        self.log_weights = np.zeros(len(particles))
        self._own, *self._others = generators
        self._resample_below = resample_below
        self._passed: list[tuple[np.ndarray, np.ndarray]] = []

    def look(self) -> np.ndarray:
        """(P,) log posterior minus log density of the reference, noted for `passage`."""
        now = self.particles
        density = PathDensity(self.moves.model, now.topologies, self.moves.reference, self.beta)
        gain = density.log_posterior(now.log_lengths, now.coordinates, now.log_likelihood)
        gain = gain - density.log_reference(now.log_lengths, now.coordinates)
        self._passed.append((gain, self.log_weights - _log_sum(self.log_weights)))
        return gain

    def weigh(self, gain: np.ndarray, beta: float, step: float) -> None:
        """Go to another temperature, a step away."""
        before = _log_sum(self.log_weights)
        self.log_weights = self.log_weights + step * gain
        self.log_change += _log_sum(self.log_weights) - before
        self.beta = beta
        if beta == 1.0 or _effective(self.log_weights) < self._resample_below * len(gain):
            chosen = systematic(np.exp(self.log_weights - _log_sum(self.log_weights)), self._own)
            self.particles, self.ancestors = self.particles.take(chosen), self.ancestors[chosen]
            self.log_weights = np.zeros(len(gain))

    def move(self, tuned: np.ndarray | None, *, adapting: bool) -> np.ndarray:
        """Move all particles; the numbers that the moves are tuned to."""
        self.particles, found = self.moves.move(
            self.particles, self._own, self._others, beta=self.beta, tuned=tuned, adapting=adapting
        )
        return found

    @property
    def passage(self) -> Passage:
        gains, log_weights = zip(*self._passed, strict=True)
        return Passage(gains=np.stack(gains), log_weights=np.stack(log_weights))


def anneal(
    moves: PathMoves,
    *,
    seed: np.random.SeedSequence,
    settings: AnnealSettings,
    betas: Sequence[float] | None = None,
    tuned: np.ndarray | None = None,
    report: Callable[[float], None] | None = None,
) -> Annealed:
    """Take one group of particles from the reference to the posterior.

    Arguments:
        moves: moves of the particles, and the reference that they begin at.
        seed: seed of all draws of this group.
        settings: settings of the particles.
        betas: temperatures, ending at 1, in place of ones chosen by the particles. Only with given ones, and moves
            that are tuned before, is the estimate exactly unbiased.
        tuned: numbers of another group that the moves are tuned to at these temperatures.
        report: called with every temperature reached.

    Raises:
        NumericalError: no particle has a positive posterior density.
    """
    n = settings.n_particles
    generators = [np.random.default_rng(s) for s in seed.spawn(n + 1)]
    particles, log_allowed = _allowed(moves.reference, moves.model, n, generators[0])
    density = PathDensity(moves.model, particles.topologies, moves.reference, 0.0)
    likelihood = density.log_likelihood(particles.log_lengths, particles.coordinates)
    particles = replace(particles, log_likelihood=likelihood)
    group = _Group(moves, particles, generators, beta=0.0, resample_below=settings.resample_below)
    passed: list[float] = []
    tuned_to: list[np.ndarray] = []
    while group.beta < 1.0:
        gain = group.look()
        if not (gain > -np.inf).any():
            raise NumericalError("annealing: no tree drawn from the reference has a positive posterior density")
        rest = 1.0 - group.beta
        given = None if betas is None else betas[len(passed)] - group.beta
        step = _next_step(group.log_weights, gain, rest, settings.kept) if given is None else given
        group.weigh(gain, 1.0 if step == rest else group.beta + step, step)
        last = tuned_to[-1] if tuned_to else None
        tuned_to.append(group.move(last if tuned is None else tuned[len(passed)], adapting=tuned is None))
        passed.append(group.beta)
        if report is not None:
            report(group.beta)
    return Annealed(
        particles=group.particles,
        log_ml=log_allowed + group.log_change,
        log_allowed=log_allowed,
        betas=tuple(passed),
        n_ancestors=len(np.unique(group.ancestors)),
        tuned=np.stack(tuned_to),
        passage=group.passage,
    )


def heat(
    moves: PathMoves,
    start: Particles,
    annealed: Annealed,
    *,
    seed: np.random.SeedSequence,
    settings: AnnealSettings,
    moves_before: int = 0,
    report: Callable[[float], None] | None = None,
) -> Passage:
    """Take particles from the posterior back to the first temperature above the reference, as the moves were tuned.

    Arguments:
        moves: moves of the particles.
        start: draws of the posterior.
        annealed: a group that came the other way.
        seed: seed of all draws.
        settings: settings of the particles.
        moves_before: moves at the posterior that come first, by which draws that were alike go apart.
        report: called with every temperature reached.

    Returns:
        What the particles were like at the temperatures of `annealed`, in the same order.
    """
    generators = [np.random.default_rng(s) for s in seed.spawn(len(start) + 1)]
    group = _Group(moves, start, generators, beta=1.0, resample_below=settings.resample_below)
    for _ in range(moves_before):
        group.move(annealed.tuned[-1], adapting=False)
    gain = group.look()
    for place in range(len(annealed.betas) - 2, -1, -1):
        beta = annealed.betas[place]
        group.weigh(gain, beta, beta - group.beta)
        group.move(annealed.tuned[place], adapting=False)
        gain = group.look()
        if report is not None:
            report(beta)
    found = group.passage
    return Passage(gains=found.gains[::-1], log_weights=found.log_weights[::-1])


def _allowed(
    reference: TreeReference, model: PhyloModel, n: int, generator: np.random.Generator
) -> tuple[Particles, float]:
    """Draws of the reference that satisfy the model's constraints, and the log of their share among all draws.

    With m draws until the n-th allowed one, (n - 1) / (m - 1) is an unbiased estimate of the share.
    """
    particles = reference.draw(n, generator)
    if model.constraints is None:
        return particles, 0.0
    kept, drawn, n_kept = [], 0, 0
    while True:
        rows = np.flatnonzero(model.allows(particles.topologies))
        if n_kept + len(rows) >= n:
            last = int(rows[n - n_kept - 1])
            kept.append(particles.take(rows[: n - n_kept]))
            return join_particles(kept), math.log((n - 1) / (drawn + last)) if drawn + last >= n else 0.0
        kept.append(particles.take(rows))
        drawn, n_kept = drawn + n, n_kept + len(rows)
        if drawn > _MOST_DRAWN * n:
            raise NumericalError("annealing: hardly any tree drawn from the reference satisfies the constraints")
        particles = reference.draw(n, generator)


def systematic(shares: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """(n,) positions, each as often as n times its share (n,), rounded up or down."""
    n = len(shares)
    places = (np.arange(n) + generator.random()) / n
    return np.minimum(np.searchsorted(np.cumsum(shares), places, side="right"), n - 1)


def pooled_log_ml(groups: list[float]) -> tuple[float, float]:
    """Log of the mean of independent estimates, and its standard error from their spread (NaN for one)."""
    values = np.array(groups)
    top = values.max()
    scaled = np.exp(values - top)
    mean = scaled.mean()
    error = scaled.std(ddof=1) / (mean * math.sqrt(len(values))) if len(values) > 1 else math.nan
    return float(top + np.log(mean)), float(error)


def _next_step(log_weights: np.ndarray, gain: np.ndarray, most: float, kept: float) -> float:
    """The step of beta, at most `most`, that keeps a share of the conditional effective sample size."""
    share = np.exp(log_weights - _log_sum(log_weights))

    def conditional(step: float) -> float:
        change = step * (gain - gain.max())
        w = np.exp(change)
        return float((share @ w) ** 2 / (share @ w**2))

    if conditional(most) >= kept:
        return most
    low, high = 0.0, most
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if conditional(middle) >= kept else (low, middle)
    return max(low, 1e-6 * most)


def _effective(log_weights: np.ndarray) -> float:
    w = np.exp(log_weights - log_weights.max())
    return float(w.sum() ** 2 / (w**2).sum())


def _log_sum(values: np.ndarray) -> float:
    return float(np.logaddexp.reduce(values))
