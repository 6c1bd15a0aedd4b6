"""Looking for topologies beyond a support: clades regrafted in draws from the posterior.

A tree cannot be drawn if a pair of subsplits is missing from the support, and trees that miss one are often alike: a
clade sits elsewhere, in an otherwise arbitrary tree. So a place of the clade that has a share p of the posterior shows
as a neighbour of about this relative weight around almost any draw, however flat the posterior is. Around each draw all
regrafts within a radius are looked at that the support cannot represent. Most of them are far worse than the draw,
which one evaluation tells: with the lengths of the draw, and short ones for the splits that it lacks, the log density
is seldom more than a few nats below its maximum where that maximum is good.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import log_density_value
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.start.climb import neighbours
from vbpi_mix.start.length_memory import length_memory
from vbpi_mix.start.topology_pool import TopologyPool
from vbpi_mix.support import SubsplitSupport, represented

_LENGTHS_MAY_GAIN = 12.0  # nats, from inherited lengths to optimised ones


@dataclass(frozen=True, kw_only=True)
class Found:
    """Topologies that a support cannot represent, in a pool.

    Arguments:
        positions: positions in the pool, distinct.
        shares: estimated share of the posterior that draws find at each: the sum over draws of their shares times
            w' / (w + w'), with w and w' the maximum densities of the draw and of its neighbour. Topologies near
            several draws count for each, so the sum is rather too large.
        n_screened: topologies whose density was evaluated.
    """

    positions: np.ndarray
    shares: np.ndarray
    n_screened: int

    @property
    def share(self) -> float:
        """Share of the draws that all topologies found have together."""
        return float(self.shares.sum())


def explore(
    pool: TopologyPool, support: SubsplitSupport, draws: np.ndarray, shares: np.ndarray, *, radius: int, within: float
) -> Found:
    """Enter good neighbours of draws that the support cannot represent into the pool.

    Arguments:
        pool: topologies, lengths, densities; grows.
        support: support that is there already.
        draws: distinct positions in the pool, drawn by weight.
        shares: share of all draws of each of them.
        radius: largest distance of a regraft, see `climb.neighbours`.
        within: nats below a draw that are good enough.
    """
    kept, starts, owners = [], [], []
    n_screened = 0
    for i, parent in enumerate(draws.tolist()):
        pool.clock.tick()
        around = pool.allowed(neighbours(pool.topologies[[parent]], radius))
        around = around[~represented(support, around)]
        if not around.n_trees:
            continue
        memory = length_memory(pool.topologies[[parent]], pool.log_lengths[[parent]], pool.log_density[[parent]])
        x = memory.lengths(around)
        (value,) = pool.results.of("densities", (around.children, x), partial(_values, pool.model, around, x))
        n_screened += around.n_trees
        good = value >= pool.log_density[parent] - within - _LENGTHS_MAY_GAIN
        kept.append(around.children[good])
        starts.append(x[good])
        owners.append(np.full(int(good.sum()), i))
    pool.n_evaluations += n_screened
    owner = np.concatenate(owners) if owners else np.empty(0, dtype=np.int64)
    if not len(owner):
        return Found(positions=np.empty(0, dtype=np.int64), shares=np.empty(0), n_screened=n_screened)
    found = pool.add(TopologyBatch(np.concatenate(kept)), start=np.concatenate(starts))
    ratio = np.exp(np.minimum(pool.log_density[found] - pool.log_density[draws[owner]], 100.0))
    enough = ratio >= np.exp(-within)
    positions, place = np.unique(found[enough], return_inverse=True)
    flow = (shares[owner] * ratio / (1.0 + ratio))[enough]
    return Found(
        positions=positions,
        shares=np.bincount(place.reshape(-1), weights=flow, minlength=len(positions)),
        n_screened=n_screened,
    )


def _values(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> tuple[np.ndarray]:
    return (log_density_value(model, topologies, x),)
