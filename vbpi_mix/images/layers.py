"""Layers of the image networks: gates, masked convolutions, normalisation that sees one pixel only."""

import math
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm

Normalisation = Literal["pixel", "batch"]


class GatedConv2d(nn.Module):
    """h * sigmoid(g) of two convolutions (Dauphin et al. 2017), with no other non-linearity."""

    def __init__(self, n_in: int, n_out: int, kernel: int, *, stride: int = 1) -> None:
        super().__init__()
        self.value = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2)
        self.gate = nn.Conv2d(n_in, n_out, kernel, stride=stride, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * torch.sigmoid(self.gate(x))


class GatedDense(nn.Module):
    """h * sigmoid(g) of two linear maps."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.value = nn.Linear(n_in, n_out)
        self.gate = nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.value(x) * torch.sigmoid(self.gate(x))


class MaskedConv2d(nn.Conv2d):
    """A convolution without bias that sees earlier pixels only, in raster order (van den Oord et al. 2016).

    Arguments:
        kind: "A" leaves out the pixel itself, "B" keeps it.
        n_in, n_out, kernel: as of `nn.Conv2d`; the kernel is odd, the image keeps its size.
    """

    mask: Tensor

    def __init__(self, kind: Literal["A", "B"], n_in: int, n_out: int, kernel: int = 3) -> None:
        super().__init__(n_in, n_out, kernel, padding=kernel // 2, bias=False)
        mask = torch.zeros(kernel * kernel)
        mask[: kernel * kernel // 2 + (kind == "B")] = 1
        self.register_buffer("mask", mask.view(1, 1, kernel, kernel), persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        rows = self.kernel_size[0] // 2 + 1  # the mask leaves nothing of those below
        weight = self.weight[:, :, :rows] * self.mask[:, :, :rows]
        return conv2d(input, weight, padding=self.padding)[:, :, : input.shape[2]]


class PixelNorm(nn.Module):
    """Normalisation over the channels of one pixel of one image, then a scale and a shift per channel.

    As many parameters as batch normalisation has, but no other pixel and no other image is seen: a masked network
    stays causal, and the value of an image does not depend on its neighbours in a batch.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_channels))
        self.bias = nn.Parameter(torch.zeros(n_channels))

    def forward(self, x: Tensor) -> Tensor:
        channels_last = x.permute(0, 2, 3, 1)
        return layer_norm(channels_last, self.weight.shape, self.weight, self.bias).permute(0, 3, 1, 2)


@runtime_checkable
class SelfInitialised(Protocol):
    """A layer with parameters that no linear or convolution layer holds, which it draws itself."""

    def initialise(self, generator: torch.Generator) -> None:
        """Draw the layer's own parameters."""
        ...


# a word of the settings -> the layer, from its number of channels
NORMALISATIONS = {"pixel": PixelNorm, "batch": nn.BatchNorm2d}


@torch.no_grad()
def initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights of all linear and convolution layers anew, uniform on +-1/sqrt(fan-in) as torch itself does.

    Torch's constructors draw from its global generator; after this call the weights depend on `generator` alone.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            bound = 1 / math.sqrt(module.weight[0].numel())
            module.weight.uniform_(-bound, bound, generator=generator)
            if module.bias is not None:
                module.bias.uniform_(-bound, bound, generator=generator)
        elif isinstance(module, SelfInitialised):
            module.initialise(generator)
