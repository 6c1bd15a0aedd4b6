"""The state of one training, its windows of metrics, and its files."""

from typing import Any

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError, NumericalError
from vbpi_mix.estimators import ParticleTerms
from vbpi_mix.row_table import RowTable
from vbpi_mix.train.adam import Adam, on_cpu
from vbpi_mix.train.checkpoint import load_checkpoint, save_checkpoint
from vbpi_mix.train.metrics import MetricsFile
from vbpi_mix.train.training import Ending, FitResult, Progress, Training


class TrainingState:
    """Iteration, optimiser, schedule and open window of a training; what a checkpoint holds.

    Arguments:
        training: the training.
        device: where its problem computes; None: on the CPU, by compiled kernels.
    """

    def __init__(self, training: Training, device: torch.device | None = None) -> None:
        self.training, self.device = training, device
        self.problem, self.settings = training.problem, training.settings
        self.metrics = None if training.metrics is None else MetricsFile(training.metrics)
        self.iteration = 0
        self.seconds = 0.0  # of earlier calls included
        self.earlier = 0.0  # of earlier calls alone
        self.window = torch.zeros(2, dtype=torch.float64)  # sums of bound and ess
        self.window_start = (0, 0.0)  # iteration, seconds
        self.changed_at = 0
        self.extra: dict[str, Any] = {}
        self.schedule = self.settings.schedule()
        self.place(device)
        self.optimizer = self._optimizer()

    def place(self, device: torch.device | None) -> None:
        if self.device is not None:
            self.problem.place(device)

    def placed(self, batch: Any) -> Any:
        return batch.to(self.device) if self.device is not None and isinstance(batch, Tensor) else batch

    def release(self) -> None:
        """Leave the problem as an ordinary one on the CPU."""
        self.optimizer.release()
        self.place(None)

    def begin(self) -> None:
        """Go on from the checkpoint, if so asked; bring the file of metrics into step with it."""
        if self.training.resume:
            if self.training.checkpoint is None:
                raise ConfigError("cannot resume: no checkpoint file was given")
            saved = load_checkpoint(self.training.checkpoint, identity=dict(self.training.identity or {}))
            self.problem.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.training.generator.set_state(saved["generator"])
            self.iteration, self.seconds = saved["iteration"], saved["seconds"]
            self.window = saved["window"]
            self.window_start = tuple(saved["window_start"])
            if "schedule" in saved:
                self.schedule.load(saved["schedule"], self.iteration)
            self.changed_at, self.extra = saved.get("changed_at", 0), saved.get("extra", {})
            self.earlier = self.seconds
        if self.metrics is not None:
            self.metrics.begin(last_iteration=self.iteration)

    @property
    def is_done(self) -> bool:
        """Whether all iterations are done, as far as is known."""
        return self.iteration >= self.schedule.end

    @property
    def inverse_temperature(self) -> float:
        """That of the next step."""
        return self.settings.inverse_temperature(self.iteration)

    @property
    def change_is_due(self) -> bool:
        """Whether `change` is to be called before the next step."""
        due = self.settings.changes_at(self.iteration) and self.changed_at < self.iteration
        return self.training.change is not None and due

    def parameters(self) -> list[tuple[str, nn.Parameter]]:
        """Names and parameters in the optimiser's order."""
        names = {id(p): name for name, p in self.problem.named_parameters()}
        return [(names[id(p)], p) for group in self.problem.parameter_groups().values() for p in group]

    def change(self) -> None:
        """Ask for another problem; if there is one, its parameters and the optimiser's moments take over."""
        assert self.training.change is not None
        self.place(None)
        found = self.training.change(self.iteration, self.problem)
        self.changed_at = self.iteration
        if found is None:
            self.place(self.device)
            return
        tables = [name for name, p in self.parameters() if isinstance(p, RowTable)]
        state = self.optimizer.renumber(self.optimizer.state_dict(), [found.rows.get(name) for name in tables])
        self.optimizer.release()
        self.problem, self.extra = found.problem, dict(found.extra)
        self.place(self.device)
        self.optimizer = self._optimizer()
        self.optimizer.load_state_dict(state)
        self.save()

    def count(self, bound_and_ess: Tensor, seconds: float) -> None:
        """One step is done; close the window of metrics if it was its last one.

        Arguments:
            bound_and_ess: (2,) of the step.
            seconds: training time of this call.
        """
        self.window += bound_and_ess
        self.iteration += 1
        self.seconds = self.earlier + seconds
        if self.iteration % self.settings.metrics_every == 0 or self.is_done:
            progress = self._close_window()
            if self.training.on_progress is not None:
                self.training.on_progress(progress)

    def _close_window(self) -> Progress:
        n = self.iteration - self.window_start[0]
        bound, ess = (self.window / n).tolist()
        factor = self.schedule.factor(self.iteration - 1)
        temperature = self.settings.inverse_temperature(self.iteration - 1)
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

    def result(self, ending: Ending, signal_number: int | None) -> FitResult:
        """The end of the training; `ending` is why the call ended, if not all iterations were done."""
        if ending == "time" and self.is_done:
            ending = "iterations"
        if ending == "iterations" and self.schedule.reached_plateau:
            ending = "plateau"
        if signal_number is not None:  # also one that came while the last state was saved
            ending = "signal"
        return FitResult(
            problem=self.problem,
            iteration=self.iteration,
            seconds=self.seconds,
            ending=ending,
            signal_number=signal_number,
        )

    def _optimizer(self) -> Adam:
        groups = {name: list(p) for name, p in self.problem.parameter_groups().items()}
        rates = self.settings.learning_rates
        missing = groups.keys() - rates.keys()
        if missing:
            raise ConfigError(f"no learning rate for parameter group(s) {', '.join(sorted(missing))}")
        in_torch = self.device is not None
        return Adam(list(groups.values()), [rates[name] for name in groups], in_torch=in_torch)

    def save(self) -> None:
        """Write the checkpoint, if there is a file for it."""
        if self.training.checkpoint is None:
            return
        save_checkpoint(
            self.training.checkpoint,
            {
                "identity": dict(self.training.identity or {}),
                "iteration": self.iteration,
                "seconds": self.seconds,
                "model": self.problem.state_dict() if self.device is None else on_cpu(self.problem.state_dict()),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.training.generator.get_state(),
                "window": self.window,
                "window_start": list(self.window_start),
                "changed_at": self.changed_at,
                "extra": self.extra,
                "schedule": self.schedule.state(),
            },
        )

    def broken(self, loss: Tensor, every_terms: tuple[ParticleTerms, ...]) -> NumericalError:
        """The error that says which quantity is not finite: a parameter, or one of the particle terms."""
        where = f"the loss is {loss.item()} at iteration {self.iteration}"
        found = [name for name, p in self.problem.named_parameters() if not bool(torch.isfinite(p).all())]
        for terms in every_terms:
            for name in ("log_likelihood", "log_prior", "log_q", "log_q_score"):
                value = getattr(terms, name)
                if value is not None and not bool(torch.isfinite(value).all()):
                    found.append(name)
        cause = ", ".join(dict.fromkeys(found)) or "their combination"
        whose = f"{self.training.name}: " if self.training.name else ""
        return NumericalError(
            f"{whose}{where}: not finite: {cause}; the state before this step is saved. Try smaller learning rates"
        )
