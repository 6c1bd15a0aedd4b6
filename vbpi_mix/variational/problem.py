"""Trees as a mixture problem: the target, the mixture, and the particle terms of a step."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from vbpi_mix.errors import ConfigError, SupportError
from vbpi_mix.estimators import ComponentPlan, ParticleTerms
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.variational.mixture import PhyloMixture, TreeDraws

Gradient = Literal["total", "path"]
_EXCLUDED_BELOW = 10.0  # nats, in training


class PhyloProblem(nn.Module):
    """A phylogenetic posterior and the mixture that approximates it (an `estimators.MixtureProblem`).

    Arguments:
        model: likelihood and priors of an alignment.
        mixture: the variational family, on the same taxa.
        gradient: "total": the derivative of the bound, as published. "path": without the derivative of the base's
            densities of the branch lengths in the base's own tables, which reach the bound through the lengths alone,
            and likewise for the densities of the substitution model's parameters.

    What "path" leaves out is a score, sum_k w_k d log q(b_k; phi) / d phi with the normalised weights w of the K
    particles. For K = 1 its expectation is zero under each estimator (for S2A over the subsets), for K > 1 it is not,
    but it is small where the weights are nearly equal; its noise is not, and under S2A it is all that moves a component
    in steps in which it is not drawn. At q = posterior the path derivative vanishes for every draw. The parameters of
    a flow keep their total derivative.

    Raises:
        SupportError: model and mixture have other numbers of taxa.
        ConfigError: an unknown gradient, or model and mixture have other numbers of parameters.

    References:
        Roeder, Wu and Duvenaud, Sticking the landing: simple, lower-variance gradient estimators for variational
        inference, NeurIPS 2017.
        Tucker, Lawson, Gu and Maddison, Doubly reparameterized gradient estimators for Monte Carlo objectives, ICLR
        2019, on the bias for K > 1.
    """

    def __init__(self, model: PhyloModel, mixture: PhyloMixture, *, gradient: Gradient = "total") -> None:
        super().__init__()
        check_gradient(gradient)
        if model.n_taxa != mixture.support.n_taxa:
            raise SupportError(
                f"the alignment has {model.n_taxa} taxa, the support {mixture.support.n_taxa}: build it from trees "
                "of these taxa"
            )
        posterior = mixture.parameter_posterior
        n_parameters = 0 if posterior is None else posterior.n_parameters
        if model.parameters.n_coordinates != n_parameters:
            raise ConfigError(
                f"the model has {model.parameters.n_coordinates} parameters to infer, the mixture {n_parameters}"
            )
        self.model = model
        self.mixture = mixture
        self.gradient: Gradient = gradient
        self.n_components = mixture.n_components
        self._target = model

    def place(self, device: torch.device | None, *, backend: str = "triton") -> None:
        """Have `draw` compute on a device from now on; None: on the CPU, by the compiled kernels.

        The formulas are the same, in torch in place of Numba, with the likelihood of `felsenstein.gpu`. Topologies and
        normal numbers are drawn on the CPU from the generator, and copied to the device for all trees of a step at
        once: equal seeds give equal draws on either, up to rounding.

        Arguments:
            device: where to compute.
            backend: the word of `felsenstein.BACKENDS` that computes likelihoods there.

        Raises:
            BackendError: the likelihood of this model cannot be computed there.
        """
        self._target = self.model if device is None else self.model.placed(backend, device)
        self.mixture.place(device)

    def draw(
        self, plan: ComponentPlan, n_particles: int, generator: torch.Generator, batch: Any = None
    ) -> ParticleTerms:
        """Draw K trees from each of the S sampled components; see `estimators.ParticleTerms`."""
        del batch  # all sites are used in every step
        draws = self.mixture.draw(plan, n_particles, generator, path=self.gradient == "path")
        log_likelihood, log_prior = self._densities(draws)
        log_likelihood = self._softened(log_likelihood, draws)
        shape = (plan.n_sampled, n_particles)
        return ParticleTerms(
            log_likelihood=log_likelihood.reshape(shape),
            log_prior=log_prior.reshape(shape),
            log_q=draws.log_q.T.reshape(*shape, plan.n_evaluated),
            log_q_score=draws.log_q_topology.reshape(shape),
        )

    def log_densities(self, draws: TreeDraws) -> tuple[Tensor, Tensor]:
        """(T,) log-likelihoods, -inf where constraints exclude a tree, and (T,) log prior densities of drawn trees."""
        log_likelihood, log_prior = self._densities(draws)
        excluded = self._excluded(draws)
        return log_likelihood if excluded is None else log_likelihood.masked_fill(excluded, -torch.inf), log_prior

    def _densities(self, draws: TreeDraws) -> tuple[Tensor, Tensor]:
        return densities(self._target, draws.encoded.topologies, draws.log_lengths, draws.parameters)

    def _excluded(self, draws: TreeDraws) -> Tensor | None:
        constraints = self.model.constraints
        if constraints is None or constraints.by_splits:  # the support holds no split that is not allowed
            return None
        excluded = torch.from_numpy(~constraints.allows(draws.encoded.topologies))
        return excluded.to(draws.log_lengths.device)

    def _softened(self, log_likelihood: Tensor, draws: TreeDraws) -> Tensor:
        """Log likelihoods for training, whose bound must stay finite: excluded trees count as worse than the worst
        allowed one.
        """
        excluded = self._excluded(draws)
        if excluded is None or not bool(excluded.any()):
            return log_likelihood
        allowed = log_likelihood.detach()[~excluded]
        lowest = float(allowed.min()) if len(allowed) else float(log_likelihood.detach().min())
        return torch.where(excluded, torch.full_like(log_likelihood, lowest - _EXCLUDED_BELOW), log_likelihood)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return self.mixture.parameter_groups()


def densities(
    model: PhyloModel, topologies: TopologyBatch, log_lengths: Tensor, parameters: Tensor
) -> tuple[Tensor, Tensor]:
    """(T,) log-likelihoods and (T,) log prior densities of trees; parameters (T, d) are coordinates."""
    lengths = log_lengths.exp()
    return model.log_likelihood(lengths, topologies, parameters), model.log_prior(lengths, parameters)


def check_gradient(word: str) -> None:
    """Raise ConfigError unless there is such a gradient."""
    if word not in get_args(Gradient):
        raise ConfigError(f"unknown gradient '{word}': choose one of {', '.join(get_args(Gradient))}")
