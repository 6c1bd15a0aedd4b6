"""From a problem to the loss of one step: subsets, draws, tempering, bound and score terms."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators.bounds import (
    effective_sample_size,
    miselbo,
    mixture_log_prob,
    normalised_log_weights,
    outer_weights,
)
from vbpi_mix.estimators.plan import ComponentPlan, Estimator, check_estimator, draw_plan
from vbpi_mix.estimators.terms import MixtureProblem, ParticleTerms
from vbpi_mix.estimators.vimco import vimco

Annealed = Literal["likelihood", "kl"]


@dataclass(frozen=True, kw_only=True)
class Surrogate:
    """The result of one step.

    Arguments:
        loss: scalar; its gradient estimates that of the negative (tempered) bound.
        bound: scalar without gradient, the bound at inverse temperature 1, mean over the batch.
        ess: scalar without gradient, mean effective number of the K particles, between 1 and K.
        terms: the particle terms of each subset, to name the cause where something is not finite.
    """

    loss: Tensor
    bound: Tensor
    ess: Tensor
    terms: tuple[ParticleTerms, ...]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A mixture bound and how its gradient is estimated (Hotti et al. 2024, Eq. 10 and 17).

    Arguments:
        estimator: "a2a", "s2a" or "s2s".
        n_components: A.
        n_sampled: S components drawn per subset.
        n_particles: K particles inside the logarithm.
        n_subsets: independent subsets per step (the paper's M).
        n_draws: independent groups of K particles per component and subset (the paper's J).
        annealed: quantity that the inverse temperature scales: the log-likelihood (tempering) or the difference log
            p(z) - log q(z) (KL warm-up).

    Raises:
        ConfigError: impossible combinations.
    """

    estimator: Estimator
    n_components: int
    n_sampled: int
    n_particles: int = 10
    n_subsets: int = 1
    n_draws: int = 1
    annealed: Annealed = "likelihood"

    def __post_init__(self) -> None:
        check_estimator(self.estimator, n_components=self.n_components, n_sampled=self.n_sampled)
        for name in ("n_particles", "n_subsets", "n_draws"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.annealed not in ("likelihood", "kl"):
            raise ConfigError(f"annealed must be 'likelihood' or 'kl', not '{self.annealed}'")

    def plan(self, generator: torch.Generator) -> ComponentPlan:
        """Draw the components of a step."""
        return draw_plan(self.estimator, n_components=self.n_components, n_sampled=self.n_sampled, generator=generator)

    def step(
        self,
        problem: MixtureProblem,
        generator: torch.Generator,
        *,
        inverse_temperature: float = 1.0,
        mixture_weights: Tensor | None = None,
        batch: Any = None,
    ) -> Surrogate:
        """Draw subsets and particles from the problem and form the loss."""
        steps = []
        for _ in range(self.n_subsets):
            plan = self.plan(generator)
            terms = problem.draw(plan, self.n_particles * self.n_draws, generator, batch)
            steps.append(
                self.surrogate(terms, plan, inverse_temperature=inverse_temperature, mixture_weights=mixture_weights)
            )
        if len(steps) == 1:
            return steps[0]
        return Surrogate(
            loss=torch.stack([s.loss for s in steps]).mean(),
            bound=torch.stack([s.bound for s in steps]).mean(),
            ess=torch.stack([s.ess for s in steps]).mean(),
            terms=tuple(t for s in steps for t in s.terms),
        )

    def surrogate(
        self,
        terms: ParticleTerms,
        plan: ComponentPlan,
        *,
        inverse_temperature: float = 1.0,
        mixture_weights: Tensor | None = None,
    ) -> Surrogate:
        """The loss of given particle terms: mixture density -> tempering -> MISELBO -> VIMCO."""
        terms = terms.grouped(self.n_draws)
        found = estimate(
            terms,
            normalised_log_weights(plan, mixture_weights),
            outer_weights(plan, mixture_weights),
            inverse_temperature=inverse_temperature,
            annealed=self.annealed,
        )
        return Surrogate(loss=-found.target.mean(), bound=found.bound.mean(), ess=found.ess.mean(), terms=(terms,))


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """Estimates of one step for each element of the batch.

    Arguments:
        target: (*batch,) the (tempered) bound with its score terms; its gradient estimates that of the bound.
        bound: (*batch,) without gradient, the bound at inverse temperature 1.
        ess: (*batch, S) without gradient, effective number of the K particles.
    """

    target: Tensor
    bound: Tensor
    ess: Tensor


def estimate(
    terms: ParticleTerms,
    log_weights: Tensor,
    outer: Tensor,
    *,
    inverse_temperature: float | Tensor = 1.0,
    annealed: Annealed = "likelihood",
) -> Estimates:
    """From particle terms to bounds: mixture density -> tempering -> MISELBO -> VIMCO.

    Arguments:
        terms: log densities of the particles.
        log_weights: (M,) log weights of the evaluated components, see `bounds.normalised_log_weights`.
        outer: (S,) weights of the sampled components in the bound, see `bounds.outer_weights`.
        inverse_temperature: a number, or a tensor that broadcasts over (*batch, S, K).
        annealed: see `Objective`.
    """
    log_q_mix = mixture_log_prob(terms.log_q, log_weights)
    if annealed == "likelihood":
        log_w = inverse_temperature * terms.log_likelihood + terms.log_prior - log_q_mix
    else:
        log_w = terms.log_likelihood + inverse_temperature * (terms.log_prior - log_q_mix)
    target = miselbo(log_w, outer)
    if terms.log_q_score is not None:
        target = target + vimco(log_w, terms.log_q_score, outer)
    with torch.no_grad():
        untempered = isinstance(inverse_temperature, float) and inverse_temperature == 1.0
        full = log_w if untempered else terms.log_likelihood + terms.log_prior - log_q_mix
        return Estimates(target=target, bound=miselbo(full, outer), ess=effective_sample_size(full))
