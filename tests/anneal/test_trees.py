"""Distances between the edges of trees."""

from collections import deque

import numpy as np
import pytest

from vbpi_mix.anneal.trees import radius_of
from vbpi_mix.phylo import random_topologies, stack


def distances(children):
    """(E, E) steps between edges that share a node, by a search from each."""
    n_taxa = len(children) + 2
    beside = {edge: set() for edge in range(1, 2 * n_taxa - 2)}
    for i, (a, b) in enumerate(children.tolist()):
        meeting = {a, b, n_taxa + i}
        for edge in meeting:
            beside[edge] |= meeting - {edge}
    found = []
    for origin in beside:
        steps, queue = {origin: 0}, deque([origin])
        while queue:
            edge = queue.popleft()
            for other in beside[edge] - steps.keys():
                steps[other] = steps[edge] + 1
                queue.append(other)
        found.append([steps[edge] for edge in beside])
    return np.array(found)


@pytest.mark.parametrize("n_places", [1, 2, 5, 12, 1000])
def test_the_radius_holds_so_many_edges_on_average(n_places):
    topologies = stack(list(random_topologies(6, 12, np.random.default_rng(1))))
    radius = radius_of(topologies, n_places)
    apart = np.array([distances(children) for children in topologies.children])
    within = [(apart <= r).sum(axis=2).mean() for r in range(apart.max() + 1)]
    wanted = min(n_places, topologies.n_edges)
    assert within[radius] >= wanted
    assert radius == 0 or within[radius - 1] < wanted
