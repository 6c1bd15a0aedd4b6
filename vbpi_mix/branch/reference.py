"""The base distribution of log branch lengths in plain torch: the definition that the kernels must match.

The location and log-scale of edge e of a tree are sums of table rows, one row for its split and, with PSP features, one
for each primary subsplit pair at its two ends (Zhang and Matsen 2019, "Variational Bayesian phylogenetic inference"):

    (location_e, log_scale_e) = sum_f table[component, feature_ids[e, f]],
    log b_e ~ Normal(location_e, exp(log_scale_e)).
"""

import math

import numpy as np
import torch
from torch import Tensor


def edge_parameters(table: Tensor, feature_ids: np.ndarray) -> Tensor:
    """(A, T, E, 2) location and log-scale of every edge under every component.

    Arguments:
        table: (A, F, 2) float64.
        feature_ids: (T, E, 3) int32, -1 where an edge has no such feature.
    """
    ids = torch.from_numpy(feature_ids.astype(np.int64))
    rows = table[:, ids.clamp(min=0)]
    return torch.where((ids >= 0).unsqueeze(-1), rows, torch.zeros((), dtype=table.dtype)).sum(dim=3)


def draw(table: Tensor, feature_ids: np.ndarray, component_of_tree: Tensor, noise: Tensor) -> Tensor:
    """(T, E) reparameterised log branch lengths, each tree under its own component."""
    parameters = edge_parameters(table, feature_ids)
    own = parameters[component_of_tree, torch.arange(len(component_of_tree))]
    return own[..., 0] + own[..., 1].exp() * noise


def log_prob(table: Tensor, feature_ids: np.ndarray, components: Tensor, log_lengths: Tensor) -> Tensor:
    """(M, T) log-density of log branch lengths (T, E) under each of the components (M,)."""
    parameters = edge_parameters(table, feature_ids)[components]
    residual = (log_lengths - parameters[..., 0]) * torch.exp(-parameters[..., 1])
    return (-0.5 * residual**2 - parameters[..., 1] - 0.5 * math.log(2 * math.pi)).sum(dim=-1)
