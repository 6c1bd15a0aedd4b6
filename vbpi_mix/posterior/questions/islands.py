"""Islands: parts of a credible set between which no nearest-neighbour interchange leads."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from vbpi_mix.anneal.trees import mixed, split_hashes
from vbpi_mix.phylo import Topology, TopologyBatch
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws

_MOST = 3000  # topologies looked at
SMALLEST_ISLAND = 0.01  # smaller ones of many draws are chance
_APART = 0.5  # difference of frequencies that sets a split apart


@dataclass(frozen=True, kw_only=True)
class Island:
    """A part of a credible set.

    Arguments:
        probability: posterior probability of its topologies.
        n_topologies: number of topologies.
        best: the most probable one.
        splits: (members, frequency on the island, elsewhere) of splits that set it apart, the clearest first; empty
            where the island has less than 1 % of the posterior.
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
    first = np.arange(0, len(number) + 1, inner.shape[1])
    has = csr_matrix((np.ones(len(number)), number, first), shape=(len(chosen), len(distinct)))
    member = csr_matrix((share, (label, np.arange(len(chosen)))), shape=(len(mass), len(chosen)))
    inside = csr_matrix(member @ has)  # (islands, splits) probability of both
    total = share @ has
    found = []
    for island in np.argsort(-mass, kind="stable").tolist():
        here = label == island
        best = int(np.flatnonzero(here)[share[here].argmax()])
        found.append(
            Island(
                probability=float(mass[island]),
                n_topologies=int(here.sum()),
                best=Topology(topologies.children[best]),
                splits=_apart(draws.taxa, distinct, inside[[island]], total, mass, island),
            )
        )
    return tuple(found), count <= _MOST


def _components(topologies: TopologyBatch) -> np.ndarray:
    """(T,) number of the component of each topology in the graph of interchanges.

    Two topologies are neighbours if they have all inner splits but one in common: sums of the splits' hashes that leave
    one out are then equal.
    """
    hashes = mixed(split_hashes(topologies))
    n, n_splits = hashes.shape
    if n_splits == 0:
        return np.zeros(n, dtype=np.int64)
    without = hashes.sum(axis=1, dtype=np.uint64)[:, None] - hashes
    distinct, number = np.unique(without, return_inverse=True)
    rows = np.repeat(np.arange(n), n_splits)
    graph = coo_matrix((np.ones(len(rows)), (rows, n + number.reshape(-1))), shape=(n + len(distinct),) * 2)
    return np.unique(connected_components(graph, directed=False)[1][:n], return_inverse=True)[1].reshape(-1)


def _apart(
    taxa: tuple[str, ...], splits: np.ndarray, inside: csr_matrix, total: np.ndarray, mass: np.ndarray, island: int
) -> tuple[tuple[tuple[str, ...], float, float], ...]:
    """Splits that set an island apart, from the joint probabilities of the island and all splits."""
    if len(mass) == 1 or mass[island] < SMALLEST_ISLAND:
        return ()
    of = inside.indices
    here = inside.data / mass[island]
    there = np.maximum(total[of] - inside.data, 0.0) / (mass.sum() - mass[island])
    order = np.argsort(-(here - there), kind="stable")
    found = []
    for i in order.tolist():
        if here[i] - there[i] < _APART:
            break
        members = bits.members(splits[of[i]], len(taxa))
        small = members if 2 * members.sum() <= len(taxa) else ~members
        names = tuple(name for name, inside_ in zip(taxa, small, strict=True) if inside_)
        found.append((names, float(here[i]), float(there[i])))
    return tuple(found)
