"""The training loop of any mixture problem."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError, NumericalError
from vbpi_mix.estimators import ComponentPlan, Objective, ParticleTerms, Surrogate
from vbpi_mix.row_table import RowTable
from vbpi_mix.train.adam import Adam, on_cpu
from vbpi_mix.train.checkpoint import load_checkpoint, save_checkpoint
from vbpi_mix.train.interrupt import StopRequest
from vbpi_mix.train.metrics import MetricsFile
from vbpi_mix.train.settings import TrainSettings

Ending = Literal["iterations", "plateau", "time", "signal"]


class TrainableProblem(Protocol):
    """A `MixtureProblem` with parameters: what `fit` needs, and nothing of trees or images."""

    n_components: int

    def draw(
        self, plan: ComponentPlan, n_particles: int, generator: torch.Generator, batch: Any = None
    ) -> ParticleTerms: ...

    def parameter_groups(self) -> Mapping[str, list[nn.Parameter]]:
        """Parameters by the group name that `TrainSettings.learning_rates` uses."""
        ...

    def place(self, device: torch.device | None) -> None:
        """Move parameters to a device and compute there from now on; None: on the CPU, as at first."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Progress of a fit: averages over the last `metrics_every` iterations.

    Arguments:
        iteration: steps done, of `n_iterations` (as far as is known, with a stopping rule).
        seconds: training time of the whole run, earlier parts of a resumed run included.
        iterations_per_second: over the last window.
        bound: the multi-sample bound at inverse temperature 1, in nats.
        ess: effective number of the K particles.
        learning_rate_factor: factor on all rates in the last iteration.
        words: last finding of the stopping rule (`stopping.Schedule`); empty without one.
    """

    iteration: int
    n_iterations: int
    seconds: float
    iterations_per_second: float
    bound: float
    ess: float
    inverse_temperature: float
    learning_rate_factor: float = 1.0
    words: str = ""

    @property
    def seconds_left(self) -> float:
        return (self.n_iterations - self.iteration) / self.iterations_per_second


@dataclass(frozen=True, kw_only=True)
class Change:
    """A problem that takes the place of another in the middle of a fit.

    Arguments:
        problem: the new problem, its parameters set.
        rows: rows by parameter name: (R_old,) the new row of each old row of a `RowTable`; moments move along. Other
            parameters keep their shape.
        extra: values that a checkpoint must hold so that the new problem can be made again.
    """

    problem: TrainableProblem
    rows: Mapping[str, np.ndarray]
    extra: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """End of a fit: all iterations done, a plateau, time used up, or a signal (its number in `signal_number`).

    `problem` is the one trained last, which is another than the first if a `Change` took place.
    """

    problem: TrainableProblem
    iteration: int
    seconds: float
    ending: Ending
    signal_number: int | None = None


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
    run = _Run(problem, settings, generator, checkpoint, identity, metrics, device)
    try:
        return _train(run, objective, mixture_weights, batches, max_seconds, resume, on_progress, change)
    finally:
        run.optimizer.release()
        run.place(None)


def _train(
    run: "_Run",
    objective: Objective,
    mixture_weights: Tensor | None,
    batches: Callable[[int], Any] | None,
    max_seconds: float | None,
    resume: bool,
    on_progress: Callable[[Progress], None] | None,
    change: Callable[[int, TrainableProblem], Change | None] | None,
) -> FitResult:
    settings, generator = run.settings, run.generator
    run.begin(resume=resume)
    started = run.last_save = time.perf_counter()
    already = run.seconds
    with StopRequest() as stop:
        ending: Ending = "iterations"
        while run.iteration < run.schedule.end:
            if change is not None and settings.changes_at(run.iteration) and run.changed_at < run.iteration:
                run.change(change)
                run.seconds = already + time.perf_counter() - started
            temperature = settings.inverse_temperature(run.iteration)
            step = objective.step(
                run.problem,
                generator,
                inverse_temperature=temperature,
                mixture_weights=mixture_weights,
                batch=None if batches is None else run.placed(batches(run.iteration)),
            )
            run.update(step)
            run.seconds = already + time.perf_counter() - started
            if run.iteration % settings.metrics_every == 0 or run.iteration == run.schedule.end:
                progress = run.close_window(temperature)
                if on_progress is not None:
                    on_progress(progress)
            if stop.signal_number is not None:
                ending = "signal"
                break
            if max_seconds is not None and run.seconds - already >= max_seconds:
                ending = "time"
                break
            if time.perf_counter() - run.last_save > settings.checkpoint_seconds:
                run.save()
        run.save()
    if ending == "time" and run.iteration >= run.schedule.end:
        ending = "iterations"
    if ending == "iterations" and run.schedule.reached_plateau:
        ending = "plateau"
    if stop.signal_number is not None:  # also one that came while the last state was saved
        ending = "signal"
    return FitResult(
        problem=run.problem,
        iteration=run.iteration,
        seconds=run.seconds,
        ending=ending,
        signal_number=stop.signal_number,
    )


class _Run:
    """The mutable state of one fit and its files."""

    def __init__(
        self,
        problem: TrainableProblem,
        settings: TrainSettings,
        generator: torch.Generator,
        checkpoint: Path | None,
        identity: Mapping[str, Any] | None,
        metrics: Path | None,
        device: torch.device | None,
    ) -> None:
        self.device = device
        self.problem, self.settings, self.generator = problem, settings, generator
        self.checkpoint, self.identity = checkpoint, dict(identity or {})
        self.metrics = None if metrics is None else MetricsFile(metrics)
        self.iteration = 0
        self.seconds = 0.0
        self.last_save = 0.0
        self.window = torch.zeros(2, dtype=torch.float64)  # sums of bound and ess
        self.window_start = (0, 0.0)  # iteration, seconds
        self.changed_at = 0
        self.extra: dict[str, Any] = {}
        self.schedule = settings.schedule()
        self.place(device)
        self.optimizer = self._optimizer()

    def place(self, device: torch.device | None) -> None:
        if self.device is not None:
            self.problem.place(device)

    def placed(self, batch: Any) -> Any:
        return batch.to(self.device) if self.device is not None and isinstance(batch, Tensor) else batch

    def begin(self, *, resume: bool) -> None:
        if resume:
            if self.checkpoint is None:
                raise ConfigError("cannot resume: no checkpoint file was given")
            saved = load_checkpoint(self.checkpoint, identity=self.identity)
            self.problem.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.generator.set_state(saved["generator"])
            self.iteration, self.seconds = saved["iteration"], saved["seconds"]
            self.window = saved["window"]
            self.window_start = tuple(saved["window_start"])
            if "schedule" in saved:
                self.schedule.load(saved["schedule"], self.iteration)
            self.changed_at, self.extra = saved.get("changed_at", 0), saved.get("extra", {})
        if self.metrics is not None:
            self.metrics.begin(last_iteration=self.iteration)

    def update(self, step: Surrogate) -> None:
        """One optimiser step, or NumericalError with the state before it saved."""
        if not bool(torch.isfinite(step.loss)):
            self.save()
            raise NumericalError(_cause(self.problem, step, self.iteration))
        self.optimizer.set_factor(self.schedule.factor(self.iteration))
        self.optimizer.zero_grad()
        step.loss.backward()
        self.optimizer.step()
        self.window += torch.stack([step.bound.double(), step.ess.double()]).cpu()
        self.iteration += 1

    def change(self, change: Callable[[int, TrainableProblem], Change | None]) -> None:
        """Ask for another problem; if there is one, its parameters and the optimiser's moments take over."""
        self.place(None)
        found = change(self.iteration, self.problem)
        self.changed_at = self.iteration
        if found is None:
            self.place(self.device)
            return
        tables = [name for name, p in self._ordered(self.problem) if isinstance(p, RowTable)]
        state = self.optimizer.renumber(self.optimizer.state_dict(), [found.rows.get(name) for name in tables])
        self.optimizer.release()
        self.problem, self.extra = found.problem, dict(found.extra)
        self.place(self.device)
        self.optimizer = self._optimizer()
        self.optimizer.load_state_dict(state)
        self.save()

    @staticmethod
    def _ordered(problem: TrainableProblem) -> list[tuple[str, nn.Parameter]]:
        """Names and parameters in the optimiser's order."""
        names = {id(p): name for name, p in problem.named_parameters()}
        return [(names[id(p)], p) for group in problem.parameter_groups().values() for p in group]

    def close_window(self, temperature: float) -> Progress:
        n = self.iteration - self.window_start[0]
        bound, ess = (self.window / n).tolist()
        factor = self.schedule.factor(self.iteration - 1)
        self.schedule.observe(self.iteration, bound)
        progress = Progress(
            iteration=self.iteration,
            n_iterations=self.schedule.end,
            seconds=self.seconds,
            iterations_per_second=n / max(self.seconds - self.window_start[1], 1e-9),
            bound=bound,
            ess=ess,
            inverse_temperature=temperature,
            learning_rate_factor=factor,
            words=self.schedule.words,
        )
        if self.metrics is not None:
            self.metrics.append(
                {
                    "iteration": progress.iteration,
                    "seconds": round(progress.seconds, 3),
                    "bound": bound,
                    "ess": ess,
                    "inverse_temperature": temperature,
                    "learning_rate_factor": factor,
                }
            )
        self.window = torch.zeros_like(self.window)
        self.window_start = (self.iteration, self.seconds)
        return progress

    def _optimizer(self) -> Adam:
        groups = {name: list(p) for name, p in self.problem.parameter_groups().items()}
        rates = self.settings.learning_rates
        missing = groups.keys() - rates.keys()
        if missing:
            raise ConfigError(f"no learning rate for parameter group(s) {', '.join(sorted(missing))}")
        in_torch = self.device is not None
        return Adam(list(groups.values()), [rates[name] for name in groups], in_torch=in_torch)

    def save(self) -> None:
        self.last_save = time.perf_counter()
        if self.checkpoint is None:
            return
        save_checkpoint(
            self.checkpoint,
            {
                "identity": self.identity,
                "iteration": self.iteration,
                "seconds": self.seconds,
                "model": self.problem.state_dict() if self.device is None else on_cpu(self.problem.state_dict()),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "window": self.window,
                "window_start": list(self.window_start),
                "changed_at": self.changed_at,
                "extra": self.extra,
                "schedule": self.schedule.state(),
            },
        )


def _cause(problem: TrainableProblem, step: Surrogate, iteration: int) -> str:
    """Say which quantity is not finite: a parameter, or one of the particle terms."""
    where = f"the loss is {step.loss.item()} at iteration {iteration}"
    broken = [name for name, p in problem.named_parameters() if not bool(torch.isfinite(p).all())]
    for terms in step.terms:
        for name in ("log_likelihood", "log_prior", "log_q", "log_q_score"):
            value = getattr(terms, name)
            if value is not None and not bool(torch.isfinite(value).all()):
                broken.append(name)
    cause = ", ".join(dict.fromkeys(broken)) or "their combination"
    return f"{where}: not finite: {cause}; the state before this step is saved. Try smaller learning rates"
