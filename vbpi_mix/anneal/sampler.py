"""Chains of local moves from several starts, run until groups of them agree."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vbpi_mix.anneal.block_kernels import Redraws
from vbpi_mix.anneal.chains import ParameterSpread, PathDensity, Scaling, Walker
from vbpi_mix.anneal.convergence import (
    Convergence,
    NumberedSplits,
    SplitTimes,
    as_close_as_chance,
    follow,
    separation,
    split_agreement_of_groups,
    split_times,
)
from vbpi_mix.anneal.ladder import Ladder
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.search import Search
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.anneal.tree_reference import TreeReference, load_redraws, redraws_arrays
from vbpi_mix.errors import ConfigError
from vbpi_mix.felsenstein.local.rows import BLOCK
from vbpi_mix.model import PhyloModel

_LOG_JOINT = "log joint"
_CLIMBS = 4  # greedy rounds before sampling begins
_SMALL = 24_000  # taxa times patterns times rate categories
_MOST_WALKS = 4
_MOST_SCALED = 2  # times the steps of the parameters, where a round has several walks
_SLOWER = 2.0  # times as long as splits, on average, for which parameters stay correlated where more steps pay
_MOST_DOUBLED = 4  # times the steps of the parameters that chains begin with
_LEARNT_FROM = 2_000  # trees
_COUNTERS = (
    "n_rounds", "_every", "_adapting_until", "_left_out", "_next_learning", "next_look", "tuned_again", "were_stuck",
    "n_shown", "_scalings",
)  # fmt: skip
Kept = tuple[int, Particles, np.ndarray]  # round, trees of all chains, their log joint densities


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """Settings for the length of chains.

    Arguments:
        n_chains: chains; odd ones and even ones are the two groups that must agree.
        burn_in: share of the rounds that is left out, as MrBayes does.
        adapting: rounds, at the beginning, in which steps are tuned.
        fewest, most: rounds.
        asdsf: chains end when the groups' split frequencies are this close, see `convergence`, or ...
        effective_trees: ... their ASDSF is what groups of so many independent trees, both together, have by chance, ...
        largest: ... no split's frequencies in the two groups differ by more, ...
        r_hat: ... the R-hat of log joint, tree length and all parameters is at most this ...
        effective_size: ... and their effective sizes are at least this, ...
        error: ... and no split's frequency has a larger standard error, by its autocorrelation.
        apart: Separation (`convergence.separation`) of chains that are thought to be stuck in modes of their own, ...
        patience: ... once they have run for so many rounds.
        most_kept: trees kept; beyond, every second one is dropped.
        scalings: steps of the parameters and the tree length a round, ...
        scalings_per_coordinate: ... or so many for each coordinate of the parameters, if that is more; twice as many
            where a round has several walks.
        walks: rounds over all edges between these steps, which count as one round of a chain; None: by `walks_of`.

    Raises:
        ConfigError: a number out of range.
    """

    n_chains: int = 8
    burn_in: float = 0.25
    adapting: int = 50
    fewest: int = 200
    most: int = 4_000
    asdsf: float = 0.01
    effective_trees: float = 1_000.0
    largest: float = 1.0
    r_hat: float = 1.05
    effective_size: float = 200.0
    error: float = 0.05
    apart: float = 4.0
    patience: int = 400
    most_kept: int = 8_000
    scalings: int = 2
    scalings_per_coordinate: float = 0.5
    walks: int | None = None

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
        convergence: agreement of the two groups of chains.
        converged: whether they agreed as far as was asked for.
        stuck: whether chains have stayed in modes of their own; if neither, rounds or time were up.
        n_rounds: number of rounds of each chain.
        typical: (2,) that the moves were made with.
        scaling: steps of the parameters, tuned.
        split_times: how long the presence of splits stays correlated.
        waiting: whether it is the parameters that chains wait for: they do not agree as far as was asked for, and stay
            correlated for longer than splits.
        n_elsewhere: number of trees at the end that are none of the chains' but of excursions to modes that these lack.
    """

    particles: Particles
    chains: np.ndarray
    log_joint: np.ndarray
    convergence: Convergence
    converged: bool
    stuck: bool
    n_rounds: int
    typical: np.ndarray
    scaling: Scaling
    split_times: SplitTimes
    waiting: bool
    n_elsewhere: int = 0


