"""Seeded alignments on random trees, for sizes that no data set of the repository has."""

import numpy as np

from benchmarks.evolve import evolve_states, jukes_cantor
from vbpi_mix.phylo import Alignment, Topology, random_topologies


def simulate(
    n_taxa: int, n_sites: int, generator: np.random.Generator, *, mean_length: float = 0.05
) -> tuple[Alignment, Topology, np.ndarray]:
    """An alignment under JC69 on a random topology, the topology, and its branch lengths (E,)."""
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    lengths = generator.exponential(mean_length, size=2 * n_taxa - 3)
    root_states = generator.integers(4, size=n_sites).astype(np.uint8)
    states = evolve_states(topology, root_states, jukes_cantor(lengths, generator, dtype=np.uint8))
    taxa = tuple(f"t{i}" for i in range(n_taxa))
    return Alignment(taxa=taxa, state_sets=np.left_shift(np.uint8(1), states)), topology, lengths
