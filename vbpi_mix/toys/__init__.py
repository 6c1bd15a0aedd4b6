"""A posterior in two dimensions with computable marginal likelihood and bounds: Neal's funnel under binary data."""

from vbpi_mix.toys.funnel import FunnelModel, Latents, simulate_funnel
from vbpi_mix.toys.gaussians import GaussianMixture
from vbpi_mix.toys.problem import FunnelProblem
from vbpi_mix.toys.quadrature import ExactPosterior, exact_bound, exact_posterior

__all__ = [
    "ExactPosterior",
    "FunnelModel",
    "FunnelProblem",
    "GaussianMixture",
    "Latents",
    "exact_bound",
    "exact_posterior",
    "simulate_funnel",
]
