"""The training of a fit: objective, optimiser, checkpoint and progress by its configuration."""

from vbpi_mix.experiment.build import make_objective, make_settings
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.device import choose_device
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.inputs import RunInputs
from vbpi_mix.experiment.refresh import make_refresh
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.streams import TRAIN_STREAM
from vbpi_mix.seeding import torch_generator
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import FitResult, Progress, fit
from vbpi_mix.variational import PhyloProblem


def train(
    problem: PhyloProblem,
    config: FitConfig,
    reporter: Reporter,
    inputs: RunInputs,
    *,
    folder: RunFolder | None = None,
    resume: bool = False,
    max_seconds: float | None = None,
    device: str = "cpu",
) -> FitResult:
    """Train the mixture of a problem as its configuration says.

    Arguments:
        problem: target and mixture.
        config: settings of the objective, the optimiser and the refreshed support.
        reporter: told about progress.
        inputs: what the checkpoint is checked against, and the support is refreshed from.
        folder: keeps the checkpoint and the metrics; None: nothing is kept.
        resume: go on from the checkpoint.
        max_seconds: training time allowed to this call.
        device: word of `experiment.device.Device`.
    """

    def tell(progress: Progress) -> None:
        detail = (
            f"{progress.iterations_per_second:.0f} it/s, bound {progress.bound:.2f}, "
            f"ESS {progress.ess:.1f} of {config.particles}"
        ) + (f"; {progress.words}" if progress.words else "")
        reporter.progress("training", progress.iteration, progress.n_iterations, detail)

    with torch_threads(1):
        return fit(
            problem,
            make_objective(config),
            make_settings(config),
            generator=torch_generator(config.seed, stream=TRAIN_STREAM),
            max_seconds=max_seconds,
            checkpoint=None if folder is None else folder.checkpoint,
            identity=inputs.identity,
            metrics=None if folder is None else folder.metrics,
            resume=resume,
            on_progress=tell,
            change=make_refresh(config, inputs, reporter) if config.refresh_every else None,
            device=choose_device(device, problem, config, reporter),
        )
