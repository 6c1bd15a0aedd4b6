"""The toy benchmark: train what is missing, time the rows, write tables and pictures."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.replication.records import make_folder, read_record, write_record
from vbpi_mix.replication.rows import MixtureRow
from vbpi_mix.replication.toy.config import ToyConfig
from vbpi_mix.replication.toy.tables import ToyTables, write_tables
from vbpi_mix.replication.toy.timing import time_rows
from vbpi_mix.replication.toy.train import train_toy
from vbpi_mix.threads import torch_threads
from vbpi_mix.toys import FunnelModel, exact_posterior, simulate_funnel
from vbpi_mix.train import Progress


@dataclass(frozen=True, kw_only=True)
class ToyOutcome:
    """Outcome of `run_toy`.

    Arguments:
        tables: the figures, None if a signal came before everything was trained.
        files: written or kept, in the order of their making.
        signal_number: number of the signal that ended the training, if one did.
    """

    tables: ToyTables | None
    files: tuple[Path, ...]
    signal_number: int | None = None


def run_toy(
    config: ToyConfig, folder: Path, *, only_train: bool = False, reporter: Reporter | None = None
) -> ToyOutcome:
    """Train every row from every seed, one torch thread, and write tables and pictures of all.

    Models whose file is there already, made with the same settings, are not trained again; a model that a signal
    interrupts is trained anew by the next call. `timings.json` is kept likewise: delete it to measure again.

    Arguments:
        config: models to train.
        folder: made if need be; models go to `models/`.
        only_train: stop before timings, tables and pictures, so that several processes can share the training.
        reporter: told about progress.

    Raises:
        InputError: the folder holds results of other settings, or cannot be written.
        NumericalError: a training or a quadrature failed.
    """
    reporter = reporter or Silent()
    models = make_folder(folder / "models")
    jobs = [(row, seed) for seed in config.seeds for row in config.rows]
    paths = {job: models / f"{job[0].word.replace(':', '_')}_seed{job[1]}.json" for job in jobs}
    records = {job: read_record(paths[job], config.of_model(*job)) for job in jobs}  # all first: a mistake stops here
    timing_path, timing_config = folder / "timings.json", _timing_config(config)
    timings = None if only_train else read_record(timing_path, timing_config)
    with torch_threads(1):
        model, _ = simulate_funnel(config.data_seed, **config.data())
        exact = exact_posterior(model)
        reporter.message(f"exact log marginal likelihood {exact.log_evidence:.6f} nats (error below {exact.error:.0e})")
        for job in jobs:
            if records[job] is None:
                record, signal_number = _train(config, job, model, paths[job], reporter)
                if signal_number is not None:
                    done = tuple(path for path in paths.values() if path.is_file())
                    return ToyOutcome(tables=None, files=done, signal_number=signal_number)
                records[job] = record
        if only_train:
            return ToyOutcome(tables=None, files=tuple(paths.values()))
        if timings is None:
            table = time_rows(config, on_round=lambda done, total: reporter.progress("timing", done, total))
            timings = write_record(timing_path, timing_config, {"steps": table})
        tables = ToyTables.collect(config, exact, {j: r for j, r in records.items() if r is not None}, timings)
        files = [*paths.values(), timing_path, *write_tables(tables, folder)]
        from vbpi_mix.replication.toy.plots import write_pictures  # matplotlib, only once something is to be drawn

        files += write_pictures(tables, model, folder)
    return ToyOutcome(tables=tables, files=tuple(files))


def _train(
    config: ToyConfig, job: tuple[MixtureRow, int], model: FunnelModel, path: Path, reporter: Reporter
) -> tuple[dict[str, Any] | None, int | None]:
    """The record of a model just trained and written, or the number of the signal that came before it was."""
    row, seed = job
    stage = f"{row.label}, seed {seed}"

    def show(progress: Progress) -> None:
        reporter.progress(stage, progress.iteration, progress.n_iterations, f"bound {progress.bound:.3f}")

    trained = train_toy(config, row, seed, model, on_progress=show)
    if trained.result is None:
        return None, trained.ending.signal_number
    return write_record(path, config.of_model(row, seed), trained.result), None


def _timing_config(config: ToyConfig) -> dict[str, Any]:
    return {
        "rows": [asdict(row) for row in config.rows],
        "n_draws": config.n_draws,
        "n_points": config.n_points,
        "data_seed": config.data_seed,
        "latents": config.latents,
    }
