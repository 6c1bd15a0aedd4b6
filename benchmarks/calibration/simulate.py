"""Seeded alignments on random trees, for sizes that no data set of the repository has."""

import numpy as np

from vbpi_mix.phylo import Alignment, Topology, random_topologies


def simulate(
    n_taxa: int, n_sites: int, generator: np.random.Generator, *, mean_length: float = 0.05
) -> tuple[Alignment, Topology, np.ndarray]:
    """An alignment under JC69 on a random topology, the topology, and its branch lengths (E,)."""
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    lengths = generator.exponential(mean_length, size=2 * n_taxa - 3)
    states = np.zeros((2 * n_taxa - 2, n_sites), dtype=np.uint8)
    top = 2 * n_taxa - 3
    states[top] = generator.integers(4, size=n_sites)

    def evolve(parent: np.ndarray, length: float) -> np.ndarray:
        changes = generator.random(n_sites) < 1 - np.exp(-4 / 3 * length)
        return np.where(changes, generator.integers(4, size=n_sites, dtype=np.uint8), parent)

    states[0] = evolve(states[top], lengths[0])
    for i in range(n_taxa - 3, -1, -1):
        for child in topology.children[i]:
            states[child] = evolve(states[n_taxa + i], lengths[child])
    taxa = tuple(f"t{i}" for i in range(n_taxa))
    return Alignment(taxa=taxa, state_sets=np.left_shift(np.uint8(1), states[:n_taxa])), topology, lengths
