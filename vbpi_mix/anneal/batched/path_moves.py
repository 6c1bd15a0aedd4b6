"""Moves of all particles at once along the path, on the device of the model."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.anneal.batched.density import BatchedDensity, State
from vbpi_mix.anneal.batched.moves import move_interchange, move_lengths, move_regraft
from vbpi_mix.anneal.batched.reference import BatchedReference
from vbpi_mix.anneal.batched.rules import BatchedRules
from vbpi_mix.anneal.batched.trees import canonical, make_trees, node_lengths
from vbpi_mix.anneal.chains import Scaling
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.path_moves import SCALINGS
from vbpi_mix.anneal.rules import make_rules
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.errors import ConfigError
from vbpi_mix.model import PhyloModel

_ACCEPTED = 0.7  # of trajectories, which their step is tuned to
_FIRST_STEP = 0.2
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class BatchedSettings:
    """Moves of one temperature.

    Arguments:
        interchanges: number of interchanges proposed, for each inner edge of a tree, ...
        fewest: ... but no fewer than so many.
        regrafts: number of regrafts proposed.
        trajectories: number of trajectories of all lengths.
        n_steps: steps of a trajectory, each with a gradient of the likelihood.

    Raises:
        ConfigError: a negative number, no trajectory, or one without steps.
    """

    interchanges: float = 0.25
    fewest: int = 8
    regrafts: int = 2
    trajectories: int = 3
    n_steps: int = 4

    def __post_init__(self) -> None:
        if min(self.interchanges, self.fewest, self.regrafts) < 0 or min(self.trajectories, self.n_steps) < 1:
            raise ConfigError(f"annealing: a number is out of range in {self}")

    def interchanges_of(self, n_taxa: int) -> int:
        """Interchanges proposed in a tree of so many taxa."""
        return max(self.fewest, math.ceil(self.interchanges * (n_taxa - 3))) if n_taxa > 3 else 0


class BatchedMoves:
    """Interchanges, regrafts and trajectories of lengths of all particles at once, and steps of the parameters.

    Arguments:
        model: likelihood and priors, see `PhyloModel.placed`.
        scaling: steps of the parameters, by the same likelihood; not tuned here.
        reference: density at which the path begins.
        settings: moves of one temperature.
        scalings: steps of parameters and tree length at each temperature.

    Attributes:
        accepted: (3,) shares of interchanges and regrafts made and of trajectories accepted, at the last temperature.
    """

    def __init__(
        self,
        model: PhyloModel,
        scaling: Scaling,
        reference: TreeReference,
        *,
        settings: BatchedSettings | None = None,
        scalings: int = SCALINGS,
    ) -> None:
        self.model, self.scaling, self.reference = model, scaling, reference
        self.settings, self.scalings = settings or BatchedSettings(), scalings
        self.accepted = np.full(3, np.nan)
        self._reference = BatchedReference(reference, model.device)
        self._rules = BatchedRules(make_rules(model.constraints), model.device)

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
        """See `PathMoves.move`; what is tuned is the step of the trajectories."""
        del others  # all draws are made for all particles together
        device = self.model.device
        generator = torch.Generator(device).manual_seed(int(own.integers(_LARGEST_SEED)))
        density = BatchedDensity(self.model, self._reference, beta)
        state = density.state(
            make_trees(particles.topologies, device),
            node_lengths(particles.log_lengths, device),
            torch.from_numpy(particles.coordinates).to(device),
        )
        step = _FIRST_STEP if tuned is None else float(tuned[0])
        state, step = self._moved(state, density, generator, step, adapting=adapting)
        topologies, log_lengths = canonical(state.trees, state.x)
        moved = Particles(
            topologies=topologies,
            log_lengths=log_lengths,
            coordinates=state.coordinates.cpu().numpy(),
            log_likelihood=state.log_likelihood.cpu().numpy(),
        )
        moved = self.scaling.move(moved, own, steps=self.scalings, reference=self.reference, beta=beta)
        return moved, np.array([step])

    def _moved(
        self, state: State, density: BatchedDensity, generator: torch.Generator, step: float, *, adapting: bool
    ) -> tuple[State, float]:
        """The state after all moves of a temperature, trajectories between the others, and the step at the end."""
        settings, n_taxa = self.settings, self.model.n_taxa
        n_interchanges, n_regrafts = settings.interchanges_of(n_taxa), settings.regrafts if n_taxa > 3 else 0
        turns = settings.trajectories
        shares: list[list[float]] = [[], [], []]
        for turn in range(turns):
            for kind, propose, count in ((0, move_interchange, n_interchanges), (1, move_regraft, n_regrafts)):
                for _ in range(count * (turn + 1) // turns - count * turn // turns):
                    state, accepted = propose(state, density, self._rules, generator)
                    shares[kind].append(float(accepted.double().mean()))
            state, probability = move_lengths(state, density, generator, step=step, n_steps=settings.n_steps)
            shares[2].append(float(probability.mean()))
            if adapting:
                step *= math.exp(shares[2][-1] - _ACCEPTED)
        self.accepted = np.array([np.mean(s) if s else np.nan for s in shares])
        return state, step
