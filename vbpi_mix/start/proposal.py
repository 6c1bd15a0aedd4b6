"""Drawing topologies from networks fitted to weighted topologies, and what the draws say about the rest."""

from collections.abc import Sequence
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
        n_draws: number of topologies that were drawn.
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
    until: float | None = None,
) -> Proposal:
    """Networks on the support of the given topologies, fitted to their weights by EM, which ends early at `until`."""
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
        until=until,
    )
    return Proposal(
        networks=SubsplitBayesianNetworks(support, n_components, logits=fitted.logits),
        n_draws=n_draws,
    )


class Inclusion:
    """Probabilities that topologies of a growing list are among the draws of at least one of several proposals.

    What is known of a topology is kept, so that each proposal evaluates each of them once.
    """

    def __init__(self) -> None:
        self.proposals: list[Proposal] = []
        self._log_missed = np.empty(0)  # log probability that the first `_n_seen` proposals all miss it
        self._n_seen = np.empty(0, dtype=np.int64)

    def add(self, proposal: Proposal) -> None:
        """One more proposal was drawn from."""
        self.proposals.append(proposal)

    def log_probability(self, topologies: TopologyBatch, rows: np.ndarray) -> np.ndarray:
        """(len(rows),) log(1 - prod_r (1 - q_r)^(n_r)) without cancellation; -inf if none can draw it.

        Arguments:
            topologies: the list; what was in it before stands where it stood.
            rows: rows that are wanted.
        """
        more = topologies.n_trees - len(self._n_seen)
        self._log_missed = np.concatenate([self._log_missed, np.zeros(more)])
        self._n_seen = np.concatenate([self._n_seen, np.zeros(more, dtype=np.int64)])
        for number, proposal in enumerate(self.proposals):
            todo = rows[self._n_seen[rows] <= number]
            if len(todo):
                self._log_missed[todo] += log_missed(proposal, topologies[todo])
                self._n_seen[todo] = number + 1
        with np.errstate(divide="ignore"):  # never drawn: -inf
            return np.log(-np.expm1(self._log_missed[rows]))


def log_missed(proposal: Proposal, topologies: TopologyBatch) -> np.ndarray:
    """(T,) log probability n log(1 - q) that a topology is not among the proposal's draws."""
    q = np.minimum(np.exp(proposal.log_prob(topologies)), 1.0 - 1e-15)
    return proposal.n_draws * np.log1p(-q)


def log_inclusion(proposals: Sequence[Proposal], topologies: TopologyBatch) -> np.ndarray:
    """(T,) log probability that a topology is among the draws of at least one of the proposals."""
    inclusion = Inclusion()
    for proposal in proposals:
        inclusion.add(proposal)
    return inclusion.log_probability(topologies, np.arange(topologies.n_trees))
