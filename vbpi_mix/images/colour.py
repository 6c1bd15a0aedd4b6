"""p(x | z) of colour images: transposed convolutions and gated masked convolutions, discretised logistic mixtures."""

from typing import Literal

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.images.decoders import paired
from vbpi_mix.images.layers import NORMALISATIONS, MaskedConv2d, Normalisation
from vbpi_mix.images.likelihoods import N_COLOUR_OUTPUTS, logistic_mixture_log_prob, sample_logistic_mixture


class ColourPixelCNN(nn.Module):
    """The published CIFAR-10 decoder: z becomes a map of features, gated masked convolutions a mixture of logistics.

    z -> channels x (side/8) x (side/8) -> three transposed convolutions -> a map m of the image's size; then layers
    tanh(norm(h(x) + m)) * sigmoid(norm(g(x) + m)) with masked h and g, and a 1 x 1 convolution to the 100 outputs of
    `likelihoods.logistic_mixture_log_prob`. The first projection is an ordinary trained layer; in the published code it
    is a tensor that is never trained.

    Arguments:
        side: pixels per side, a multiple of 8.
        n_latent: D.
        channels: number of channels of all layers.
        n_layers: gated masked convolutions, the first of kind A.
        normalisation: normalisation as in `PixelCNN`.
    """

    def __init__(
        self,
        side: int = 32,
        n_latent: int = 128,
        *,
        channels: int = 128,
        n_layers: int = 4,
        normalisation: Normalisation = "pixel",
    ) -> None:
        super().__init__()
        if side < 8 or side % 8:
            raise ConfigError(f"the side of a colour image must be a multiple of 8, not {side}")
        self.side, self.channels = side, channels
        self.projection = nn.Linear(n_latent, channels * (side // 8) ** 2, bias=False)
        ups: list[nn.Module] = []
        for _ in range(3):
            ups += [nn.ConvTranspose2d(channels, channels, 3, stride=2, padding=1, output_padding=1), nn.ReLU()]
        self.upsampling = nn.Sequential(*ups)
        self.layers = nn.ModuleList(
            _GatedMasked("B" if i else "A", channels if i else 3, channels, normalisation) for i in range(n_layers)
        )
        self.last = nn.Conv2d(channels, N_COLOUR_OUTPUTS, 1)

    def outputs(self, x: Tensor, z: Tensor) -> Tensor:
        """(N, 100, H, W) parameters of the pixels of images (N, 3, H, W) under latents (N, D)."""
        return self._masked(x, self._conditions(z))

    def _conditions(self, z: Tensor) -> Tensor:
        side = self.side // 8
        return self.upsampling(self.projection(z).view(-1, self.channels, side, side))

    def _masked(self, x: Tensor, conditions: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, conditions)
        return self.last(x)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        images, latents = paired(x, z)
        return logistic_mixture_log_prob(images, self.outputs(images, latents)).view(z.shape[:-1])

    @torch.no_grad()
    def sample(self, z: Tensor, generator: torch.Generator) -> Tensor:
        """Pixel after pixel; a pass for each, through the rows that it depends on: one above it per masked layer."""
        conditions = self._conditions(z)
        x = torch.zeros((len(z), 3, self.side, self.side)).to(z)
        for row in range(self.side):
            top = max(0, row - len(self.layers))
            for column in range(self.side):
                outputs = self._masked(x[:, :, top : row + 1], conditions[:, :, top : row + 1])
                here = outputs[:, :, row - top :, column : column + 1]
                x[:, :, row : row + 1, column : column + 1] = sample_logistic_mixture(here, generator)
        return x


class _GatedMasked(nn.Module):
    """tanh(norm(h(x) + m)) * sigmoid(norm(g(x) + m)) with masked convolutions h and g."""

    def __init__(self, kind: Literal["A", "B"], n_in: int, n_out: int, normalisation: Normalisation) -> None:
        super().__init__()
        self.value, self.gate = MaskedConv2d(kind, n_in, n_out), MaskedConv2d(kind, n_in, n_out)
        norm = NORMALISATIONS[normalisation]
        self.value_norm, self.gate_norm = norm(n_out), norm(n_out)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        value = self.value_norm(self.value(x) + conditions)
        gate = self.gate_norm(self.gate(x) + conditions)
        return torch.tanh(value) * torch.sigmoid(gate)
