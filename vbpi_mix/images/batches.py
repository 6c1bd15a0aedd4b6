"""From bytes to batches: dynamic binarisation, and minibatches that are a function of the iteration alone."""

from typing import Literal

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.seeding import torch_generator

Pixels = Literal["binary", "grey"]

_FIRST_STREAM = 1_000  # of a seed: even ones binarise an iteration's batch, odd ones order an epoch
_FIXED = 32  # stream of the one binarisation of images that models are evaluated on


class Minibatches:
    """Batches of a training set in a fresh random order each epoch.

    The batch of an iteration depends on the seed and the iteration alone, so that a resumed fit sees the same ones.
    Images that do not fill a batch are left out of their epoch, other ones each time.

    Arguments:
        images: (n, C, H, W) uint8.
        batch_size: B.
        seed: seed of orders and binarisation.
        pixels: "binary" draws every pixel from Bernoulli(byte / 255), anew in every batch (dynamic binarisation);
            "grey" divides by 255.

    Raises:
        ConfigError: fewer images than a batch.
    """

    def __init__(self, images: Tensor, batch_size: int, *, seed: int, pixels: Pixels) -> None:
        if not 1 <= batch_size <= len(images):
            raise ConfigError(f"a batch of {batch_size} does not fit into {len(images)} training images")
        self._images, self._batch_size, self._seed, self._pixels = images, batch_size, seed, pixels
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    @property
    def n_per_epoch(self) -> int:
        return len(self._images) // self._batch_size

    def __call__(self, iteration: int) -> Tensor:
        """(B, C, H, W) float32 of an iteration, counted from 0."""
        epoch, place = divmod(iteration, self.n_per_epoch)
        if epoch != self._epoch:
            generator = torch_generator(self._seed, stream=_FIRST_STREAM + 2 * epoch + 1)
            self._order, self._epoch = torch.randperm(len(self._images), generator=generator), epoch
        chosen = self._images[self._order[place * self._batch_size : (place + 1) * self._batch_size]]
        if self._pixels == "grey":
            return chosen.float() / 255
        return _binarised(chosen, torch_generator(self._seed, stream=_FIRST_STREAM + 2 * iteration))


def fixed_images(images: Tensor, pixels: Pixels, *, seed: int = 777) -> Tensor:
    """(n, C, H, W) float32 to evaluate on: grey values, or one binarisation that depends on the seed alone."""
    if pixels == "grey":
        return images.float() / 255
    return _binarised(images, torch_generator(seed, stream=_FIXED))


def _binarised(images: Tensor, generator: torch.Generator) -> Tensor:
    """Draws from Bernoulli(byte / 255): bytes 0 and 255 stay as they are."""
    return (torch.rand(images.shape, generator=generator) * 255 < images).float()
