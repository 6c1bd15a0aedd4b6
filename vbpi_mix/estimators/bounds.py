"""Bounds of mixtures: the mixture density, importance weights and MISELBO, once for every problem."""

import math

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators.plan import ComponentPlan


def normalised_log_weights(plan: ComponentPlan, mixture_weights: Tensor | None) -> Tensor:
    """(M,) log mixture weights, renormalised on the evaluated components (log 1/M each when None).

    Arguments:
        plan: the components of the step.
        mixture_weights: (A,) positive weights of all components, not necessarily normalised, or None.
    """
    if mixture_weights is None:
        return torch.full((plan.n_evaluated,), -math.log(plan.n_evaluated), dtype=torch.float64)
    if mixture_weights.shape != (plan.n_components,) or not bool((mixture_weights > 0).all()):
        raise ConfigError(f"mixture weights must be {plan.n_components} positive numbers")
    return torch.log_softmax(mixture_weights[plan.evaluated].log(), dim=0)


def outer_weights(plan: ComponentPlan, mixture_weights: Tensor | None) -> Tensor:
    """(S,) weight of each sampled component in the bound: w_s / sum_evaluated(w) * M / S.

    With all components evaluated (A2A, S2A) this is u_k = w_k / (w_A E[H_k]) of Hotti et al. (2024), Theorem B.1,
    under uniformly drawn subsets, E[H_k] = S / A: the bound is unbiased for the weighted MISELBO. With the
    subset itself evaluated (S2S) it is the weighted MISELBO of that subset. Uniform weights give 1 / S.
    """
    log_w = normalised_log_weights(plan, mixture_weights)[plan.sampled_positions()]
    return log_w.exp() * (plan.n_evaluated / plan.n_sampled)


def mixture_log_prob(log_q: Tensor, log_weights: Tensor) -> Tensor:
    """log sum_m w_m q_m(z): (*batch, S, K) from (*batch, S, K, M) and (M,).

    The one place where a mixture density is formed: whether log A or log S is subtracted follows from the
    evaluated set alone.
    """
    return torch.logsumexp(log_q + log_weights.to(log_q), dim=-1)


def miselbo(log_w: Tensor, outer: Tensor) -> Tensor:
    """(*batch,) multi-sample mixture bound: sum_s u_s [logsumexp_k log_w - log K].

    The importance-weighted MISELBO of Kviman et al. (2022), estimated as in Hotti et al. (2024), Eq. 3 to 5.

    Arguments:
        log_w: (*batch, S, K) log importance weights log p(x, z) - log q_mix(z).
        outer: (S,) see `outer_weights`; 1/S each for uniform mixtures, whatever A is.
    """
    n_particles = log_w.shape[-1]
    per_component = torch.logsumexp(log_w, dim=-1) - math.log(n_particles)
    return (per_component * outer.to(log_w)).sum(dim=-1)


def effective_sample_size(log_w: Tensor) -> Tensor:
    """(*batch, S) effective number of the K particles, (sum w)^2 / sum w^2, between 1 and K."""
    return torch.exp(2 * torch.logsumexp(log_w, dim=-1) - torch.logsumexp(2 * log_w, dim=-1))
