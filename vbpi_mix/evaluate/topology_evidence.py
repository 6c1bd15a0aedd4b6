"""The probability of one topology, drawn or not, by integrating over its branch lengths and parameters."""

import math

import numpy as np
import torch

from vbpi_mix.evaluate.estimates import Estimate
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start import laplace_weights, optimise_lengths
from vbpi_mix.support import encode
from vbpi_mix.variational import PhyloProblem

_AT_ONCE = 1000


@torch.no_grad()
def log_topology_evidence(
    problem: PhyloProblem, topology: TopologyBatch, generator: torch.Generator, *, n_draws: int = 2000
) -> Estimate | None:
    """log p(data, topology) by importance sampling from the mixture's lengths and parameters given the topology.

    Arguments:
        problem: target and mixture.
        topology: a single one.
        generator: source of the draws.
        n_draws: draws of lengths and parameters.

    Returns:
        The estimate with its standard error, -inf where constraints exclude the topology; None where the support lacks
        it.
    """
    mixture = problem.mixture
    if not problem.model.allows(topology).all():
        return Estimate(value=-math.inf, standard_error=0.0)
    one = encode(mixture.support, topology)
    each = mixture.networks.log_prob(one)[:, 0]
    each = (each if len(each) == mixture.n_components else each.expand(mixture.n_components)) + (
        mixture.log_component_weights
    )
    log_q_topology = float(torch.logsumexp(each, dim=0))
    if log_q_topology == -math.inf:
        return None
    found, shares = [], torch.softmax(each, dim=0)
    for first in range(0, n_draws, _AT_ONCE):
        n = min(_AT_ONCE, n_draws - first)
        component = torch.multinomial(shares, n, replacement=True, generator=generator).sort().values
        same = encode(mixture.support, TopologyBatch(np.repeat(topology.children, n, axis=0)))
        draws = mixture.draw_lengths(same, component, generator)
        log_likelihood, log_prior = problem.log_densities(draws)
        found.append(log_likelihood + log_prior - (mixture.mixed(draws.log_q) - log_q_topology))
    log_w = torch.cat(found).numpy()
    top = log_w.max()
    w = np.exp(log_w - top)
    error = float(w.std(ddof=1) / (w.mean() * math.sqrt(len(w))))
    return Estimate(value=float(top + np.log(w.mean())), standard_error=error)


def laplace_log_ratio(model: PhyloModel, topology: TopologyBatch, others: TopologyBatch) -> float:
    """log of the probability of a topology over that of others together, branch lengths by Laplace's approximation.

    Arguments:
        model: likelihood and priors, parameters fixed.
        topology: a single one.
        others: any number of them.
    """
    both = TopologyBatch(np.concatenate([topology.children, others.children]))
    modes = optimise_lengths(model, both)
    weights = laplace_weights(model, both, modes, within=math.inf).log_weight
    return float(weights[0] - np.logaddexp.reduce(weights[1:]))
