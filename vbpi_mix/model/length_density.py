"""The log density of a model in log branch lengths, and its gradient, as arrays for optimisers."""

import numpy as np
import torch

from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.model.priors import ExponentialBranchPrior
from vbpi_mix.phylo import TopologyBatch


def log_density(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(T,) log density in x = log b, (T, E) its gradient: log-likelihood + log prior(b) + sum(x)."""
    part, prior = model.parts[0], model.branch_prior
    plain = len(model.parts) == 1 and part.is_plain_jc69 and part.backend == "numba"
    if plain and isinstance(prior, ExponentialBranchPrior):
        # the same without tensors, whose overhead is as large as the likelihood's own time
        lengths, rate = np.exp(x), prior.rate
        value, gradient = numba_backend.jc69(lengths, topologies, part.patterns, with_gradient=True)
        value = value + x.shape[1] * np.log(rate) + (x - rate * lengths).sum(axis=1)
        return value, lengths * (gradient - rate) + 1.0
    return _by_autograd(model, topologies, x)


@torch.no_grad()
def log_density_value(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> np.ndarray:
    """(T,) the value of `log_density` without its gradient."""
    lengths = torch.from_numpy(np.exp(x))
    value = model.log_likelihood(lengths, topologies) + model.branch_prior.log_prob(lengths)
    return value.numpy() + x.sum(axis=1)


@torch.enable_grad()
def _by_autograd(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = torch.from_numpy(np.ascontiguousarray(x)).requires_grad_()
    lengths = at.exp()
    value = model.log_likelihood(lengths, topologies) + model.branch_prior.log_prob(lengths) + at.sum(dim=1)
    (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach().numpy(), gradient.numpy()
