"""All estimates from one set of log importance weights."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from vbpi_mix.evaluate.annealing import AnnealingEvaluation
from vbpi_mix.evaluate.estimates import (
    Estimate,
    as_log_weights,
    effective_sample_size,
    elbo,
    log_ml_pooled,
    log_ml_published,
    lower_bound,
    pooled_log_weights,
    weighted_size,
)
from vbpi_mix.evaluate.pareto import ParetoTail, pareto_tail


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Bounds and marginal likelihood of a mixture, in nats.

    Arguments:
        elbo: ELBO(1) of the mixture.
        lb10: the bound with ten particles.
        log_ml: marginal log-likelihood in the papers' form (mean over components of log mean weights).
        log_ml_std: standard deviation of `log_ml` over repeats, which published tables print (NaN for one repeat).
        log_ml_pooled: marginal log-likelihood from all draws pooled, consistent.
        ess: effective sample size of all draws, for a weighted mixture of as many that follow its weights.
        tail: the tail of the importance weights.
        n_repeats, n_components, n_particles: R, A, K.
        annealing: result of annealing, where the posterior comes from there.
    """

    elbo: Estimate
    lb10: Estimate
    log_ml: Estimate
    log_ml_std: float
    log_ml_pooled: Estimate
    ess: float
    tail: ParetoTail
    n_repeats: int
    n_components: int
    n_particles: int
    annealing: AnnealingEvaluation | None = None

    @property
    def marginal_likelihood(self) -> Estimate:
        """The log marginal likelihood: annealed where that was done, else pooled importance weights."""
        if self.annealing is None or not self.annealing.n_groups:
            return self.log_ml_pooled
        return self.annealing.log_ml

    @property
    def n_samples(self) -> int:
        """The number of draws, R * A * K."""
        return self.n_repeats * self.n_components * self.n_particles

    @property
    def pareto_k(self) -> float:
        return self.tail.k

    @property
    def relative_ess(self) -> float:
        """Effective draws per draw, between 0 and 1."""
        return self.ess / self.n_samples

    def to_dict(self) -> dict[str, Any]:
        """Flat and ready for JSON; a number that is not finite (an error of -inf, say) becomes None."""
        values: dict[str, Any] = {}
        for name, estimate in (
            ("elbo", self.elbo),
            ("lb10", self.lb10),
            ("log_ml", self.log_ml),
            ("log_ml_pooled", self.log_ml_pooled),
        ):
            values[name] = _finite(estimate.value)
            values[f"{name}_se"] = _finite(estimate.standard_error)
        if self.annealing is not None:
            values["annealing"] = self.annealing.to_dict()
        return values | {
            "finish": "importance" if self.annealing is None else "anneal",
            "log_ml_std": _finite(self.log_ml_std),
            "ess": self.ess,
            "relative_ess": self.relative_ess,
            "pareto_k": _finite(self.tail.k),
            "pareto_k_threshold": self.tail.threshold,
            "pareto_verdict": self.tail.verdict,
            "n_samples": self.n_samples,
            "n_repeats": self.n_repeats,
            "n_components": self.n_components,
            "n_particles": self.n_particles,
        }


def evaluate_log_weights(
    log_weights: torch.Tensor | np.ndarray, component_weights: np.ndarray | None = None
) -> Evaluation:
    """Estimate everything from log importance weights.

    Arguments:
        log_weights: (R, A, K), log p(x, z) - log q_mix(z) of independent draws, see `evaluate.estimates`.
        component_weights: (A,) weights of the mixture, uniform if not given.

    Raises:
        InputError: a wrong shape, fewer than 10 draws of a component or 25 in all.
        NumericalError: a weight is NaN or +inf, or all are zero.
    """
    log_w = as_log_weights(log_weights)
    n_repeats, n_components, n_particles = log_w.shape
    published, deviation = log_ml_published(log_w, component_weights)
    pooled = pooled_log_weights(log_w, component_weights)
    return Evaluation(
        elbo=elbo(log_w, component_weights),
        lb10=lower_bound(log_w, 10, component_weights),
        log_ml=published,
        log_ml_std=deviation,
        log_ml_pooled=log_ml_pooled(log_w, component_weights),
        ess=effective_sample_size(pooled) if component_weights is None else weighted_size(log_w, component_weights),
        tail=pareto_tail(pooled),
        n_repeats=n_repeats,
        n_components=n_components,
        n_particles=n_particles,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
