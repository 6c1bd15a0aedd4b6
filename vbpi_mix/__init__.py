"""Variational Bayesian phylogenetic inference with mixtures of subsplit Bayesian networks."""

from vbpi_mix._version import __version__

__all__ = ["__version__"]
