"""Training one image model, and what is written down of it."""

import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import InputError
from vbpi_mix.estimators import Objective
from vbpi_mix.images import (
    GROUP,
    MISVAE,
    SEMVAE,
    ColourMISVAE,
    Minibatches,
    MixtureVAE,
    Pixels,
    evaluate_images,
    fixed_images,
    frechet_distance,
    mean_and_error,
    principal_components,
)
from vbpi_mix.images.evaluation import Mode, evaluation_mode
from vbpi_mix.replication.images.config import ImageRow, ImagesConfig
from vbpi_mix.replication.images.formats import LabelledImages
from vbpi_mix.seeding import numpy_generator, torch_generator
from vbpi_mix.train import Progress, TrainSettings, fit, read_metrics

_TRAINING, _EVALUATION, _GENERATION = 33, 34, 35  # streams of a seed
_SPLIT_SEED, _SPLIT = 42, 36
_N_FEATURES = 32  # of the Frechet distance


@dataclass(frozen=True, kw_only=True)
class ImageData:
    """Data that all models of a benchmark share.

    Arguments:
        train, test: (n, C, side, side) uint8.
        pixels: conversion of bytes to pixels.
        sha256: SHA-256 of all images that were read, before any choice.
    """

    train: Tensor
    test: Tensor
    pixels: Pixels
    sha256: str


def prepare_data(config: ImagesConfig, train: LabelledImages, test: LabelledImages | None) -> ImageData:
    """Choose images in a fixed random order and average them over blocks to the scale's side.

    Without test images those behind the training images of the same order are taken.

    Raises:
        InputError: too few images, or sides that do not divide.
    """
    scale = config.scale
    order = numpy_generator(_SPLIT_SEED, stream=_SPLIT).permutation(len(train.images))
    pool, names = train.images[order], f"{config.data}: {len(train.images):,} training images"
    held_out = pool[scale.n_train :] if test is None else test.images
    if len(pool) < scale.n_train or len(held_out) < scale.n_test:
        raise InputError(
            f"{names} and {0 if test is None else len(test.images):,} test images are too few for {scale.n_train:,} "
            f"and {scale.n_test:,}: give more images, or smaller numbers with --train and --test"
        )
    hashes = [train.sha256(), *([] if test is None else [test.sha256()])]
    return ImageData(
        train=_averaged(pool[: scale.n_train], scale.side),
        test=_averaged(held_out[: scale.n_test], scale.side),
        pixels="grey" if config.colour else "binary",
        sha256="+".join(hashes),
    )


def build_model(config: ImagesConfig, row: ImageRow, seed: int) -> MixtureVAE:
    """A fresh model, whose start depends on the seed alone."""
    scale = config.scale
    sizes: dict[str, Any] = {
        "side": scale.side,
        "n_latent": scale.n_latent,
        "trunk_channels": scale.trunk_channels,
        "channels": scale.channels,
        "n_layers": scale.n_layers,
    }
    make = ColourMISVAE if config.colour else {"misvae": MISVAE, "semvae": SEMVAE}[row.model]
    return make(row.n_components, row.decoder, **sizes, seed=seed)


def image_objective(row: ImageRow) -> Objective:
    """One particle inside the logarithm, the KL term warmed up."""
    return Objective(
        estimator=row.estimator,
        n_components=row.n_components,
        n_sampled=row.n_sampled,
        n_particles=1,
        annealed="kl",
    )


def train_image_model(
    config: ImagesConfig,
    row: ImageRow,
    seed: int,
    data: ImageData,
    checkpoint: Path,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    device: torch.device | None = None,
) -> tuple[MixtureVAE, dict[str, Any]] | int:
    """Train one row from one seed, or go on from its checkpoint; equal seeds give equal parameters on one device.

    Images are prepared, and random numbers drawn, on the CPU. The last parameters are kept: no epoch is chosen by its
    validation bound, which the published code does.

    Returns:
        The model with its parameters, time and curve; or the number of the signal that ended the training.
    """
    scale = config.scale
    model = build_model(config, row, seed)
    batches = Minibatches(data.train, scale.batch_size, seed=seed, pixels=data.pixels)
    metrics = checkpoint.with_suffix(".jsonl")
    ending = fit(
        model,
        image_objective(row),
        TrainSettings(
            n_iterations=scale.epochs * batches.n_per_epoch,
            learning_rates={GROUP: scale.learning_rate},
            decay_factor=1.0,
            annealing_iterations=scale.warm_up * batches.n_per_epoch,
            metrics_every=batches.n_per_epoch,
        ),
        generator=torch_generator(seed, stream=_TRAINING),
        batches=batches,
        checkpoint=checkpoint,
        identity={**config.of_model(row, seed), "images": data.sha256},
        metrics=metrics,
        resume=checkpoint.is_file(),
        on_progress=on_progress,
        device=device,
    )
    if ending.signal_number is not None:
        return ending.signal_number
    lines = read_metrics(metrics)
    clock = [0.0, *(line["seconds"] for line in lines)]
    return model, {
        "n_parameters": model.n_parameters(),
        "seconds": ending.seconds,
        "seconds_per_epoch": statistics.median(b - a for a, b in itertools.pairwise(clock)),
        "curve": [line["bound"] for line in lines],
    }


def judge_image_model(
    config: ImagesConfig,
    row: ImageRow,
    seed: int,
    model: MixtureVAE,
    data: ImageData,
    *,
    on_batch: Callable[[int, int], None] | None = None,
) -> tuple[dict[str, Any], np.ndarray]:
    """Test likelihoods, in both modes for the published decoder, and how far generated images are from real ones.

    Returns:
        Numbers for the record, and (n, C, H, W) generated images as bytes.
    """
    scale = config.scale
    images = fixed_images(data.test, data.pixels)
    modes: dict[str, Mode] = {"likelihood": "evaluation"}
    if row.decoder == "published":
        modes["batch_statistics"] = "batch statistics"
    result: dict[str, Any] = {}
    for name, mode in modes.items():
        found = evaluate_images(
            model,
            images,
            n_total=scale.n_draws,
            generator=torch_generator(seed, stream=_EVALUATION),
            mode=mode,
            on_batch=on_batch,
        )
        result[name] = {"n_per_component": found.n_per_component}
        for key, values in (("elbo", found.elbo), ("published", found.published), ("pooled", found.pooled)):
            value, error = mean_and_error(values)
            result[name][key], result[name][f"{key}_se"] = value, error
        result[name]["pooled_by_image"] = [round(value, 3) for value in found.pooled.tolist()]
    with evaluation_mode(model):
        generated = model.sample(scale.n_generated, torch_generator(seed, stream=_GENERATION))
    real = fixed_images(data.train, data.pixels)
    space = principal_components(real, _N_FEATURES)
    result["frechet_pca"] = frechet_distance(space.features(generated), space.features(real))
    return result, as_bytes(generated)


def as_bytes(images: Tensor) -> np.ndarray:
    """Images of values in [0, 1] as bytes, of the same shape."""
    return torch.round(images * 255).to(torch.uint8).numpy()


def _averaged(images: np.ndarray, side: int) -> Tensor:
    """(n, C, side, side) means over blocks, rounded to bytes."""
    block, rest = divmod(images.shape[-1], side)
    if rest or images.shape[-2] != images.shape[-1]:
        raise InputError(
            f"images of {images.shape[-2]} x {images.shape[-1]} pixels cannot become {side} x {side} blocks"
        )
    blocks = images.reshape(*images.shape[:2], side, block, side, block)
    return torch.from_numpy(np.rint(blocks.mean(axis=(3, 5))).astype(np.uint8))
