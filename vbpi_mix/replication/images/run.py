"""The image benchmark: train what is missing, a record of each model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vbpi_mix.errors import InputError
from vbpi_mix.experiment.device import image_device
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.images import fixed_images
from vbpi_mix.io.files import atomic_write
from vbpi_mix.replication.images.config import ImageRow, ImagesConfig
from vbpi_mix.replication.images.sets import load_image_set
from vbpi_mix.replication.images.train import ImageData, as_bytes, judge_image_model, prepare_data, train_image_model
from vbpi_mix.replication.records import make_folder, read_record, write_record
from vbpi_mix.replication.signals import Stopped, stoppable
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import Progress

MODELS, GENERATED, CHECKPOINTS = "models", "generated", "checkpoints"
_SHOWN = 64  # images of a picture


@dataclass(frozen=True, kw_only=True)
class ImagesOutcome:
    """Outcome of `run_images`: the records that are there, and the signal that ended it, if one did."""

    records: tuple[Path, ...]
    signal_number: int | None = None


def model_name(config: ImagesConfig, row: ImageRow, seed: int) -> str:
    """Name of a model's files, without their endings."""
    return f"{config.data}_{row.word.replace(':', '_')}_seed{seed}"


def run_images(
    config: ImagesConfig,
    folder: Path,
    *,
    source: Path | None = None,
    n_threads: int = 1,
    device: str = "cpu",
    reporter: Reporter | None = None,
) -> ImagesOutcome:
    """Train every row from every seed and write a record of each to `models/`.

    Models whose record is there already, made with the same settings, are not trained again. A training that a signal
    interrupts goes on from its checkpoint and ends bit for bit where it would have ended.

    Arguments:
        config: models to train.
        folder: made if need be.
        source: source of the images, see `replication.images.sets.load_image_set`.
        n_threads: number of threads of torch.
        device: word of `experiment.device.Device`: what trains; a training that was stopped may go on elsewhere.
        reporter: told about progress.

    Raises:
        ConfigError, BackendError: a device that cannot be used.
        InputError: images that are missing or too few; a folder with results of other settings, or one that cannot be
            written.
        NumericalError: a training failed.
    """
    reporter = reporter or Silent()
    place = image_device(device, reporter)
    jobs = [(row, seed) for seed in config.seeds for row in config.rows]
    data = prepare_data(config, *load_image_set(config.data, source))
    for part in (MODELS, GENERATED, CHECKPOINTS):
        make_folder(folder / part)
    paths = {job: folder / MODELS / f"{model_name(config, *job)}.json" for job in jobs}
    missing = [job for job, path in paths.items() if _record(config, job, path, data) is None]
    shown = fixed_images(data.test[:_SHOWN], data.pixels)
    _write_images(folder / GENERATED / f"{config.data}_test.npy", as_bytes(shown))
    with torch_threads(n_threads), stoppable():
        for job in missing:
            try:
                signal_number = _make(config, job, data, folder, paths[job], n_threads, place, reporter)
            except Stopped as stopped:
                signal_number = stopped.signal_number
            if signal_number is not None:
                done = tuple(path for path in paths.values() if path.is_file())
                return ImagesOutcome(records=done, signal_number=signal_number)
    return ImagesOutcome(records=tuple(paths.values()))


def _record(config: ImagesConfig, job: tuple[ImageRow, int], path: Path, data: ImageData) -> dict | None:
    record = read_record(path, config.of_model(*job))
    if record is not None and record["result"]["images_sha256"] != data.sha256:
        raise InputError(f"{path} was made with other images: give another folder with -o, or delete the file")
    return record


def _make(
    config: ImagesConfig,
    job: tuple[ImageRow, int],
    data: ImageData,
    folder: Path,
    path: Path,
    n_threads: int,
    device: torch.device | None,
    reporter: Reporter,
) -> int | None:
    """Train, evaluate and write one model; the number of the signal if one came before the end."""
    row, seed = job
    stage = f"{config.data} {row.word}, seed {seed}"

    def show(progress: Progress) -> None:
        reporter.progress(stage, progress.iteration, progress.n_iterations, f"bound {progress.bound:.2f}")

    trained = train_image_model(
        config, row, seed, data, folder / CHECKPOINTS / f"{path.stem}.pt", on_progress=show, device=device
    )
    if isinstance(trained, int):
        return trained
    model, training = trained
    judged, generated = judge_image_model(
        config, row, seed, model, data,
        on_batch=lambda done, total: reporter.progress(f"{stage}: evaluation", done, total),
    )  # fmt: skip
    _write_images(folder / GENERATED / f"{path.stem}.npy", generated[:_SHOWN])
    where = "cpu" if device is None else torch.cuda.get_device_name(device)
    about = {"threads": n_threads, "device": where, "title": config.title, "images_sha256": data.sha256}
    result = {**training, **judged, **about}
    write_record(path, config.of_model(row, seed), result)
    return None


def _write_images(path: Path, images: np.ndarray) -> None:
    with atomic_write(path, "wb") as file:
        np.save(file, images)
