"""Density of many trees at once on the path from a reference to the posterior, and its gradient in log lengths."""

from typing import NamedTuple

import torch
from torch import Tensor

from vbpi_mix.anneal.batched.reference import BatchedReference, log_gamma_density
from vbpi_mix.anneal.batched.trees import Layout, Trees, layout
from vbpi_mix.model import PhyloModel

_FARTHEST = 600.0  # log lengths beyond are evaluated here, where the density is as good as zero


class State(NamedTuple):
    """P particles.

    Arguments:
        trees: P trees.
        x: (P, V) log lengths of the edges above nodes; 0 for taxon 0.
        coordinates: (P, d) of the model's parameters.
        log_likelihood: (P,).
        value: (P,) log density on the path.
    """

    trees: Trees
    x: Tensor
    coordinates: Tensor
    log_likelihood: Tensor
    value: Tensor


class Described(NamedTuple):
    """What the density needs of P topologies.

    Arguments:
        layout: form for the likelihood.
        log_topology: (P,) log probabilities by the reference.
        shapes, rates: (P, V) of the gamma densities of the lengths above nodes.
    """

    layout: Layout
    log_topology: Tensor
    shapes: Tensor
    rates: Tensor


class BatchedDensity:
    """beta times the log joint density, and 1 - beta times the log reference, both in log lengths.

    Arguments:
        model: likelihood and priors, by a backend for the device of the tensors.
        reference: density at which the path begins.
        beta: place on the path.
    """

    def __init__(self, model: PhyloModel, reference: BatchedReference, beta: float) -> None:
        self.model, self.reference, self.beta = model, reference, beta

    def describe(self, trees: Trees) -> Described:
        """What values of these topologies need."""
        shapes, rates = self.reference.length_rows(trees.hashes)
        return Described(layout(trees), self.reference.log_topology(trees), shapes, rates)

    @torch.no_grad()
    def state(self, trees: Trees, x: Tensor, coordinates: Tensor, said: Described | None = None) -> State:
        """Particles with their densities: trees, log lengths (P, V), coordinates (P, d)."""
        likelihood, value = self._values(said or self.describe(trees), x, coordinates)
        return State(trees, x, coordinates, likelihood, value)

    @torch.enable_grad()
    def with_gradient(self, trees: Trees, x: Tensor, coordinates: Tensor, said: Described) -> tuple[State, Tensor]:
        """Particles with their densities, and the gradients (P, V) of these in the log lengths."""
        leaf = x.detach().clone().requires_grad_()
        likelihood, value = self._values(said, leaf, coordinates)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return State(trees, x, coordinates, likelihood.detach(), value.detach()), gradient

    def _values(self, said: Described, x: Tensor, coordinates: Tensor) -> tuple[Tensor, Tensor]:
        near = x.clamp(-_FARTHEST, _FARTHEST)
        of_edges = near.gather(1, said.layout.nodes)
        lengths = of_edges.exp()
        likelihood = self.model.log_likelihood(lengths, said.layout.topologies, coordinates)
        posterior = likelihood + self.model.log_prior(lengths, coordinates) + of_edges.sum(dim=1)
        if self.beta == 1.0:
            return likelihood, posterior
        of_lengths = log_gamma_density(near, said.shapes, said.rates)[:, 1:].sum(dim=1)
        reference = said.log_topology + of_lengths + self.reference.parameter_log_prob(coordinates)
        return likelihood, self.beta * posterior + (1.0 - self.beta) * reference
