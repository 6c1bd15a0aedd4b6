"""q(topology): stacked subsplit Bayesian networks, their sampler, and how they are fitted to weighted trees."""

from vbpi_mix.sbn.fitting import FittedNetworks, em, simple_average
from vbpi_mix.sbn.networks import SubsplitBayesianNetworks
from vbpi_mix.sbn.placed import PlacedTopologies, index_tensor, place

__all__ = [
    "FittedNetworks",
    "PlacedTopologies",
    "SubsplitBayesianNetworks",
    "em",
    "index_tensor",
    "place",
    "simple_average",
]
