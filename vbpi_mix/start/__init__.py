"""From candidate topologies to the start of a fit: optimised lengths, Laplace weights, fitted tables and features."""

from vbpi_mix.start.features import fitted_features
from vbpi_mix.start.growth import Growth, Round, grow_topologies
from vbpi_mix.start.growth_settings import GrowthSettings
from vbpi_mix.start.initialise import start_fitted, start_published
from vbpi_mix.start.laplace import LaplaceWeights, laplace_weights
from vbpi_mix.start.lengths import OptimisedLengths, optimise_lengths
from vbpi_mix.start.parameters import Mode, ParameterFit, find_modes, find_parameters, fit_parameters, settle
from vbpi_mix.start.sampled import fit_parameters_to_trees, weigh_by_frequency
from vbpi_mix.start.saved import Start, load_start
from vbpi_mix.start.weights import SampledTrees, WeightedTopologies, weigh_topologies

__all__ = [
    "Growth",
    "GrowthSettings",
    "LaplaceWeights",
    "Mode",
    "OptimisedLengths",
    "ParameterFit",
    "Round",
    "SampledTrees",
    "Start",
    "WeightedTopologies",
    "find_modes",
    "find_parameters",
    "fit_parameters",
    "fit_parameters_to_trees",
    "fitted_features",
    "grow_topologies",
    "laplace_weights",
    "load_start",
    "optimise_lengths",
    "settle",
    "start_fitted",
    "start_published",
    "weigh_by_frequency",
    "weigh_topologies",
]
