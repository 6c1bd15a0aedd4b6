"""The search for the posterior that chains begin with: regrafts uphill, and kicks for what stays behind.

Chains go uphill by regrafts to places far away, each on its own until that gains little. Then the lowest quarter, and
what is far below the best one, begins again at a copy of a better chain, shaken by a heated round, as long as that
finds better trees. In the end chains that are still far below become copies of others; all others stay where they are.
Where all have come to the same height on their own, as with most flat posteriors, nobody is kicked.

References:
    Nguyen, Schmidt, von Haeseler and Minh, IQ-TREE, Molecular Biology and Evolution 32, 2015 (perturbed copies of the
    best trees).
"""

import math
from collections.abc import Sequence

import numpy as np

from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles, join_particles

_EVERY = 5  # rounds between two looks
_GAIN = 5.0  # nats that make a search worth going on with
_IDLE = 4  # looks without gain that end the search
_MOST = 200  # rounds
_HEAT = 0.1  # power of the posterior that a kicked tree moves in for a round


class Search:
    """Rounds uphill of several chains.

    Arguments:
        walker: moves trees.
        scaling: moves parameters and tree length.
        steps: number of steps of the parameters and the tree length in a round.

    Attributes:
        rounds: done.
        done: whether the search has ended.
    """

    def __init__(self, walker: Walker, scaling: Scaling, *, steps: int) -> None:
        self.walker, self.scaling, self.steps = walker, scaling, steps
        self.rounds, self.done = 0, False
        self._best = self._middle = -math.inf
        self._settled = False  # whether chains have ceased to gain on their own
        self._idle = 0
        n_edges = 2 * walker.model.n_taxa - 3
        self._behind = 30.0 + math.sqrt(n_edges)  # nats; several standard deviations of the log-likelihood

    def move(
        self,
        particles: Particles,
        generators: Sequence[np.random.Generator],
        generator: np.random.Generator,
        typical: np.ndarray,
    ) -> Particles:
        """Particles after one more round.

        Arguments:
            particles: P of them.
            generators: one for each.
            generator: generator of random numbers that concern all.
            typical: (2,) see `target.typical_lengths`.
        """
        moved = self.walker.move(particles, generators, rounds=1.0, typical=typical, search=True)
        self.scaling.learn(moved)
        moved = self.scaling.move(moved, generator, adapting=True, steps=self.steps)
        self.rounds += 1
        return moved if self.rounds % _EVERY else self._select(moved, generators, generator, typical)

    def _select(
        self,
        particles: Particles,
        generators: Sequence[np.random.Generator],
        generator: np.random.Generator,
        typical: np.ndarray,
    ) -> Particles:
        value = particles.log_likelihood
        behind = value < value.max() - self._behind
        middle = float(np.median(value))
        idle = value.max() < self._best + _GAIN
        if not self._settled:
            self._settled = middle < self._middle + _GAIN
            self.done = self._settled and idle and not behind.any()
        else:
            self._idle = self._idle + 1 if idle else 0
            self.done = self._idle >= _IDLE
        self.done |= self.rounds >= _MOST
        self._best, self._middle = max(self._best, float(value.max())), max(self._middle, middle)
        if not self._settled and not self.done:
            return particles
        if not self.done:
            behind[np.argsort(value)[: len(value) // 4]] = True
        if not behind.any():
            return particles
        better = np.flatnonzero(~behind)
        rows = np.arange(len(value))
        rows[behind] = better[generator.integers(len(better), size=int(behind.sum()))]
        chosen = particles.take(rows)
        if self.done:
            return chosen
        kicked = self.walker.move(
            chosen.take(np.flatnonzero(behind)),
            [generators[int(i)] for i in np.flatnonzero(behind)],
            rounds=1.0,
            typical=typical,
            beta=_HEAT,
        )
        order = np.concatenate([better, np.flatnonzero(behind)])
        return join_particles([chosen.take(better), kicked]).take(np.argsort(order))
