"""VIMCO: the score-function gradient of a multi-sample bound with leave-one-out control variates."""

import math

import torch
from torch import Tensor


def leave_one_out_bounds(log_w: Tensor) -> Tensor:
    """(..., K) bounds in which the k-th log weight is replaced by the mean of the others.

    The mean of the logs is the log of the geometric mean of the other weights (Mnih and Rezende 2016, Eq. 9).

    Arguments:
        log_w: (..., K) log importance weights, K >= 2.
    """
    n_particles = log_w.shape[-1]
    own = torch.eye(n_particles, dtype=torch.bool, device=log_w.device)
    rows = log_w.unsqueeze(-2).expand(*log_w.shape[:-1], n_particles, n_particles)
    mean_of_others = rows.masked_fill(own, 0.0).sum(dim=-1) / (n_particles - 1)
    replaced = torch.where(own, mean_of_others.unsqueeze(-1), rows)
    return torch.logsumexp(replaced, dim=-1) - math.log(n_particles)


def learning_signals(log_w: Tensor) -> Tensor:
    """(..., K) weights of the scores, without gradient: the bound minus its leave-one-out bound.

    With a single particle there is nothing to leave out: the signal is the log weight itself.
    """
    log_w = log_w.detach()
    n_particles = log_w.shape[-1]
    if n_particles == 1:
        return log_w
    bound = torch.logsumexp(log_w, dim=-1, keepdim=True) - math.log(n_particles)
    return bound - leave_one_out_bounds(log_w)


def vimco(log_w: Tensor, log_q_score: Tensor, outer: Tensor) -> Tensor:
    """(*batch,) term whose gradient is the score part of the gradient of `miselbo`.

    sum_s u_s sum_k stopgrad(L_s - L_s^{-k}) log q_s(z_sk): the particles of component s enter the bound of
    component s alone, so each component has its own signals; the denominators' gradients are in the bound itself.

    Arguments:
        log_w: (*batch, S, K) log importance weights.
        log_q_score: (*batch, S, K) log-probability of the discrete part under the drawing component.
        outer: (S,) weights of the components in the bound.
    """
    per_component = (learning_signals(log_w) * log_q_score).sum(dim=-1)
    return (per_component * outer.to(log_w)).sum(dim=-1)
