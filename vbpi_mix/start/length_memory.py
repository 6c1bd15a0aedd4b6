"""First guesses of branch lengths from topologies that were optimised before."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.support import SubsplitSupport, build_support, encode

START = -4.0  # log branch length of an edge of which nothing is known
_TEMPERATURE = 20.0  # nats over which a topology's say in the means falls by e


@dataclass(frozen=True, kw_only=True)
class LengthMemory:
    """Mean optimised log lengths of splits.

    Arguments:
        support: splits of the topologies that were optimised.
        mean: (n_splits,) mean log length of each.
        otherwise: log length of a split that was not seen.
    """

    support: SubsplitSupport
    mean: np.ndarray
    otherwise: float

    def lengths(self, topologies: TopologyBatch) -> np.ndarray:
        """(T, E) log lengths to start from."""
        ids = encode(self.support, topologies).split_ids
        return np.where(ids >= 0, self.mean[np.maximum(ids, 0)], self.otherwise)


def length_memory(topologies: TopologyBatch, log_lengths: np.ndarray, log_density: np.ndarray) -> LengthMemory:
    """Means over topologies, better ones counting more.

    Arguments:
        topologies: T topologies.
        log_lengths: (T, E) optimised.
        log_density: (T,) at these lengths.
    """
    support = build_support(topologies)
    ids = encode(support, topologies).split_ids
    share = np.exp((log_density - log_density.max()) / _TEMPERATURE) + 1e-9
    share = np.repeat(share, ids.shape[1])
    total = np.bincount(ids.reshape(-1), weights=share, minlength=support.n_splits)
    summed = np.bincount(ids.reshape(-1), weights=share * log_lengths.reshape(-1), minlength=support.n_splits)
    mean = summed / total
    # splits that nobody has seen are unlikely ones, and those are short
    inner = mean[support.n_taxa :]
    return LengthMemory(support=support, mean=mean, otherwise=float(np.quantile(inner, 0.1)) if len(inner) else START)
