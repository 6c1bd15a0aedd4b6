"""The reference density as tables of tensors is the compiled one."""

import numpy as np
import pytest
import torch

from vbpi_mix.anneal.batched.reference import BatchedReference, log_gamma_density
from vbpi_mix.anneal.batched.trees import canonical, make_trees, node_lengths
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.phylo import random_topologies

CPU = torch.device("cpu")


def fitted_reference(n_taxa, n_trees=20, n_parameters=2, seed=0):
    generator = np.random.default_rng(seed)
    topologies = random_topologies(n_trees, n_taxa, generator)
    sample = Particles(
        topologies=topologies,
        log_lengths=generator.normal(-2.0, 1.0, (n_trees, topologies.n_edges)),
        coordinates=generator.normal(size=(n_trees, n_parameters)),
        log_likelihood=np.zeros(n_trees),
    )
    return TreeReference(sample, np.ones(n_trees)), sample


@pytest.mark.parametrize("n_taxa", [3, 4, 9, 70])
@pytest.mark.parametrize("n_parameters", [0, 2])
def test_it_equals_the_compiled_one(n_taxa, n_parameters):
    reference, sample = fitted_reference(n_taxa, n_parameters=n_parameters)
    other = fitted_reference(n_taxa, n_parameters=n_parameters, seed=1)[1]
    batched = BatchedReference(reference, CPU)
    for given in (sample, other):  # seen topologies, and such as were not
        trees, x = make_trees(given.topologies, CPU), node_lengths(given.log_lengths, CPU)
        said = reference.describe(given.topologies)
        torch.testing.assert_close(
            batched.log_topology(trees), torch.from_numpy(said.log_topology), rtol=1e-12, atol=1e-12
        )
        shapes, rates = batched.length_rows(trees.hashes)
        for mine, theirs in ((shapes, said.shapes), (rates, said.rates)):
            np.testing.assert_array_equal(canonical(trees, mine)[1], theirs)
        u = torch.from_numpy(given.coordinates)
        total = batched.log_topology(trees) + batched.parameter_log_prob(u)
        total += log_gamma_density(x, shapes, rates)[:, 1:].sum(dim=1)
        np.testing.assert_allclose(total.numpy(), reference.log_prob(given), rtol=1e-11)
