"""The variational family of the toy: Gaussians with diagonal covariances, all components in two tensors."""

import math

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan

# He et al.'s uniform initialisation, sqrt(3 / fan-in), with the latent dimension as fan-in: the range from which the
# published code draws means and log variances
INITIAL_RANGE = math.sqrt(1.5)


class GaussianMixture(nn.Module):
    """A Gaussians q_a(z) = Normal(mean_a, diag(exp(log_variance_a))) of equal weight, in two dimensions.

    Arguments:
        n_components: A.
        generator: means and log variances start uniform on +-sqrt(3/2).

    Attributes:
        means, log_variances: (A, 2) float64 parameters.

    Raises:
        ConfigError: no component.
    """

    def __init__(self, n_components: int, generator: torch.Generator) -> None:
        super().__init__()
        if n_components < 1:
            raise ConfigError(f"a mixture needs at least one component, not {n_components}")
        self.n_components = n_components
        start = torch.empty((2, n_components, 2), dtype=torch.float64)
        start.uniform_(-INITIAL_RANGE, INITIAL_RANGE, generator=generator)
        self.means = nn.Parameter(start[0].clone())
        self.log_variances = nn.Parameter(start[1].clone())

    def from_normal(self, components: Tensor, e: Tensor) -> Tensor:
        """(S, K, 2) draws of components (S,) from standard normals (S, K, 2), by reparameterisation."""
        sd = torch.exp(0.5 * self.log_variances[components])
        return self.means[components].unsqueeze(1) + sd.unsqueeze(1) * e

    def log_prob(self, z: Tensor, components: Tensor | None = None) -> Tensor:
        """(..., M) log-density at (..., 2) under each of the components (M,), all of them if None."""
        means, log_variances = self.means, self.log_variances
        if components is not None:
            means, log_variances = means[components], log_variances[components]
        squares = (z.unsqueeze(-2) - means) ** 2 * torch.exp(-log_variances)
        return -0.5 * (squares + log_variances).sum(dim=-1) - math.log(2 * math.pi)

    def draw(self, plan: ComponentPlan, n_particles: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(S, K, 2) draws of the sampled components, and (S, K, M) their log-density under each evaluated one."""
        shape = (plan.n_sampled, n_particles, 2)
        z = self.from_normal(plan.sampled, torch.randn(shape, generator=generator, dtype=torch.float64))
        everything = plan.n_evaluated == self.n_components
        return z, self.log_prob(z, None if everything else plan.evaluated)
