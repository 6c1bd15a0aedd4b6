"""The target of inference: substitution models, priors, and their product with the likelihood."""

from vbpi_mix.model.build import exchangeabilities, specified_model, substitution_model
from vbpi_mix.model.frequencies import empirical_frequencies
from vbpi_mix.model.gamma import discrete_gamma_rates
from vbpi_mix.model.model_string import parse_model
from vbpi_mix.model.one_tree import TreeLikelihood, log_likelihood
from vbpi_mix.model.parameter_priors import ParameterPriors, parse_priors
from vbpi_mix.model.parameter_space import ModelFamily, ParameterSpace, SubstitutionModels
from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.model.priors import (
    BranchPrior,
    ExponentialBranchPrior,
    GammaDirichletBranchPrior,
    log_topology_prior,
    parse_branch_prior,
)
from vbpi_mix.model.site_rates import SiteRates
from vbpi_mix.model.specification import FreeRates, GammaSpecification, ModelSpecification
from vbpi_mix.model.substitution import JC69, ReversibleModel, SubstitutionModel

__all__ = [
    "JC69",
    "BranchPrior",
    "ExponentialBranchPrior",
    "FreeRates",
    "GammaDirichletBranchPrior",
    "GammaSpecification",
    "ModelFamily",
    "ModelSpecification",
    "ParameterPriors",
    "ParameterSpace",
    "PhyloModel",
    "ReversibleModel",
    "SiteRates",
    "SubstitutionModel",
    "SubstitutionModels",
    "TreeLikelihood",
    "discrete_gamma_rates",
    "empirical_frequencies",
    "exchangeabilities",
    "log_likelihood",
    "log_topology_prior",
    "parse_branch_prior",
    "parse_model",
    "parse_priors",
    "specified_model",
    "substitution_model",
]
