"""Chains of local moves from several starts, run until groups of them agree."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.anneal.chains import PathDensity, Scaling, Walker
from vbpi_mix.anneal.convergence import Convergence, follow, split_agreement_of_groups
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.errors import ConfigError
from vbpi_mix.model import PhyloModel

_CLIMBS = 4  # greedy rounds before sampling begins
_LOOK_EVERY = 25  # rounds


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """How long chains run.

    Arguments:
        n_chains: chains; odd ones and even ones are the two groups that must agree.
        burn_in: share of the rounds that is left out, as MrBayes does.
        adapting: rounds, at the beginning, in which steps are tuned.
        fewest, most: rounds.
        asdsf: chains end when the groups' split frequencies are this close, see `convergence`, ...
        r_hat: ... the R-hat of log joint, tree length and all parameters is at most this ...
        effective_size: ... and their effective sizes are at least this.
        many: Effective size from which twice the ASDSF will do.
        most_kept: trees kept; beyond, every second one is dropped.
        scalings: steps of the parameters and the tree length a round, ...
        scalings_per_coordinate: ... or so many for each coordinate of the parameters, if that is more.

    Raises:
        ConfigError: a number out of range.
    """

    n_chains: int = 8
    burn_in: float = 0.25
    adapting: int = 50
    fewest: int = 200
    most: int = 20_000
    asdsf: float = 0.01
    r_hat: float = 1.05
    effective_size: float = 200.0
    many: float = 1000.0
    most_kept: int = 8_000
    scalings: int = 6
    scalings_per_coordinate: float = 1.5

    def __post_init__(self) -> None:
        if self.n_chains < 2 or not 1 <= self.fewest <= self.most or not 0 <= self.burn_in < 1:
            raise ConfigError(f"sampler: a number is out of range in {self}")


@dataclass(frozen=True, kw_only=True)
class ChainSample:
    """Equally weighted trees of all chains after burn-in.

    Arguments:
        particles: T trees, round by round.
        chains: (T,) chain of each.
        log_joint: (T,) log density of data, tree, log lengths and coordinates.
        convergence: how far the two groups of chains agree.
        converged: whether they agreed as far as was asked for; if not, rounds or time were up.
        n_rounds: of each chain.
        typical: (2,) that the moves were made with.
        scaling: steps of the parameters, tuned.
    """

    particles: Particles
    chains: np.ndarray
    log_joint: np.ndarray
    convergence: Convergence
    converged: bool
    n_rounds: int
    typical: np.ndarray
    scaling: Scaling


@dataclass(frozen=True, kw_only=True)
class Look:
    """What chains report of themselves.

    Arguments:
        n_rounds: done.
        convergence: so far.
        mean_log_joint: of the last rounds.
    """

    n_rounds: int
    convergence: Convergence
    mean_log_joint: float


class Chains:
    """Markov chains that can be run on.

    Arguments:
        walker: moves trees.
        starts: one particle for each chain, in any state.
        seed: of all draws.
        settings: how long they run.
        climb: go uphill before sampling.
    """

    def __init__(
        self,
        walker: Walker,
        starts: Particles,
        *,
        seed: np.random.SeedSequence,
        settings: SamplerSettings,
        climb: bool = True,
    ) -> None:
        self.walker, self.settings = walker, settings
        own, *others = seed.spawn(len(starts) + 1)
        self._generator = np.random.default_rng(own)
        self._generators = [np.random.default_rng(s) for s in others]
        self.scaling = Scaling(walker.model)
        self.particles = starts
        self.typical = typical_lengths(starts.log_lengths)
        self.n_rounds = 0
        self._scalings = max(settings.scalings, round(settings.scalings_per_coordinate * walker.model.parameters.n_coordinates))
        self._every = 1
        self._adapting_until = settings.adapting
        self._left_out = 0
        self._kept: list[tuple[int, Particles, np.ndarray]] = []
        if climb:
            self.particles = walker.move(starts, self._generators, rounds=_CLIMBS, typical=self.typical, greedy=True)
        self.typical = typical_lengths(self.particles.log_lengths)

    def run(self, n_rounds: int, stop: Callable[[], bool] | None = None) -> None:
        """Go on for so many rounds, or until `stop` says so."""
        settings = self.settings
        for _ in range(n_rounds):
            adapting = self.n_rounds < self._adapting_until
            moved = self.walker.move(self.particles, self._generators, rounds=1.0, typical=self.typical)
            if adapting:
                if self.n_rounds == settings.adapting // 3:  # what came before is on the way down from the starts
                    self.scaling.forget()
                    self.typical = typical_lengths(moved.log_lengths)
                self.scaling.learn(moved)
            self.particles = self.scaling.move(moved, self._generator, adapting=adapting, steps=self._scalings)
            self.n_rounds += 1
            if self.n_rounds % self._every == 0:
                self._keep()
            if stop is not None and stop():
                break

    def tune_again(self) -> None:
        """Tune the steps by the trees kept so far, which are left out of the sample then."""
        self.scaling.forget()
        for _, particles, _ in self._kept:
            self.scaling.learn(particles)
        self._adapting_until = self.n_rounds + self.settings.adapting // 2
        self._left_out = self._adapting_until

    def sample(self) -> ChainSample:
        """The trees kept after burn-in."""
        kept = [k for k in self._kept if k[0] > self._burnt] or self._kept[-1:]
        particles = join_particles([k[1] for k in kept])
        log_joint = np.concatenate([k[2] for k in kept])
        n = len(self.particles)
        chains = np.tile(np.arange(n), len(kept))
        asdsf, largest, n_splits = split_agreement_of_groups(particles.topologies, chains % 2)
        convergence = Convergence(
            asdsf=asdsf, largest=largest, n_splits=n_splits, scalars=follow(self._scalars(particles, log_joint, n))
        )
        return ChainSample(
            particles=particles,
            chains=chains,
            log_joint=log_joint,
            convergence=convergence,
            converged=self._good(convergence),
            n_rounds=self.n_rounds,
            typical=self.typical,
            scaling=self.scaling,
        )

    def _keep(self) -> None:
        now = self.particles
        density = PathDensity(self.walker.model, now.topologies, None, 1.0)
        self._kept.append(
            (self.n_rounds, now, density.log_posterior(now.log_lengths, now.coordinates, now.log_likelihood))
        )
        self._kept = [k for k in self._kept if k[0] > self._burnt] or self._kept[-1:]
        if len(self._kept) * len(now) > self.settings.most_kept:
            self._every *= 2
            self._kept = [k for k in self._kept if k[0] % self._every == 0]

    @property
    def _burnt(self) -> float:
        """The last round that is left out."""
        return max(self._left_out, self.settings.burn_in * self.n_rounds)

    def _scalars(self, particles: Particles, log_joint: np.ndarray, n_chains: int) -> dict[str, np.ndarray]:
        columns = scalars_of(self.walker.model, particles, log_joint)
        return {name: x.reshape(-1, n_chains).T for name, x in columns.items()}

    def _good(self, found: Convergence) -> bool:
        settings = self.settings
        # where all splits are rare, ASDSF is the noise of the sample before it is anything else
        noisy = found.effective_size >= settings.many and found.asdsf <= 2 * settings.asdsf
        return (
            (found.asdsf <= settings.asdsf or noisy)
            and found.r_hat <= settings.r_hat
            and found.effective_size >= settings.effective_size
        )


def scalars_of(model: PhyloModel, particles: Particles, log_joint: np.ndarray) -> dict[str, np.ndarray]:
    """(T,) each of log joint density, tree length and parameters of T particles."""
    columns = {"log joint": log_joint, "tree length": np.exp(particles.log_lengths).sum(axis=1)}
    space = model.parameters
    if space.n_coordinates:
        with torch.no_grad():
            values = space.values(torch.from_numpy(particles.coordinates)).numpy()
        columns |= dict(zip(space.names, values.T, strict=True))
    return columns


def run_chains(
    chains: Chains,
    *,
    until: float | None = None,
    report: Callable[[Look], None] | None = None,
) -> ChainSample:
    """Run chains until they agree, or rounds or time are up.

    Arguments:
        chains: begun.
        until: `time.perf_counter()` at which to end.
        report: called between rounds.
    """
    settings = chains.settings
    next_look = max(settings.fewest, chains.n_rounds + 1)
    tuned = False

    def late() -> bool:
        return until is not None and time.perf_counter() > until

    while True:
        chains.run(min(max(_LOOK_EVERY, chains.n_rounds // 10), next_look - chains.n_rounds), stop=late)
        over = late() or chains.n_rounds >= settings.most
        if report is None and chains.n_rounds < next_look and not over:
            continue
        found = chains.sample()
        if report is not None:
            report(
                Look(
                    n_rounds=chains.n_rounds,
                    convergence=found.convergence,
                    mean_log_joint=float(found.log_joint[-len(chains.particles) :].mean()),
                )
            )
        if over or (chains.n_rounds >= next_look and found.converged):
            return found
        if chains.n_rounds >= next_look:
            if not tuned and found.convergence.r_hat > settings.r_hat:
                chains.tune_again()  # the steps were tuned on the way to the posterior
                tuned = True
                next_look = chains.n_rounds + (settings.adapting + settings.fewest) // 2
                continue
            next_look = min(settings.most, max(chains.n_rounds + _LOOK_EVERY, round(1.2 * chains.n_rounds)))
