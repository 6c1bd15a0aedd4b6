"""Variational inference of trees: the mixture family and the problem that the estimators train."""

from vbpi_mix.variational.allocation import Allocation
from vbpi_mix.variational.fleet import PhyloFleet
from vbpi_mix.variational.mixture import PhyloMixture, TreeDraws, Tying
from vbpi_mix.variational.parameter_posterior import ParameterPosterior
from vbpi_mix.variational.problem import Gradient, PhyloProblem, check_gradient

__all__ = [
    "Allocation",
    "Gradient",
    "ParameterPosterior",
    "PhyloFleet",
    "PhyloMixture",
    "PhyloProblem",
    "TreeDraws",
    "Tying",
    "check_gradient",
]
