"""p(x | z): a gated dense layer and a PixelCNN for binary images."""

from typing import Protocol

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.images.layers import NORMALISATIONS, GatedDense, MaskedConv2d, Normalisation
from vbpi_mix.images.likelihoods import bernoulli_log_prob


class ImageDecoder(Protocol):
    """Interface of a decoder of a `MixtureVAE`."""

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, S, K) log p(x | z) of images (B, C, H, W), each under its draws (B, S, K, D)."""
        ...

    def sample(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """(n, C, H, W) images, one for each of (n, D)."""
        ...


def paired(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) and draws (B, S, K, D) as (B S K, C, H, W) and (B S K, D), each image beside its draws."""
    n_draws = z.shape[1] * z.shape[2]
    return x.repeat_interleave(n_draws, dim=0) if n_draws > 1 else x, z.flatten(0, 2)


class PixelCNN(nn.Module):
    """The published MNIST decoder: z becomes a plane beside the image, masked convolutions do the rest.

    Pixel i is Bernoulli with a logit that depends on z and on pixels before i: with `pixel` normalisation the
    conditionals multiply to a probability of the image. With `batch` normalisation that holds in evaluation mode only;
    in training mode each conditional sees all pixels of all images beside it.

    Arguments:
        side: pixels per side.
        n_latent: D.
        channels: number of channels of the masked convolutions.
        n_layers: masked convolutions, the first of kind A.
        normalisation: see `layers.NORMALISATIONS`.
    """

    def __init__(
        self,
        side: int = 28,
        n_latent: int = 40,
        *,
        channels: int = 64,
        n_layers: int = 8,
        normalisation: Normalisation = "pixel",
    ) -> None:
        super().__init__()
        if channels < 1 or n_layers < 1:
            raise ConfigError(f"a PixelCNN needs layers and channels, not {n_layers} and {channels}")
        self.side, self.n_layers = side, n_layers
        self.plane = GatedDense(n_latent, side * side)
        norm = NORMALISATIONS[normalisation]
        layers: list[nn.Module] = []
        for i in range(n_layers):
            conv = MaskedConv2d("B", channels, channels) if i else MaskedConv2d("A", 2, channels)
            layers += [conv, norm(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 1))

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """(N, 1, H, W) logits of images (N, 1, H, W) under latents (N, D)."""
        return self.layers(torch.cat([self._plane(z), x], dim=1))

    def _plane(self, z: Tensor) -> Tensor:
        return self.plane(z).view(-1, 1, self.side, self.side)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        images, latents = paired(x, z)
        return bernoulli_log_prob(images, self.logits(images, latents)).view(z.shape[:-1])

    @torch.no_grad()
    def sample(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Pixel after pixel; a pass for each, through the rows that it depends on: one above it per masked layer."""
        x = torch.zeros((len(z), 1, self.side, self.side)).to(z)
        inputs = torch.cat([self._plane(z), x], dim=1)
        for row in range(self.side):
            top = max(0, row - self.n_layers)
            for column in range(self.side):
                logits = self.layers(inputs[:, :, top : row + 1])[:, 0, row - top, column]
                drawn = torch.rand(len(z), generator=generator).to(logits) < torch.sigmoid(logits)
                inputs[:, 1, row, column] = drawn.to(inputs)
        return inputs[:, 1:].contiguous()
