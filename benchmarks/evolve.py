"""States of characters evolved along an unrooted tree."""

from collections.abc import Callable

import numpy as np

from vbpi_mix.phylo import Topology


def evolve_states(
    topology: Topology, root_states: np.ndarray, along: Callable[[np.ndarray, int], np.ndarray]
) -> np.ndarray:
    """(N, L) states of the taxa, evolved from the top node outwards.

    Arguments:
        topology: N taxa.
        root_states: (L,) states at the top node.
        along: The states at the lower end of an edge, from those at its upper end and the number of the edge. Called
            once for each edge, for that of taxon 0 first and then from the top downwards, so that a seed gives the
            same states each time.
    """
    n = topology.n_taxa
    states = np.empty((2 * n - 2, len(root_states)), dtype=root_states.dtype)
    states[2 * n - 3] = root_states
    states[0] = along(root_states, 0)
    for i in range(n - 3, -1, -1):
        for child in topology.children[i].tolist():
            states[child] = along(states[n + i], child)
    return states[:n]


def jukes_cantor(
    lengths: np.ndarray, generator: np.random.Generator, *, dtype: type[np.integer] = np.int64
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Evolution along edges of (E,) lengths under JC69, for `evolve_states`."""

    def along(states: np.ndarray, edge: int) -> np.ndarray:
        changed = generator.random(len(states)) < 1 - np.exp(-4 / 3 * lengths[edge])
        return np.where(changed, generator.integers(4, size=len(states), dtype=dtype), states)

    return along
