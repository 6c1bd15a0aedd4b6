"""Contributions of the components of a mixture, and their diversity."""

from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.estimators import all_components
from vbpi_mix.variational import PhyloProblem


def component_shares(weights: np.ndarray, components: np.ndarray, n_components: int) -> np.ndarray:
    """(A,) share of the posterior that each component accounts for: the importance weight of its draws.

    An estimate of the integral of p(tree | data) w_a q_a(tree) / q_mix(tree); equal shares are 1/A.

    Arguments:
        weights: (T,) weights of draws, as `PosteriorDraws.weights` gives them.
        components: (T,) the component of each draw.
        n_components: A.
    """
    return np.bincount(components, weights=weights, minlength=n_components) / weights.sum()


@dataclass(frozen=True, kw_only=True)
class ComponentDiversity:
    """Diversity of the components.

    Arguments:
        divergence: generalised Jensen-Shannon divergence, sum_a w_a KL(q_a || q_mix), in nats, between 0
            (all equal) and the entropy of w, log A for equal weights (no overlap).
        standard_error: standard error of that.
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
    counts = problem.mixture.log_strata.exp()  # A w_a, 1 for equal weights
    excess = ((own - problem.mixture.mixed(draws.log_q)) * counts[draws.component_of_tree]).numpy()
    largest = np.log(problem.n_components) - float(torch.xlogy(counts, counts).mean())
    divergence = min(max(float(excess.mean()), 0.0), float(largest))
    return ComponentDiversity(
        divergence=divergence,
        standard_error=float(excess.std(ddof=1) / np.sqrt(len(excess))),
        effective_number=float(np.exp(divergence)),
    )
