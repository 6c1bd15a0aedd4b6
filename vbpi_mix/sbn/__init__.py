"""q(topology): stacked subsplit Bayesian networks, their sampler, and how they are fitted to weighted trees."""

from vbpi_mix.sbn.fitting import FittedNetworks, em, simple_average
from vbpi_mix.sbn.networks import SubsplitBayesianNetworks

__all__ = ["FittedNetworks", "SubsplitBayesianNetworks", "em", "simple_average"]
