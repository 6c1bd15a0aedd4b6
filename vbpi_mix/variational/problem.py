"""Trees as a mixture problem: the target, the mixture, and the particle terms of a step."""

from typing import Any

import torch
from torch import Tensor, nn

from vbpi_mix.errors import SupportError
from vbpi_mix.estimators import ComponentPlan, ParticleTerms
from vbpi_mix.model import PhyloModel
from vbpi_mix.variational.mixture import PhyloMixture, TreeDraws


class PhyloProblem(nn.Module):
    """A phylogenetic posterior and the mixture that approximates it (an `estimators.MixtureProblem`).

    Arguments:
        model: likelihood and priors of an alignment.
        mixture: the variational family, on the same taxa.
    """

    def __init__(self, model: PhyloModel, mixture: PhyloMixture) -> None:
        super().__init__()
        if model.n_taxa != mixture.support.n_taxa:
            raise SupportError(
                f"the alignment has {model.n_taxa} taxa, the support {mixture.support.n_taxa}: build it from trees "
                "of these taxa"
            )
        self.model = model
        self.mixture = mixture
        self.n_components = mixture.n_components

    def draw(
        self, plan: ComponentPlan, n_particles: int, generator: torch.Generator, batch: Any = None
    ) -> ParticleTerms:
        """Draw K trees from each of the S sampled components; see `estimators.ParticleTerms`."""
        del batch  # all sites are used in every step
        draws = self.mixture.draw(plan, n_particles, generator)
        log_likelihood, log_prior = self.log_densities(draws)
        shape = (plan.n_sampled, n_particles)
        return ParticleTerms(
            log_likelihood=log_likelihood.reshape(shape),
            log_prior=log_prior.reshape(shape),
            log_q=draws.log_q.T.reshape(*shape, plan.n_evaluated),
            log_q_score=draws.log_q_topology.reshape(shape),
        )

    def log_densities(self, draws: TreeDraws) -> tuple[Tensor, Tensor]:
        """(T,) log-likelihoods and (T,) log prior densities of drawn trees."""
        lengths = draws.log_lengths.exp()
        topologies = draws.encoded.topologies
        return self.model.log_likelihood(lengths, topologies), self.model.log_prior(lengths)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return self.mixture.parameter_groups()
