"""Estimate of the posterior on neighbouring topologies that the support of a fit leaves out."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import TopologyBatch, TreeSample
from vbpi_mix.phylo.neighbours import nni_neighbours
from vbpi_mix.start import laplace_weights, optimise_lengths
from vbpi_mix.support import SubsplitSupport, encode

_GIVE_UP = 15.0  # nats below the best, beyond which lengths need not be optimised to the end


@dataclass(frozen=True, kw_only=True)
class NeighbourMass:
    """Posterior mass of neighbours that cannot be drawn.

    Arguments:
        mass: their share of the posterior, a lower bound of what the support misses.
        n_outside: distinct neighbours outside the support.
        n_centres: topologies whose neighbours were looked at.
        centre_mass: posterior mass of those.
    """

    mass: float
    n_outside: int
    n_centres: int
    centre_mass: float


def neighbour_mass(
    model: PhyloModel, support: SubsplitSupport, sample: TreeSample, *, covered: float = 0.95, at_most: int = 30
) -> NeighbourMass:
    """Weigh the nearest-neighbour interchanges of the most probable topologies that the support does not have.

    Branch lengths are integrated out by Laplace's method, for the outside neighbours and for the topologies that they
    are held against.

    Arguments:
        model: likelihood and priors.
        support: topologies that can be drawn.
        sample: topologies of the posterior with their probabilities, most probable first.
        covered: topologies are taken until they hold so much of the posterior ...
        at_most: ... or are so many.
    """
    p = sample.probabilities()
    n_centres = min(at_most, int(np.searchsorted(np.cumsum(p), covered)) + 1, len(p))
    centres, centre_mass = sample.topologies[:n_centres], float(p[:n_centres].sum())
    around = nni_neighbours(centres).unique()[0]
    around = around[model.allows(around)]
    outside = around[encode(support, around).n_represented_rootings() == 0]
    if not len(outside):
        return NeighbourMass(mass=0.0, n_outside=0, n_centres=n_centres, centre_mass=centre_mass)
    both = TopologyBatch(np.concatenate([centres.children, outside.children]))
    modes = optimise_lengths(model, both, give_up=_GIVE_UP)
    log_weight = laplace_weights(model, both, modes).log_weight
    relative = np.exp(log_weight - log_weight.max())
    ratio = float(relative[n_centres:].sum() / relative[:n_centres].sum()) * centre_mass
    return NeighbourMass(mass=ratio / (1 + ratio), n_outside=len(outside), n_centres=n_centres, centre_mass=centre_mass)
