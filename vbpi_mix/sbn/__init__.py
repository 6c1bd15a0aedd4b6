"""q(topology): stacked subsplit Bayesian networks, their sampler, and how they are fitted to weighted trees."""

from vbpi_mix.sbn.fitting import FittedNetworks, em, simple_average
from vbpi_mix.sbn.joined import JoinedNetworks
from vbpi_mix.sbn.networks import SubsplitBayesianNetworks
from vbpi_mix.sbn.placed import PlacedTopologies, index_tensor, joined_arrays, place

__all__ = [
    "FittedNetworks",
    "JoinedNetworks",
    "PlacedTopologies",
    "SubsplitBayesianNetworks",
    "em",
    "index_tensor",
    "joined_arrays",
    "place",
    "simple_average",
]
