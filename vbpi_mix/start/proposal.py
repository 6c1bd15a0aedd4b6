"""Drawing topologies from networks fitted to weighted topologies, and what the draws say about the rest."""

from dataclasses import dataclass

import numpy as np
import torch

from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.sbn import SubsplitBayesianNetworks, em
from vbpi_mix.support import SubsplitSupport, build_support, encode


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A mixture of networks that topologies were drawn from.

    Arguments:
        networks: the mixture, components with equal weights.
        n_draws: how many topologies were drawn.
    """

    networks: SubsplitBayesianNetworks
    n_draws: int

    @property
    def support(self) -> SubsplitSupport:
        return self.networks.support

    def draw(self, generator: torch.Generator) -> TopologyBatch:
        """(n_draws,) topologies; the components take turns."""
        a = self.networks.n_components
        component = torch.arange(self.n_draws) * a // self.n_draws
        return self.networks.sample(component, generator).topologies

    @torch.no_grad()
    def log_prob(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) log q of the mixture; -inf outside the support."""
        log_q = self.networks.log_prob(encode(self.support, topologies))
        return (torch.logsumexp(log_q, dim=0) - np.log(self.networks.n_components)).numpy()


def fit_proposal(
    topologies: TopologyBatch,
    weights: np.ndarray,
    *,
    n_components: int,
    n_draws: int,
    pseudo_count: float,
    generator: torch.Generator,
    n_iterations: int = 30,
) -> Proposal:
    """Networks on the support of the given topologies, fitted to their weights by EM."""
    support = build_support(topologies)
    heavy = np.flatnonzero(weights > 0)
    fitted = em(
        support,
        encode(support, topologies[heavy]),
        weights[heavy],
        n_components=n_components,
        n_iterations=n_iterations,
        generator=generator,
        pseudo_count=pseudo_count,
        tolerance=1e-4,
    )
    return Proposal(
        networks=SubsplitBayesianNetworks(support, n_components, logits=fitted.logits),
        n_draws=n_draws,
    )


def log_inclusion(proposals: list[Proposal], topologies: TopologyBatch) -> np.ndarray:
    """(T,) log probability that a topology is among the draws of at least one of the proposals.

    1 - prod_r (1 - q_r)^(n_r), computed without cancellation.
    """
    log_missed = np.zeros(topologies.n_trees)
    for proposal in proposals:
        q = np.minimum(np.exp(proposal.log_prob(topologies)), 1.0 - 1e-15)
        log_missed += proposal.n_draws * np.log1p(-q)
    with np.errstate(divide="ignore"):  # never drawn: -inf
        return np.log(-np.expm1(log_missed))
