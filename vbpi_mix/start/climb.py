"""Walking uphill over topologies, from several starts at once."""

import numpy as np

from vbpi_mix.phylo import TopologyBatch, nni_neighbours, spr_neighbours
from vbpi_mix.start.topology_pool import TopologyPool


def climb(pool: TopologyPool, starts: np.ndarray, *, radius: int = 1, most_steps: int = 100) -> np.ndarray:
    """Move every start to its best neighbour until none is better; neighbours enter the pool.

    Starts that meet go on as one.

    Arguments:
        pool: topologies, lengths, densities; grows.
        starts: positions in the pool.
        radius: 1 for nearest-neighbour interchanges, more to regraft clades so many nodes away as well.
        most_steps: a bound on the steps of each.

    Returns:
        Positions of the distinct optima, best first.
    """
    active = np.unique(starts)
    optima: set[int] = set()
    seen: set[int] = set()
    for _ in range(most_steps):
        active = np.array([p for p in active.tolist() if p not in seen], dtype=np.int64)
        if not len(active):
            break
        seen.update(active.tolist())
        blocks = [pool.allowed(neighbours(pool.topologies[[p]], radius)) for p in active]
        found = pool.add(TopologyBatch(np.concatenate([b.children for b in blocks])))
        owner = np.repeat(np.arange(len(blocks)), [len(b) for b in blocks])
        following = []
        for i, position in enumerate(active.tolist()):
            near = found[owner == i]
            if not len(near):  # constraints allow none
                optima.add(position)
                continue
            best = int(near[np.argmax(pool.log_density[near])])
            if pool.log_density[best] > pool.log_density[position] + 1e-3:
                following.append(best)
            else:
                optima.add(position)
        active = np.unique(np.array(following, dtype=np.int64))
    result = np.array(sorted(optima | set(active.tolist())), dtype=np.int64)
    return result[np.argsort(-pool.log_density[result], kind="stable")]


def neighbours(topologies: TopologyBatch, radius: int) -> TopologyBatch:
    """Nearest-neighbour interchanges, with regrafted clades if the radius is above 1; distinct ones."""
    near = nni_neighbours(topologies)
    if radius > 1:
        far = spr_neighbours(topologies, radius=radius)
        near = TopologyBatch(np.concatenate([near.children, far.children]))
    return near.unique()[0]
