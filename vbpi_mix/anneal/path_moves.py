"""What moves particles along the path from a reference to the posterior: the seam of annealing."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.model import PhyloModel

SCALINGS = 2  # steps of the parameters and the tree length at each temperature


class PathMoves(Protocol):
    """Moves that leave every density on the path invariant.

    Attributes:
        reference: density at which the path begins.
    """

    reference: TreeReference

    @property
    def model(self) -> PhyloModel:
        """Likelihood and priors."""
        ...

    def move(
        self,
        particles: Particles,
        own: np.random.Generator,
        others: Sequence[np.random.Generator],
        *,
        beta: float,
        tuned: np.ndarray | None,
        adapting: bool,
    ) -> tuple[Particles, np.ndarray]:
        """Particles after the moves of one temperature, and the numbers (n,) that the moves were tuned to.

        Arguments:
            particles: P of them.
            own: source of draws for all particles together.
            others: one source for each particle.
            beta: place on the path.
            tuned: numbers that the moves are tuned to; None: those that they begin with.
            adapting: tune the moves further, by what they accept.
        """
        ...


class LocalMoves:
    """Walks over the edges of one tree after another on the CPU, and steps of the parameters.

    Arguments:
        walker: moves trees.
        scaling: steps of the parameters; not tuned here.
        reference: density at which the path begins.
        typical: (2,) see `target.typical_lengths`.
    """

    def __init__(self, walker: Walker, scaling: Scaling, reference: TreeReference, typical: np.ndarray) -> None:
        self.walker, self.scaling, self.reference, self.typical = walker, scaling, reference, typical

    @property
    def model(self) -> PhyloModel:
        return self.walker.model

    def move(
        self,
        particles: Particles,
        own: np.random.Generator,
        others: Sequence[np.random.Generator],
        *,
        beta: float,
        tuned: np.ndarray | None,
        adapting: bool,
    ) -> tuple[Particles, np.ndarray]:
        """See `PathMoves.move`; there is nothing to tune."""
        del tuned, adapting
        particles = self.walker.move(
            particles, others, rounds=1.0, typical=self.typical, beta=beta,
            reference=self.reference.reference, redraws=self.reference.redraws,
        )  # fmt: skip
        moved = self.scaling.move(particles, own, steps=SCALINGS, reference=self.reference, beta=beta)
        return moved, np.zeros(0)
