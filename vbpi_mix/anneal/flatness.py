"""Estimate from short chains of how many topologies share the posterior."""

import numpy as np

from vbpi_mix.phylo import TopologyBatch

_APART = 10  # rounds between two trees of a chain that count as a pair


def effective_topologies(topologies: TopologyBatch, chains: np.ndarray) -> float:
    """One over the probability that two trees of the posterior have the same topology (Simpson's index).

    Pairs are trees of one chain some rounds apart: chains in different modes of a concentrated posterior do not make
    it look flat. Without any equal pair the number of pairs is returned, a lower bound.

    Arguments:
        topologies: T of them, in the order of the rounds.
        chains: (T,) chain of each.
    """
    _, position = topologies.unique()
    equal = pairs = 0
    for chain in np.unique(chains):
        visited = position[chains == chain]
        for lag in range(_APART, len(visited)):
            equal += int((visited[lag:] == visited[:-lag]).sum())
            pairs += len(visited) - lag
    return pairs / max(1, equal)
