"""Training of several models at once, on one device: one step of all of them in a few large operations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, JointLayout, JointObjective, ParticleTerms
from vbpi_mix.train.joined import JoinedTable
from vbpi_mix.train.joined_adam import JoinedAdam
from vbpi_mix.train.loop import train
from vbpi_mix.train.state import TrainingState
from vbpi_mix.train.training import FitResult, TrainableProblem, Training


class Fleet(Protocol):
    """Several problems as one, an `estimators.JointProblem` with parameters.

    Attributes:
        tables: by parameter name, those of all problems joined; from the problems' values when it was made.
    """

    tables: Mapping[str, JoinedTable]

    def draw(
        self, plans: Sequence[ComponentPlan], layout: JointLayout, generators: Sequence[torch.Generator]
    ) -> ParticleTerms: ...


Join = Callable[[Sequence[TrainableProblem], torch.device], Fleet]


def fit_fleet(
    trainings: Sequence[Training], join: Join, *, device: torch.device, max_seconds: float | None = None
) -> list[FitResult]:
    """Train several models as `train.fit` trains one, all of them in every step.

    Each model has its own generator, so that its draws, and up to rounding its bounds, gradients and parameters, are
    those that `train.fit` gives it with a device. The compiled kernels of the CPU give the same, but for the moments
    of rows that a step reads without effect (`adam_torch`). Each model has its own schedule, metrics and checkpoint,
    and leaves the fleet when it is done. A signal or the end of the time ends the training of all. A fleet that goes on
    from its checkpoints does bit for bit what it would have done, if it is of the same models.

    Arguments:
        trainings: the models; their components have equal weights, and no minibatches.
        join: makes a fleet of problems.
        device: where the fleet computes; the problems stay on the CPU.
        max_seconds: training time allowed to this call.

    Returns:
        The results in the order of the models.

    Raises:
        ConfigError: models that cannot be trained together.
        NumericalError: the loss of a model is not finite; the states of all before the step have been saved.
        CheckpointError: see `load_checkpoint`.
    """
    for training in trainings:
        if training.mixture_weights is not None or training.batches is not None:
            raise ConfigError("models trained together have components of equal weights, and no minibatches")
    states = [TrainingState(training) for training in trainings]
    try:
        return train(states, _Together(join, device), max_seconds)
    finally:
        for state in states:
            state.release()


@dataclass(frozen=True, kw_only=True)
class _Joined:
    """Models that make steps together, and what makes them."""

    members: list[tuple[TrainingState, TrainableProblem]]
    fleet: Fleet
    objective: JointObjective
    adam: JoinedAdam


class _Together:
    """Steps of several models; tables are joined anew when a model has left or has another problem."""

    def __init__(self, join: Join, device: torch.device) -> None:
        self._join, self._device = join, device
        self._joined: _Joined | None = None

    def step(self, states: Sequence[TrainingState]) -> list[Tensor]:
        joined = self._of(states)
        step = joined.objective.step(
            joined.fleet,
            [state.training.generator for state in states],
            inverse_temperatures=[state.inverse_temperature for state in states],
        )
        finite = torch.isfinite(step.losses)
        if not bool(finite.all()):
            self.give_back()
            for state in states:
                state.save()
            worst = int(finite.logical_not().nonzero()[0])
            raise states[worst].broken(step.losses[worst], (step.terms.of_batch(worst),))
        joined.adam.zero_grad()
        step.loss.backward()
        joined.adam.step([state.schedule.factor(state.iteration) for state in states])
        return list(torch.stack([step.bounds, step.ess], dim=1).cpu())

    def give_back(self) -> None:
        if self._joined is not None:
            self._joined.adam.give_back()

    def _of(self, states: Sequence[TrainingState]) -> _Joined:
        """The models joined; what the states hold is current if they are others than before."""
        members = [(state, state.problem) for state in states]
        if self._joined is None or self._joined.members != members:
            self._joined = None  # its memory first
            fleet = self._join([state.problem for state in states], self._device)
            groups = [i for i, group in enumerate(states[0].problem.parameter_groups().values()) for _ in group]
            self._joined = _Joined(
                members=members,
                fleet=fleet,
                objective=JointObjective([state.training.objective for state in states], self._device),
                adam=JoinedAdam(
                    fleet.tables,
                    [state.optimizer for state in states],
                    [state.parameters() for state in states],
                    groups,
                ),
            )
        return self._joined
