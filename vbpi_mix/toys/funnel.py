"""The target: Neal's funnel as prior, autoregressive Bernoulli data (Hotti et al. 2024, Section 6.1, Eq. 7 and 8).

What the paper leaves open, and what is done here:

- N(0, 3) and N(0, e^{z1/2}) could name variances or standard deviations. As in the published code, z1 has standard
  deviation 3, and z2 given z1 has variance e^{z1/2}, standard deviation e^{z1/4}.
- log N(0, 0.1), the law of the weights: the logarithm has standard deviation 0.1.
- "Sampling from the model" draws one z for all N points, as the likelihood says; the published code draws one for each
  point. Both are offered (`Latents`).
- Probabilities are never clipped: the likelihood is a sum of log-sigmoids, finite for every z.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.seeding import torch_generator

Latents = Literal["one", "per-point"]

N_LATENT = 2
SD_Z1 = 3.0
DECAY = 0.1  # the paper's beta
SD_LOG_WEIGHT = 0.1
_STREAM = 20  # of the seed: data, apart from training and evaluation


@dataclass(frozen=True, kw_only=True)
class FunnelModel:
    """p(x, z) for z = (z1, z2) and N binary vectors x_n, independent given the one z.

        z1 ~ Normal(0, sd 3),   z2 | z1 ~ Normal(0, sd e^{z1/4})
        x_n^i | x_n^{<i}, z ~ Bernoulli(sigmoid((z W)^i + sum_{j<i} 0.1^{i-j} x_n^j))

    Arguments:
        weights: W, (2, D) float64.
        data: (N, D) float64, zeros and ones.

    Raises:
        InputError: shapes that do not fit, or data other than zeros and ones.
    """

    weights: Tensor
    data: Tensor

    def __post_init__(self) -> None:
        shapes = f"weights {tuple(self.weights.shape)}, data {tuple(self.data.shape)}"
        if self.data.ndim != 2 or self.weights.shape != (N_LATENT, self.data.shape[-1]):
            raise InputError(f"the funnel model needs weights (2, D) and data (N, D), not {shapes}")
        if not bool(((self.data == 0) | (self.data == 1)).all()):
            raise InputError("the data of the funnel model must be zeros and ones")

    @property
    def dimension(self) -> int:
        return self.data.shape[1]

    @cached_property
    def offsets(self) -> Tensor:
        """(N, D) what earlier entries of a point add to its logits: o_i = 0.1 (x_{i-1} + o_{i-1}), o_1 = 0."""
        offsets = torch.zeros_like(self.data)
        for i in range(1, self.dimension):
            offsets[:, i] = DECAY * (self.data[:, i - 1] + offsets[:, i - 1])
        return offsets

    @cached_property
    def _signs(self) -> Tensor:
        return 2 * self.data - 1

    def log_likelihood(self, z: Tensor) -> Tensor:
        """(...,) log p(x | z) of all points, at most 0, from (..., 2)."""
        logits = (z @ self.weights).unsqueeze(-2) + self.offsets
        return logsigmoid(self._signs * logits).sum(dim=(-2, -1))

    def log_prior(self, z: Tensor) -> Tensor:
        """(...,) log density of the funnel at (..., 2)."""
        z1, z2 = z.unbind(dim=-1)
        return -0.5 * ((z1 / SD_Z1) ** 2 + z2**2 * torch.exp(-z1 / 2)) - z1 / 4 - math.log(2 * math.pi * SD_Z1)

    def log_joint(self, z: Tensor) -> Tensor:
        """(...,) log p(x, z) at (..., 2)."""
        return self.log_likelihood(z) + self.log_prior(z)


def funnel_from_normal(e: Tensor) -> Tensor:
    """(..., 2) z with the funnel's law from independent standard normals (..., 2)."""
    z1 = SD_Z1 * e[..., 0]
    return torch.stack([z1, torch.exp(z1 / 4) * e[..., 1]], dim=-1)


def simulate_funnel(
    seed: int, *, n_points: int = 5, dimension: int = 20, latents: Latents = "one"
) -> tuple[FunnelModel, Tensor]:
    """Draw weights, z and data; equal arguments give equal models.

    Arguments:
        seed: seed of the data, not of any training.
        n_points: N.
        dimension: D, the paper's d_x.
        latents: one z for all points (the model as it is written), or one for each point (the published code; the
            data then come from outside the model that is fitted to them).

    Returns:
        The model with its data, and the z of the draw, (1, 2) or (N, 2).

    Raises:
        ConfigError: sizes below 1, or another word for `latents`.
    """
    for name, value in (("n_points", n_points), ("dimension", dimension)):
        if value < 1:
            raise ConfigError(f"{name} of the toy must be at least 1, not {value}")
    if latents not in get_args(Latents):
        raise ConfigError(f"latents must be one of {', '.join(get_args(Latents))}, not '{latents}'")
    generator = torch_generator(seed, stream=_STREAM)
    log_weights = torch.randn((N_LATENT, dimension), generator=generator, dtype=torch.float64)
    weights = torch.exp(SD_LOG_WEIGHT * log_weights)
    shape = (1 if latents == "one" else n_points, N_LATENT)
    z = funnel_from_normal(torch.randn(shape, generator=generator, dtype=torch.float64))
    theta = (z @ weights).expand(n_points, dimension)
    uniform = torch.rand((n_points, dimension), generator=generator, dtype=torch.float64)
    data = torch.zeros_like(uniform)
    offset = torch.zeros(n_points, dtype=torch.float64)
    for i in range(dimension):
        data[:, i] = (uniform[:, i] < torch.sigmoid(theta[:, i] + offset)).double()
        offset = DECAY * (data[:, i] + offset)
    return FunnelModel(weights=weights, data=data), z
