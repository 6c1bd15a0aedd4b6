"""What each component of a mixture contributes, and how different the components are."""

from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.estimators import all_components, mixture_log_prob, normalised_log_weights
from vbpi_mix.variational import PhyloProblem


def component_shares(weights: np.ndarray, components: np.ndarray, n_components: int) -> np.ndarray:
    """(A,) share of the posterior that each component accounts for: the importance weight of its draws.

    An estimate of the integral of p(tree | data) q_a(tree) / (A q_mix(tree)); equal shares are 1/A.

    Arguments:
        weights: (T,) weights of equally many draws from every component.
        components: (T,) the component of each draw.
        n_components: A.
    """
    return np.bincount(components, weights=weights, minlength=n_components) / weights.sum()


@dataclass(frozen=True, kw_only=True)
class ComponentDiversity:
    """How different the components are.

    Arguments:
        divergence: generalised Jensen-Shannon divergence, the mean over components of KL(q_a || q_mix), in nats,
            between 0 (all equal) and log A (no overlap).
        standard_error: of that.
        effective_number: exp(divergence): how many components without overlap would be as diverse.
    """

    divergence: float
    standard_error: float
    effective_number: float


@torch.no_grad()
def component_diversity(problem: PhyloProblem, *, n_particles: int, generator: torch.Generator) -> ComponentDiversity:
    """Estimate the divergence from `n_particles` draws of each component."""
    plan = all_components(problem.n_components)
    draws = problem.mixture.draw(plan, n_particles, generator)
    own = draws.log_q[draws.component_of_tree, torch.arange(draws.log_q.shape[1])]
    excess = (own - mixture_log_prob(draws.log_q.T, normalised_log_weights(plan, None))).numpy()
    divergence = min(max(float(excess.mean()), 0.0), float(np.log(problem.n_components)))
    return ComponentDiversity(
        divergence=divergence,
        standard_error=float(excess.std(ddof=1) / np.sqrt(len(excess))),
        effective_number=float(np.exp(divergence)),
    )
