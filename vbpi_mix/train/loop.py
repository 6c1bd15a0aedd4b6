"""The training loop of any mixture problem, and of several together."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from vbpi_mix.estimators import Objective
from vbpi_mix.train.interrupt import StopRequest
from vbpi_mix.train.settings import TrainSettings
from vbpi_mix.train.state import TrainingState
from vbpi_mix.train.training import Change, Ending, FitResult, Progress, TrainableProblem, Training

_SHARE_OF_SAVING = 0.1  # of the time, at most


def fit(
    problem: TrainableProblem,
    objective: Objective,
    settings: TrainSettings,
    *,
    generator: torch.Generator,
    mixture_weights: Tensor | None = None,
    batches: Callable[[int], Any] | None = None,
    max_seconds: float | None = None,
    checkpoint: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    metrics: Path | None = None,
    resume: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    change: Callable[[int, TrainableProblem], Change | None] | None = None,
    device: torch.device | None = None,
) -> FitResult:
    """Maximise the objective with Adam (`train.adam`: tables of rows cost what a step touches).

    A resumed fit does bit for bit what an uninterrupted one would have done: parameters, optimiser state, generator
    state, iteration and the open metrics window come from the checkpoint. SIGINT and SIGTERM let the current step
    finish, save, and return.

    Arguments:
        problem: The target and its mixture.
        objective: The bound and its estimator.
        settings: Iterations, rates, tempering.
        generator: The only source of randomness.
        mixture_weights: (A,) fixed weights, uniform if None.
        batches: Gives the minibatch of an iteration, counted from 0, for problems that have them; a function of the
            iteration alone, so that a resumed fit sees the same ones.
        max_seconds: Training time allowed to this call.
        checkpoint: File to save to, and to resume from.
        identity: Identity of the run; saved, and compared on resume.
        metrics: File of JSON lines.
        resume: Go on from `checkpoint`.
        on_progress: Called after every window of metrics and at the end.
        change: Called with the iteration and the problem whenever `settings.change_every` steps are done and more
            follow; what it returns, if anything, is trained from then on. It must depend on its arguments alone.
        device: where the problem's draws, gradients and the optimiser's updates are computed; None: on the CPU, by
            compiled kernels. The problem is on the CPU before and after, and whenever `change` is called. Checkpoints
            do not depend on it.

    Raises:
        NumericalError: The loss is not finite; the state before the failing step has been saved.
        CheckpointError: See `load_checkpoint`.
    """
    training = Training(
        problem=problem,
        objective=objective,
        settings=settings,
        generator=generator,
        mixture_weights=mixture_weights,
        batches=batches,
        checkpoint=checkpoint,
        identity=identity,
        metrics=metrics,
        resume=resume,
        on_progress=on_progress,
        change=change,
    )
    return fit_training(training, max_seconds=max_seconds, device=device)


def fit_training(
    training: Training, *, max_seconds: float | None = None, device: torch.device | None = None
) -> FitResult:
    """`fit` with its arguments in one value."""
    state = TrainingState(training, device)
    try:
        return train([state], _Alone(), max_seconds)[0]
    finally:
        state.release()


class Stepper(Protocol):
    """What makes the steps of `train`: of one model, or of several at once."""

    def step(self, states: Sequence[TrainingState]) -> list[Tensor]:
        """One optimiser step of each model; its (2,) bound and effective number of particles.

        Raises:
            NumericalError: a loss is not finite; the states before the step have been saved.
        """
        ...

    def give_back(self) -> None:
        """Bring the states to where their models are: before they are saved, changed or left."""
        ...


class _Alone:
    """Steps of one model."""

    def step(self, states: Sequence[TrainingState]) -> list[Tensor]:
        (state,) = states
        training = state.training
        step = training.objective.step(
            state.problem,
            training.generator,
            inverse_temperature=state.inverse_temperature,
            mixture_weights=training.mixture_weights,
            batch=None if training.batches is None else state.placed(training.batches(state.iteration)),
        )
        if not bool(torch.isfinite(step.loss)):
            state.save()
            raise state.broken(step.loss, step.terms)
        state.optimizer.set_factor(state.schedule.factor(state.iteration))
        state.optimizer.zero_grad()
        step.loss.backward()
        state.optimizer.step()
        return [torch.stack([step.bound.double(), step.ess.double()]).cpu()]

    def give_back(self) -> None:
        """The state is the model's own."""


def train(states: Sequence[TrainingState], stepper: Stepper, max_seconds: float | None) -> list[FitResult]:
    """Train models side by side: each turn of the loop is a step of all of them, and those that are done leave.

    Arguments:
        states: the models.
        stepper: makes the steps.
        max_seconds: training time allowed.
    """
    for state in states:
        state.begin()
    started = saved_at = time.perf_counter()
    saving = 0.0  # seconds that it took last
    ending: Ending = "iterations"

    def save(some: Sequence[TrainingState]) -> None:
        nonlocal saved_at, saving
        begun = time.perf_counter()
        stepper.give_back()
        for state in some:
            state.save()
        saved_at = time.perf_counter()
        saving = saved_at - begun

    with StopRequest() as stop:
        active = [state for state in states if not state.is_done]
        save([state for state in states if state.is_done])
        while active:
            due = [state for state in active if state.change_is_due]
            if due:
                stepper.give_back()
                for state in due:
                    state.change()
            found = stepper.step(active)
            seconds = time.perf_counter() - started
            for state, numbers in zip(active, found, strict=True):
                state.count(numbers, seconds)
            if stop.signal_number is not None or (max_seconds is not None and seconds >= max_seconds):
                ending = "signal" if stop.signal_number is not None else "time"
                break
            done = [state for state in active if state.is_done]
            if done:
                save(done)
                active = [state for state in active if state not in done]
            elif time.perf_counter() - saved_at > max(
                active[0].settings.checkpoint_seconds, (1 / _SHARE_OF_SAVING - 1) * saving
            ):
                save(active)
        save(active)
    return [state.result(ending, stop.signal_number) for state in states]
