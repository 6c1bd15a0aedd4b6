"""Log densities of the particles of one step: what the estimators need from a problem."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators.plan import ComponentPlan


@dataclass(frozen=True, kw_only=True)
class ParticleTerms:
    """Log-densities of K particles drawn from each of S components.

    `*batch` is () for trees and (B,) for images. Shapes are checked once, here.

    Arguments:
        log_likelihood: (*batch, S, K) log p(x | z).
        log_prior: (*batch, S, K) log p(z).
        log_q: (*batch, S, K, M) log-density of every draw under every evaluated component, all Jacobians included.
        log_q_score: (*batch, S, K) log-probability of the discrete part of each draw under the component that drew
            it, or None where everything is reparameterised.
    """

    log_likelihood: Tensor
    log_prior: Tensor
    log_q: Tensor
    log_q_score: Tensor | None = None

    def __post_init__(self) -> None:
        shape = self.log_likelihood.shape
        if len(shape) < 2:
            raise ConfigError(f"log_likelihood must be (*batch, S, K), not {tuple(shape)}")
        if self.log_prior.shape != shape or self.log_q.shape[:-1] != shape:
            raise ConfigError(
                "particle terms disagree: log_likelihood "
                f"{tuple(shape)}, log_prior {tuple(self.log_prior.shape)}, log_q {tuple(self.log_q.shape)}"
            )
        if self.log_q_score is not None and self.log_q_score.shape != shape:
            raise ConfigError(f"log_q_score must be {tuple(shape)}, not {tuple(self.log_q_score.shape)}")

    def grouped(self, n_draws: int) -> "ParticleTerms":
        """Split K = J * K' particles into J independent groups: (*batch, S, J, K') and so on.

        The bounds reduce the last axis of the numerators; J becomes part of the batch axes, moved before S.
        """
        if n_draws == 1:
            return self

        def split(x: Tensor, axis: int) -> Tensor:
            axis = x.ndim + axis
            shape = (*x.shape[:axis], n_draws, x.shape[axis] // n_draws, *x.shape[axis + 1 :])
            return x.reshape(shape).movedim(axis, axis - 1)

        score = self.log_q_score
        return ParticleTerms(
            log_likelihood=split(self.log_likelihood, -1),
            log_prior=split(self.log_prior, -1),
            log_q=split(self.log_q, -2),
            log_q_score=None if score is None else split(score, -1),
        )

    def of_batch(self, i: int) -> "ParticleTerms":
        """The terms of one element of the first batch axis."""
        score = self.log_q_score
        return ParticleTerms(
            log_likelihood=self.log_likelihood[i],
            log_prior=self.log_prior[i],
            log_q=self.log_q[i],
            log_q_score=None if score is None else score[i],
        )


class MixtureProblem(Protocol):
    """A target and a mixture that approximates it: the seam that trees, images and toys share."""

    n_components: int

    def draw(
        self, plan: ComponentPlan, n_particles: int, generator: torch.Generator, batch: Any = None
    ) -> ParticleTerms:
        """Draw `n_particles` particles from each sampled component and evaluate them by the plan."""
        ...
