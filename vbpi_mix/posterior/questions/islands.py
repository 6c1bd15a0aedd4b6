"""Islands: parts of a credible set between which no nearest-neighbour interchange leads."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vbpi_mix.phylo import Topology, TopologyBatch, nni_neighbours
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws

_MOST = 3000  # topologies looked at
_APART = 0.5  # difference of frequencies that sets a split apart


@dataclass(frozen=True, kw_only=True)
class Island:
    """A part of a credible set.

    Arguments:
        probability: posterior probability of its topologies.
        n_topologies: how many.
        best: the most probable one.
        splits: (members, frequency on the island, elsewhere) of splits that set it apart, the clearest first.
    """

    probability: float
    n_topologies: int
    best: Topology
    splits: tuple[tuple[tuple[str, ...], float, float], ...]


def islands(draws: TopologyDraws, *, level: float = 0.95) -> tuple[tuple[Island, ...], bool]:
    """The islands of the most probable drawn topologies, and whether these reach the level.

    Arguments:
        draws: T topologies.
        level: share of the posterior that the topologies hold.

    Returns:
        Islands, most probable first; False where so many topologies share the posterior that only 3,000 were looked at:
        then islands may be joined by others.
    """
    p = draws.probability
    order = np.argsort(-p, kind="stable")
    count = int(np.searchsorted(np.cumsum(p[order]), level * (1 - 1e-12))) + 1
    chosen = order[: min(count, _MOST, len(order))]
    topologies, share = draws.distinct[chosen], p[chosen]
    label = _components(topologies)
    mass = np.bincount(label, weights=share)
    inner = topologies.clades()[:, topologies.n_taxa :]
    distinct, number = bits.unique_rows(inner.reshape(-1, inner.shape[2]))
    has = np.zeros((len(chosen), len(distinct)), dtype=bool)
    has[np.repeat(np.arange(len(chosen)), inner.shape[1]), number] = True
    found = []
    for island in np.argsort(-mass, kind="stable").tolist():
        here = label == island
        best = int(np.flatnonzero(here)[share[here].argmax()])
        found.append(
            Island(
                probability=float(mass[island]),
                n_topologies=int(here.sum()),
                best=Topology(topologies.children[best]),
                splits=_apart(draws.taxa, distinct, has, share, here),
            )
        )
    return tuple(found), count <= _MOST


def _components(topologies: TopologyBatch) -> np.ndarray:
    """(T,) number of the component of each topology in the graph of interchanges."""
    n = topologies.n_trees
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    first, second = [], []
    for i in range(n):
        for row in nni_neighbours(topologies[[i]]).children:
            other = number.get(row.tobytes(), -1)
            if other > i:
                first.append(i)
                second.append(other)
    graph = coo_matrix((np.ones(len(first)), (first, second)), shape=(n, n))
    return connected_components(graph, directed=False)[1]


def _apart(
    taxa: tuple[str, ...], splits: np.ndarray, has: np.ndarray, share: np.ndarray, here: np.ndarray
) -> tuple[tuple[tuple[str, ...], float, float], ...]:
    if here.all():
        return ()
    inside, outside = (share[rows] @ has[rows] / share[rows].sum() for rows in (here, ~here))
    order = np.argsort(-(inside - outside), kind="stable")
    found = []
    for i in order.tolist():
        if inside[i] - outside[i] < _APART:
            break
        members = bits.members(splits[i], len(taxa))
        small = members if 2 * members.sum() <= len(taxa) else ~members
        names = tuple(name for name, inside_ in zip(taxa, small, strict=True) if inside_)
        found.append((names, float(inside[i]), float(outside[i])))
    return tuple(found)
