"""The definition of the likelihood in plain torch, differentiated by autograd; the compiled kernels must match it."""

import math

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.phylo import SitePatterns, TopologyBatch


def tree_log_likelihood(
    transition_matrices: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
) -> Tensor:
    """Felsenstein's pruning recursion (J. Mol. Evol. 17, 1981).

    The message of a clade up its edge is m = P v, with v the indicator of the state set at a tip and the product of
    the children's messages at an internal node. At the top node, which hangs from tip 0 by edge 0,

        log L = sum_p w_p log sum_c weight_c sum_s pi_s v_top[s] m_0[s].

    Arguments:
        transition_matrices: (T, E, C, n, n), n the number of states.
        root_frequencies: (n,), pi, or (T, n).
        category_weights: (C,) or (T, C).
        topologies: T topologies of N taxa.
        patterns: State sets (N, P) and weights w (P,).

    Returns:
        (T,) log-likelihoods; -inf, with zero gradient, where a site likelihood is zero.
    """
    bits = np.arange(patterns.n_states, dtype=np.uint64)[:, None]
    allowed = (patterns.state_sets.astype(np.uint64)[:, None] >> bits) & np.uint64(1)
    tips = torch.from_numpy(allowed.astype(np.float64)).to(transition_matrices)  # (N, n, P)
    weights = torch.from_numpy(patterns.weights).to(transition_matrices)
    n_trees = len(transition_matrices)
    frequencies = root_frequencies.expand(n_trees, -1)
    of_categories = category_weights.expand(n_trees, -1)
    values = [
        _one_tree(transition_matrices[t], frequencies[t], of_categories[t], children.tolist(), tips, weights)
        for t, children in enumerate(topologies.children)
    ]
    return torch.stack(values)


def _one_tree(
    matrices: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    children: list[list[int]],
    tips: Tensor,
    weights: Tensor,
) -> Tensor:
    n = len(tips)
    messages = [matrices[i] @ tips[i] for i in range(n)]  # (C, n, P) each
    log_scale = torch.zeros_like(weights)
    partials = messages[0]
    for i, (left, right) in enumerate(children):
        partials = messages[left] * messages[right]
        largest = partials.detach().amax(dim=(0, 1))
        scale = torch.where(largest > 0, largest, 1.0)
        partials = partials / scale
        log_scale = log_scale + scale.log()
        if i < n - 3:
            messages.append(matrices[n + i] @ partials)
    by_category = torch.einsum("s,csp,csp->cp", root_frequencies, partials, messages[0])
    likelihoods = torch.einsum("c,cp->p", category_weights, by_category)
    possible = likelihoods > 0
    value = (weights * (torch.where(possible, likelihoods, 1.0).log() + log_scale)).sum()
    return torch.where((possible | (weights == 0)).all(), value, -math.inf)


def jc69_matrices(branch_lengths: Tensor) -> Tensor:
    """(..., 4, 4) Jukes-Cantor transition matrices of branch lengths (...) in expected substitutions per site."""
    exponent = -4.0 / 3.0 * branch_lengths[..., None, None]
    identity = torch.eye(4, dtype=branch_lengths.dtype, device=branch_lengths.device)
    return exponent.exp() * identity - 0.25 * torch.expm1(exponent)


def jc69_log_likelihood(branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> Tensor:
    """(T,) log-likelihoods under JC69 of trees with branch lengths (T, E)."""
    frequencies = torch.full((4,), 0.25, dtype=branch_lengths.dtype, device=branch_lengths.device)
    one = torch.ones(1, dtype=branch_lengths.dtype, device=branch_lengths.device)
    return tree_log_likelihood(jc69_matrices(branch_lengths).unsqueeze(2), frequencies, one, topologies, patterns)
