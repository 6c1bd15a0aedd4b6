"""Heated companions of chains (Metropolis-coupled Markov chains), for posteriors with separate modes.

Every chain has companions at the posterior to the powers beta < 1, which pass between modes more easily. Neighbouring
powers exchange states by Metropolis and Hastings's rule, each chain with a companion of any chain of its own group, so
that the two groups stay independent.

References:
    Geyer, Markov chain Monte Carlo maximum likelihood, Computing Science and Statistics 23, 1991.
    Altekar, Dwarkadas, Huelsenbeck and Ronquist, Parallel Metropolis coupled Markov chain Monte Carlo for Bayesian
    phylogenetic inference, Bioinformatics 20, 2004.
"""

import math

import numpy as np

from vbpi_mix.anneal.chains import PathDensity, Scaling, Walker
from vbpi_mix.anneal.particles import Particles, join_particles

_STEP = 0.1  # of the heat, at first, as MrBayes has it
_ACCEPTED = 0.3  # share of exchanges that heat is tuned to
_N_GROUPS = 2  # chains i and j are in one group if i = j modulo this


class Ladder:
    """Companions of n chains at `n_levels` - 1 powers of the posterior.

    Arguments:
        walker: moves trees.
        scaling: moves parameters and tree length; not tuned here.
        cold: the n chains, whose copies the companions begin as.
        seed: seed of all draws.
        n_levels: powers, with that of the chains themselves, 1.
        steps: number of steps of the parameters and the tree length in a round.

    Attributes:
        accepted, tried: exchanges.
    """

    def __init__(
        self,
        walker: Walker,
        scaling: Scaling,
        cold: Particles,
        *,
        seed: np.random.SeedSequence,
        n_levels: int = 4,
        steps: int = 1,
    ) -> None:
        self.walker, self.scaling, self.steps = walker, scaling, steps
        self.heat = _STEP
        self.accepted = self.tried = 0
        self._hot = [cold.take(np.arange(len(cold))) for _ in range(n_levels - 1)]
        own, *others = seed.spawn(1 + len(self._hot) * len(cold))
        self._generator = np.random.default_rng(own)
        generators = [np.random.default_rng(s) for s in others]
        self._generators = [generators[i :: len(self._hot)] for i in range(len(self._hot))]

    @property
    def betas(self) -> list[float]:
        """Powers of the posterior, 1 first."""
        return [1.0 / (1.0 + self.heat * level) for level in range(len(self._hot) + 1)]

    def round(self, cold: Particles, typical: np.ndarray, *, adapting: bool = False) -> Particles:
        """The chains after a round of their companions and exchanges with them.

        Arguments:
            cold: the n chains.
            typical: (2,) see `target.typical_lengths`.
            adapting: tune the heat.
        """
        betas = self.betas
        levels = [cold]
        for level, hot in enumerate(self._hot):
            beta = betas[level + 1]
            moved = self.walker.move(hot, self._generators[level], rounds=1.0, typical=typical, beta=beta)
            levels.append(self.scaling.move(moved, self._generator, steps=self.steps, beta=beta))
        accepted = 0.0
        for level in range(len(self._hot)):
            share = self._exchange(levels, level, betas)
            accepted += share / len(self._hot)
        if adapting:
            self.heat *= math.exp(0.3 * (accepted - _ACCEPTED))
        cold, *self._hot = levels
        return cold

    def _exchange(self, levels: list[Particles], level: int, betas: list[float]) -> float:
        """Exchange states of two neighbouring powers; the share accepted."""
        n = len(levels[level])
        partner = np.arange(n)
        for group in range(_N_GROUPS):
            members = np.arange(group, n, _N_GROUPS)
            partner[members] = self._generator.permutation(members)
        lower, upper = levels[level], levels[level + 1].take(partner)
        gain = (betas[level] - betas[level + 1]) * (self._log_density(upper) - self._log_density(lower))
        accept = np.log(1.0 - self._generator.random(n)) < gain
        both, rows = join_particles([lower, upper]), np.arange(n)
        levels[level] = both.take(np.where(accept, n + rows, rows))
        levels[level + 1] = both.take(np.where(accept, rows, n + rows))
        self.accepted += int(accept.sum())
        self.tried += n
        return float(accept.mean())

    def _log_density(self, particles: Particles) -> np.ndarray:
        """(P,) log joint density in lengths, not their logarithms: what the power is taken of."""
        density = PathDensity(self.walker.model, particles.topologies, None, 1.0)
        x = particles.log_lengths
        return density.log_posterior(x, particles.coordinates, particles.log_likelihood) - x.sum(axis=1)
