"""The target of inference: substitution models, priors, and their product with the likelihood."""

from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.model.priors import ExponentialBranchPrior, log_topology_prior
from vbpi_mix.model.substitution import JC69, SUBSTITUTION_MODELS, SubstitutionModel, substitution_model

__all__ = [
    "JC69",
    "SUBSTITUTION_MODELS",
    "ExponentialBranchPrior",
    "PhyloModel",
    "SubstitutionModel",
    "log_topology_prior",
    "substitution_model",
]
