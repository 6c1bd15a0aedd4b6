"""The log density of a model in log branch lengths, and its derivatives, as arrays for optimisers."""

import numpy as np
import torch

from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.model.phylo_model import PhyloModel
from vbpi_mix.model.priors import ExponentialBranchPrior
from vbpi_mix.phylo import TopologyBatch

_DIFFERENCE = 1e-4  # of a log length


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
    lengths = torch.from_numpy(np.exp(x)).to(model.device)
    value = model.log_likelihood(lengths, topologies) + model.branch_prior.log_prob(lengths)
    return value.cpu().numpy() + x.sum(axis=1)


def negative_hessian(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> np.ndarray:
    """(T, E, E) negative Hessian of `log_density` in x: exact, or on a GPU by differences of gradients."""
    if model.device.type != "cpu":
        return hessian_by_differences(model, topologies, x)
    lengths = np.exp(x)
    _, gradient = log_density(model, topologies, x)
    hessian = -model.hessian(torch.from_numpy(lengths), topologies).numpy()
    of_prior = model.branch_prior.hessian(torch.from_numpy(lengths))
    if of_prior is not None:
        hessian -= of_prior.numpy()
    hessian *= lengths[:, :, None] * lengths[:, None, :]
    # d2/dx2 f(e^x) = b^2 f'' + b f', and the Jacobian's derivative of 1 is not of that kind
    diagonal = np.arange(x.shape[1])
    hessian[:, diagonal, diagonal] -= gradient - 1.0
    return hessian


def hessian_by_differences(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> np.ndarray:
    """(T, E, E) negative Hessian of `log_density` in x, by central differences of its gradients, all in one call."""
    n_trees, n_edges = x.shape
    steps = _DIFFERENCE * np.concatenate([np.eye(n_edges), -np.eye(n_edges)])
    points = (x[:, None] + steps).reshape(-1, n_edges)
    _, gradients = log_density(model, topologies[np.repeat(np.arange(n_trees), 2 * n_edges)], points)
    ahead, behind = np.split(gradients.reshape(n_trees, 2 * n_edges, n_edges), 2, axis=1)
    hessian = (behind - ahead) / (2.0 * _DIFFERENCE)
    return 0.5 * (hessian + hessian.transpose(0, 2, 1))


@torch.enable_grad()
def _by_autograd(model: PhyloModel, topologies: TopologyBatch, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = torch.from_numpy(np.ascontiguousarray(x)).to(model.device).requires_grad_()
    lengths = at.exp()
    value = model.log_likelihood(lengths, topologies) + model.branch_prior.log_prob(lengths) + at.sum(dim=1)
    (gradient,) = torch.autograd.grad(value.sum(), at)
    return value.detach().cpu().numpy(), gradient.cpu().numpy()
