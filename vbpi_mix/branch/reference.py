"""The base distribution of log branch lengths in plain torch: the definition that the kernels must match.

The location and log-scale of edge e of a tree are sums of table rows, one row for its split and, with PSP features, one
for each primary subsplit pair at its two ends (Zhang and Matsen 2019, "Variational Bayesian phylogenetic inference"):

    (location_e, log_scale_e) = sum_f table[component, feature_ids[e, f]],
    log b_e ~ Normal(location_e, exp(log_scale_e)).
"""

import math

import torch
from torch import Tensor

from vbpi_mix.branch.features import FeatureIds, gathered, index_of


def edge_parameters(table: Tensor, feature_ids: FeatureIds) -> Tensor:
    """(A, T, E, 2) location and log-scale of every edge under every component.

    Arguments:
        table: (A, F, 2) float64.
        feature_ids: (T, E, 3) of the edges, -1 where an edge has no such feature.
    """
    rows = table.permute(1, 2, 0)  # features first, as in memory
    return gathered(rows.flatten(1), feature_ids).unflatten(2, rows.shape[1:]).permute(3, 0, 1, 2)


def own_parameters(table: Tensor, feature_ids: FeatureIds, component_of_tree: Tensor) -> Tensor:
    """(T, E, 2) location and log-scale of every edge under the component of its tree."""
    ids = index_of(feature_ids, table.device)
    rows = table[component_of_tree[:, None, None], ids.clamp(min=0)]
    return rows.masked_fill((ids < 0)[..., None], 0.0).sum(dim=2)


def draw(table: Tensor, feature_ids: FeatureIds, component_of_tree: Tensor, noise: Tensor) -> Tensor:
    """(T, E) reparameterised log branch lengths, each tree under its own component."""
    location, log_scale = own_parameters(table, feature_ids, component_of_tree).unbind(dim=2)
    return location + log_scale.exp() * noise


def log_prob(table: Tensor, feature_ids: FeatureIds, components: Tensor, log_lengths: Tensor) -> Tensor:
    """(M, T) log-density of log branch lengths (T, E) under each of the components (M,)."""
    return _log_normal(edge_parameters(table, feature_ids)[components], log_lengths)


def own_log_prob(table: Tensor, feature_ids: FeatureIds, component_of_tree: Tensor, log_lengths: Tensor) -> Tensor:
    """(T,) log-density of log branch lengths (T, E), each tree under the one component given for it."""
    return _log_normal(own_parameters(table, feature_ids, component_of_tree), log_lengths)


def _log_normal(parameters: Tensor, log_lengths: Tensor) -> Tensor:
    location, log_scale = parameters.unbind(dim=-1)
    residual = (log_lengths - location) * torch.exp(-log_scale)
    return (-0.5 * residual**2 - log_scale - 0.5 * math.log(2 * math.pi)).sum(dim=-1)
