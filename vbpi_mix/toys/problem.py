"""The funnel as a mixture problem: target, mixture, and the particle terms of a step."""

from typing import Any

import torch
from torch import nn

from vbpi_mix.errors import BackendError
from vbpi_mix.estimators import ComponentPlan, ParticleTerms
from vbpi_mix.toys.funnel import FunnelModel
from vbpi_mix.toys.gaussians import GaussianMixture


class FunnelProblem(nn.Module):
    """The funnel's posterior and the Gaussians that approximate it (an `estimators.MixtureProblem`).

    Arguments:
        model: prior and data.
        mixture: the variational family.
        sequential_energy: evaluate log p(x, z) one sampled component after the other, as the paper does on purpose: the
            toy stands for targets that cannot be evaluated for all components at once. The values are the same, the
            time grows with S.
    """

    def __init__(self, model: FunnelModel, mixture: GaussianMixture, *, sequential_energy: bool = True) -> None:
        super().__init__()
        self.model = model
        self.mixture = mixture
        self.sequential_energy = sequential_energy
        self.n_components = mixture.n_components

    def draw(
        self, plan: ComponentPlan, n_particles: int, generator: torch.Generator, batch: Any = None
    ) -> ParticleTerms:
        """Draw K particles from each of the S sampled components; see `estimators.ParticleTerms`."""
        del batch  # all points are used in every step
        z, log_q = self.mixture.draw(plan, n_particles, generator)
        parts = z.unbind(dim=0) if self.sequential_energy else (z,)
        shape = (plan.n_sampled, n_particles)
        return ParticleTerms(
            log_likelihood=torch.stack([self.model.log_likelihood(part) for part in parts]).reshape(shape),
            log_prior=torch.stack([self.model.log_prior(part) for part in parts]).reshape(shape),
            log_q=log_q,
        )

    def place(self, device: torch.device | None) -> None:
        """Nothing to do on the CPU, where the toy stays.

        Raises:
            BackendError: another device.
        """
        if device is not None and device.type != "cpu":
            raise BackendError(f"the toy is computed on the CPU, not on {device}")

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"gaussians": [self.mixture.means, self.mixture.log_variances]}