class Chains:
    """Markov chains that can be run on.

    Arguments:
        walker: moves trees.
        starts: one particle for each chain, in any state.
        seed: seed of all draws.
        settings: length of the chains.
        climb: go uphill before sampling, and search (`search.Search`).
        known: mean and covariance of the parameters' coordinates, by which they move until more is known.
        shown: trees like those of the posterior, if there are any. Chains draw blocks of their trees anew as these and
            their own have them. They learn it when they have been tuned, and again whenever they are twice as long as
            the last time; where trees are shown, they know something from the beginning.

    Attributes:
        n_rounds: done since the search ended.
        n_shown: number of times that they have been shown modes which they had missed.
    """

    def __init__(
        self,
        walker: Walker,
        starts: Particles,
        *,
        seed: np.random.SeedSequence,
        settings: SamplerSettings,
        climb: bool = True,
        known: ParameterSpread | None = None,
        shown: Particles | None = None,
    ) -> None:
        self.walker, self.settings = walker, settings
        own, *others = seed.spawn(len(starts) + 1)
        self._generator = np.random.default_rng(own)
        self._generators = [np.random.default_rng(s) for s in others]
        self.scaling = Scaling(walker.model, known)
        self.particles = starts
        self.typical = typical_lengths(starts.log_lengths)
        self.n_rounds = self.n_shown = 0
        self.shown = shown
        self._walks = settings.walks or walks_of(walker)
        steps = round(settings.scalings_per_coordinate * walker.model.parameters.n_coordinates)
        self._scalings = max(settings.scalings, steps) * min(self._walks, _MOST_SCALED)
        self._most_scalings = _MOST_DOUBLED * self._scalings
        self._every = 1
        self._adapting_until = settings.adapting
        self._left_out = 0
        self._kept: list[Kept] = []
        self._redraws: Redraws | None = None
        if shown is not None:
            self._learn_blocks()
        self._next_learning = max(1, settings.adapting)
        self.next_look, self.tuned_again, self.were_stuck = settings.fewest, False, False  # see `run_chains.run_chains`
        if climb:
            self.particles = walker.move(starts, self._generators, rounds=_CLIMBS, typical=self.typical, greedy=True)
        self.typical = typical_lengths(self.particles.log_lengths)
        self._ladder: Ladder | None = None
        self._seed = seed
        self._search = Search(walker, self.scaling, steps=self._scalings) if climb and walker.model.n_taxa > 4 else None

    def run(self, n_rounds: int, stop: Callable[[], bool] | None = None) -> None:
        """Go on for so many rounds, or until `stop` says so."""
        settings = self.settings
        for _ in range(n_rounds):
            while self._search is not None:
                self._look_around(self._search)
                if stop is not None and stop():
                    return
            adapting = self.n_rounds < self._adapting_until
            if self.n_rounds == self._next_learning:
                self._learn_blocks()
            moved = self.walker.move(
                self.particles, self._generators, rounds=float(self._walks), typical=self.typical,
                redraws=self._redraws,
            )  # fmt: skip
            if adapting:
                if self.n_rounds == settings.adapting // 3:  # what came before is on the way down from the starts
                    self.scaling.forget()
                    self.typical = typical_lengths(moved.log_lengths)
                self.scaling.learn(moved)
            self.particles = self.scaling.move(moved, self._generator, adapting=adapting, steps=self._scalings)
            if self._ladder is not None:
                self.particles = self._ladder.round(self.particles, self.typical, adapting=adapting)
            self.n_rounds += 1
            if self.n_rounds % self._every == 0:
                self._keep()
            if stop is not None and stop():
                break

    def state(self) -> tuple[dict[str, Any], dict[str, Any], list[Kept]]:
        """Numbers, arrays and kept trees that the next rounds depend on, besides the particles; see `saved`."""
        scaling, arrays = self.scaling.state()
        generators = [g.bit_generator.state for g in (self._generator, *self._generators)]
        numbers = {name: getattr(self, name) for name in _COUNTERS}
        arrays["typical"] = self.typical
        if self._redraws is not None:
            arrays |= redraws_arrays(self._redraws)
        return {**numbers, "scaling": scaling, "generators": generators}, arrays, self._kept

    def restore(
        self, numbers: Mapping[str, Any], arrays: Mapping[str, np.ndarray], particles: Particles, kept: list[Kept]
    ) -> None:
        """Take over what `state` gave, and the particles."""
        self.scaling.restore(numbers["scaling"], arrays)
        for generator, state in zip((self._generator, *self._generators), numbers["generators"], strict=True):
            generator.bit_generator.state = state
        for name in _COUNTERS:
            setattr(self, name, type(getattr(self, name))(numbers[name]))
        self.particles, self.typical, self._kept = particles, arrays["typical"], kept
        self._redraws = load_redraws(arrays)
        self._search = None  # it was over when the state was taken

    @property
    def searching(self) -> bool:
        """Whether the search that comes first is not over; its state is not among that of `state`."""
        return self._search is not None

    def _look_around(self, search: Search) -> None:
        """One round of the search; what is learned on the way is forgotten at its end."""
        self.particles = search.move(self.particles, self._generators, self._generator, self.typical)
        if search.done:
            self.scaling.forget()
            self.typical = typical_lengths(self.particles.log_lengths)
            self._search = None

    @property
    def heated(self) -> bool:
        """Whether chains have heated companions."""
        return self._ladder is not None

    def heat(self) -> None:
        """Give chains heated companions from now on (`ladder.Ladder`); the trees so far are left out of the sample."""
        (seed,) = self._seed.spawn(1)
        self._ladder = Ladder(self.walker, self.scaling, self.particles, seed=seed, steps=self._scalings)
        self.tune_again()

    def tune_again(self) -> None:
        """Tune the steps by the trees kept so far, which are left out of the sample then."""
        self.tuned_again = True
        self.scaling.forget()
        for _, particles, _ in self._kept:
            self.scaling.learn(particles)
        self._adapting_until = self.n_rounds + self.settings.adapting // 2
        self._left_out = self._adapting_until

    def sample(self, burn_in: float = 0.0) -> ChainSample:
        """The trees kept after burn-in, of which a larger share may be left out than the settings say."""
        if not self._kept:
            self._keep()
        burnt = max(self._burnt, burn_in * self.n_rounds)
        kept = [k for k in self._kept if k[0] > burnt] or self._kept[-1:]
        particles = join_particles([k[1] for k in kept])
        log_joint = np.concatenate([k[2] for k in kept])
        n = len(self.particles)
        chains = np.tile(np.arange(n), len(kept))
        splits = NumberedSplits.of(particles.topologies)
        asdsf, largest, n_splits = split_agreement_of_groups(splits, chains % 2)
        patient = self.n_rounds - self._left_out >= self.settings.patience
        stuck = patient and separation(splits, chains) > self.settings.apart
        times = split_times(splits, chains)
        convergence = Convergence(
            asdsf=asdsf,
            largest=largest,
            n_splits=n_splits,
            scalars=follow(self._scalars(particles, log_joint, n)),
            error=times.largest_error,
        )
        good = self._good(convergence, splits, times)
        return ChainSample(
            particles=particles,
            chains=chains,
            log_joint=log_joint,
            convergence=convergence,
            converged=good,
            stuck=stuck and not good,
            n_rounds=self.n_rounds,
            typical=self.typical,
            scaling=self.scaling,
            split_times=times,
            waiting=self._waiting(convergence, times, len(chains)),
        )

    def hurry_parameters(self) -> None:
        """Twice as many steps of the parameters in a round from now on, up to a bound."""
        self._scalings = min(2 * self._scalings, self._most_scalings)

    def show(self, others: Particles) -> None:
        """Let chains draw blocks of other trees, too, from now on; the trees so far are left out of the sample.

        So they come to modes that they have missed, and stay there as often as they should.
        """
        self.n_shown += 1
        self.shown = others if self.shown is None else join_particles([self.shown, others])
        self._learn_blocks()
        self._left_out = self.n_rounds
        self.next_look, self.were_stuck = self.n_rounds + self.settings.fewest, False

    def _learn_blocks(self) -> None:
        """Learn from the trees kept, and those shown, what blocks of trees are like."""
        self._next_learning = 2 * self.n_rounds
        known = [] if self.shown is None else [self.shown]
        if self._kept:
            trees = join_particles([particles for _, particles, _ in self._kept])
            few = np.linspace(0, len(trees) - 1, min(len(trees), _LEARNT_FROM)).astype(np.int64)
            known.append(trees.take(few))
        trees = join_particles(known)
        self._redraws = TreeReference(trees, np.ones(len(trees)), unseen=0.0).redraws

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

    def _good(self, convergence: Convergence, splits: NumberedSplits, times: SplitTimes) -> bool:
        settings = self.settings
        return (
            as_close_as_chance(convergence.asdsf, settings.asdsf, splits, settings.effective_trees)
            and convergence.largest <= settings.largest
            and convergence.r_hat <= settings.r_hat
            and convergence.effective_size >= settings.effective_size
            and times.largest_error <= settings.error
        )

    def _waiting(self, convergence: Convergence, times: SplitTimes, n_trees: int) -> bool:
        settings = self.settings
        if convergence.r_hat <= settings.r_hat and convergence.effective_size >= settings.effective_size:
            return False
        sizes = [s.effective_size for s in convergence.scalars if s.name != _LOG_JOINT]
        usual = float(times.time.mean()) if len(times.time) else 1.0
        return n_trees > _SLOWER * usual * min(sizes, default=math.inf)


def walks_of(walker: Walker) -> int:
    """Walks of one round: for small data, what is done once a round takes longer than a walk."""
    return int(np.clip(_SMALL // (walker.model.n_taxa * walker.local.n_rows * BLOCK), 1, _MOST_WALKS))


def scalars_of(model: PhyloModel, particles: Particles, log_joint: np.ndarray) -> dict[str, np.ndarray]:
    """(T,) each of log joint density, tree length and parameters of T particles."""
    columns = {_LOG_JOINT: log_joint, "tree length": np.exp(particles.log_lengths).sum(axis=1)}
    space = model.parameters
    if space.n_coordinates:
        with torch.no_grad():
            values = space.values(torch.from_numpy(particles.coordinates)).numpy()
        columns |= dict(zip(space.names, values.T, strict=True))
    return columns
