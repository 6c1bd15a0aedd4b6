"""Encoder trunks: from an image to the features that the component heads share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, pad, relu

from vbpi_mix.errors import ConfigError
from vbpi_mix.images.layers import GatedConv2d

# kernel and stride of the five gated convolutions of the published MNIST encoder
_KERNELS = ((7, 1), (3, 2), (5, 1), (3, 2), (3, 1))
PUBLISHED_CHANNELS = (32, 32, 64, 64, 6)


class GatedTrunk(nn.Module):
    """The published MNIST trunk: five gated convolutions, two of which halve the image.

    Arguments:
        side: pixels per side.
        channels: outputs of the five layers; 6 in the last give 6 x 7 x 7 = 294 features of a 28 x 28 image.

    Raises:
        ConfigError: sizes that do not fit.
    """

    def __init__(self, side: int = 28, channels: Sequence[int] = PUBLISHED_CHANNELS) -> None:
        super().__init__()
        if side < 1:
            raise ConfigError(f"an image has at least one pixel per side, not {side}")
        if len(channels) != len(_KERNELS):
            raise ConfigError(f"the encoder trunk has {len(_KERNELS)} layers, not {len(channels)}")
        n_in = (1, *channels[:-1])
        self.layers = nn.Sequential(
            *(GatedConv2d(i, o, k, stride=s) for i, o, (k, s) in zip(n_in, channels, _KERNELS, strict=True))
        )
        self.n_features = channels[-1] * ((side + 3) // 4) ** 2

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) from (B, 1, side, side)."""
        return self.layers(x).flatten(1)


class ResNet20Trunk(nn.Module):
    """A residual network of 20 layers less its classifier (He et al. 2016), trained from scratch: 64 features.

    Batch normalisation is replaced by group normalisation (8 channels a group), which sees one image only.

    Arguments:
        channels: number of channels of the first stage; it doubles twice, so that there are 4 x `channels` features.

    Raises:
        ConfigError: not a multiple of 8.
    """

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        if channels < 8 or channels % 8:
            raise ConfigError(f"the channels of the residual trunk must be a multiple of 8, not {channels}")
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), _norm(channels), nn.ReLU())
        blocks, width = [], channels
        for stage in range(3):
            for block in range(3):
                n_out = channels * 2**stage
                blocks.append(_Residual(width, n_out, stride=2 if stage and not block else 1))
                width = n_out
        self.blocks = nn.Sequential(*blocks)
        self.n_features = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, F) from (B, 3, side, side)."""
        return adaptive_avg_pool2d(self.blocks(self.stem(x)), 1).flatten(1)


class _Residual(nn.Module):
    """Two convolutions beside an identity; where sizes change, pixels are left out and channels are zero."""

    def __init__(self, n_in: int, n_out: int, *, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.second = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([_norm(n_out), _norm(n_out)])
        self.stride, self.new_channels = stride, n_out - n_in

    def forward(self, x: Tensor) -> Tensor:
        out = self.norms[1](self.second(relu(self.norms[0](self.first(x)))))
        shortcut = x[:, :, :: self.stride, :: self.stride]
        before = self.new_channels // 2
        return torch.relu(out + pad(shortcut, (0, 0, 0, 0, before, self.new_channels - before)))


def _norm(n_channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(n_channels // 8, n_channels)
