"""What a fit takes and gives: problem, settings and files of one model; progress, changes and the result."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vbpi_mix.estimators import ComponentPlan, Objective, ParticleTerms
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


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training of one model; `train.fit` says what each argument is.

    Arguments:
        name: name for messages, where several models are trained together.
    """

    problem: TrainableProblem
    objective: Objective
    settings: TrainSettings
    generator: torch.Generator
    mixture_weights: Tensor | None = None
    batches: Callable[[int], Any] | None = None
    checkpoint: Path | None = None
    identity: Mapping[str, Any] | None = None
    metrics: Path | None = None
    resume: bool = False
    on_progress: Callable[[Progress], None] | None = None
    change: Callable[[int, TrainableProblem], Change | None] | None = None
    name: str = ""
