"""Topologies that satisfy constraints, near ones that do not."""

import numpy as np

from vbpi_mix.phylo.constraint_counts import random_allowed
from vbpi_mix.phylo.constraints import Constraints, displayed
from vbpi_mix.phylo.neighbours import nni_neighbours, spr_neighbours
from vbpi_mix.phylo.topology import TopologyBatch

_A, _B = 1, 2
_MOST_MOVED = 64
_MOST_STEPS = 200
_DRAWN = 32


def conform(
    topologies: TopologyBatch, constraints: Constraints, generator: np.random.Generator
) -> tuple[TopologyBatch, np.ndarray]:
    """Allowed topologies, and (n,) the position of the one that each was made from.

    Those that are allowed stay. Of the others at most 64, evenly spaced, are moved by interchanges and regrafts, each
    to a neighbour with the smallest number of excess changes of the constraints' two-state characters, ties broken at
    random, until all constraints hold; what gets stuck is dropped. If nothing is left, uniform draws take its place.

    Arguments:
        topologies: T of them.
        constraints: any.
        generator: random generator for ties and draws.

    Raises:
        InputError: conflicting constraints, or hardly any topology satisfies them.
    """
    allowed = constraints.allows(topologies)
    kept = [topologies.children[allowed]]
    origin = np.flatnonzero(allowed).tolist()
    others = np.flatnonzero(~allowed)
    if len(others) > _MOST_MOVED:
        others = others[np.linspace(0, len(others) - 1, _MOST_MOVED).astype(np.int64)]
    for position in others.tolist():
        moved = _moved(topologies[[position]], constraints, generator)
        if moved is not None:
            kept.append(moved.children)
            origin.append(position)
    if not origin:
        drawn = random_allowed(constraints, _DRAWN, generator)
        return drawn, np.arange(_DRAWN) % topologies.n_trees
    return TopologyBatch(np.concatenate(kept)), np.array(origin, dtype=np.int64)


def excess(topologies: TopologyBatch, constraints: Constraints) -> np.ndarray:
    """(T,) changes beyond one of each required split as a character (Fitch), plus 1 for each negative one broken."""
    total = np.zeros(topologies.n_trees, dtype=np.int64)
    for constraint in constraints.each:
        if constraint.negative:
            total += displayed(topologies, constraint.inside, constraint.outside).all(axis=1)
            continue
        total += _changes(topologies, constraint.inside, constraint.outside) - constraint.n_splits
    return total


def _changes(topologies: TopologyBatch, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """(T,) parsimony changes of X characters with two states, summed."""
    n, rows = topologies.n_taxa, np.arange(topologies.n_trees)
    states = np.zeros((topologies.n_trees, 2 * n - 2, len(inside)), dtype=np.uint8)
    states[:, :n] = np.where(inside, _A, np.where(outside, _B, _A | _B)).T
    changes = np.zeros(topologies.n_trees, dtype=np.int64)
    for i in range(n - 2):
        left, right = (states[rows, topologies.children[:, i, side]] for side in range(2))
        common = left & right
        changes += (common == 0).sum(axis=1)
        states[:, n + i] = np.where(common == 0, left | right, common)
    return changes + ((states[:, 0] & states[:, -1]) == 0).sum(axis=1)


def _moved(topology: TopologyBatch, constraints: Constraints, generator: np.random.Generator) -> TopologyBatch | None:
    n = topology.n_taxa
    left = int(excess(topology, constraints)[0])
    for _ in range(_MOST_STEPS):
        if left == 0:
            return topology
        for radius in (1, 3, 8, n):
            near = nni_neighbours(topology) if radius == 1 else spr_neighbours(topology, radius=radius)
            scores = excess(near, constraints) if near.n_trees else np.array([left])
            if scores.min() < left:
                break
        else:
            return None
        left = int(scores.min())
        best = np.flatnonzero(scores == left)
        topology = near[[int(best[generator.integers(len(best))])]]
    return None
