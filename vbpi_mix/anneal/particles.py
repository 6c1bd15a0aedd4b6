"""Trees with lengths and parameters, as values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo import TopologyBatch


@dataclass(kw_only=True)
class Particles:
    """P trees with branch lengths and parameters.

    Arguments:
        topologies: P of them.
        log_lengths: (P, E).
        coordinates: (P, d) of the model's parameters; d may be 0.
        log_likelihood: (P,).
    """

    topologies: TopologyBatch
    log_lengths: np.ndarray
    coordinates: np.ndarray
    log_likelihood: np.ndarray

    def __len__(self) -> int:
        return len(self.log_lengths)

    def take(self, rows: np.ndarray) -> "Particles":
        """Particles at (n,) positions, which may repeat."""
        return Particles(
            topologies=self.topologies[rows],
            log_lengths=self.log_lengths[rows],
            coordinates=self.coordinates[rows],
            log_likelihood=self.log_likelihood[rows],
        )


def join_particles(parts: Sequence[Particles]) -> Particles:
    """All particles of several values, one after the other."""
    return Particles(
        topologies=TopologyBatch(np.concatenate([p.topologies.children for p in parts])),
        log_lengths=np.concatenate([p.log_lengths for p in parts]),
        coordinates=np.concatenate([p.coordinates for p in parts]),
        log_likelihood=np.concatenate([p.log_likelihood for p in parts]),
    )
