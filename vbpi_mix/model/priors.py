"""Priors of branch lengths and topologies."""

import math
from dataclasses import dataclass

from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.phylo import log_n_topologies


@dataclass(frozen=True)
class ExponentialBranchPrior:
    """Independent exponential branch lengths with mean 1 / rate.

    Raises:
        ConfigError: a rate that is not finite and positive.
    """

    rate: float = 10.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf:
            raise ConfigError(f"the rate of the branch-length prior is {self.rate}: it must be finite and positive")

    def log_prob(self, branch_lengths: Tensor) -> Tensor:
        """(T,) log density of lengths (T, E), which must not be negative."""
        return branch_lengths.shape[-1] * math.log(self.rate) - self.rate * branch_lengths.sum(dim=-1)


def log_topology_prior(n_taxa: int) -> float:
    """-log (2N-5)!!, the uniform prior over unrooted binary topologies."""
    return -log_n_topologies(n_taxa)
