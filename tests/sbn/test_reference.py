"""log q in plain torch against the compiled kernels."""

import numpy as np
import pytest
import torch

from vbpi_mix.phylo import random_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks, place
from vbpi_mix.support import build_support, encode

CPU = torch.device("cpu")


@pytest.mark.parametrize(("n_taxa", "n_known", "n_asked"), [(3, 1, 2), (4, 2, 8), (5, 3, 40), (8, 12, 12), (40, 6, 6)])
@pytest.mark.parametrize("components", [None, [2, 0]])
def test_values_and_gradients_equal_the_kernels(n_taxa, n_known, n_asked, components):
    """Trees of the support, and others of which some rootings or all are out of it."""
    generator = np.random.default_rng(n_taxa)
    known = random_topologies(n_known, n_taxa, generator)
    support = build_support(known)
    logits = torch.from_numpy(generator.normal(size=(3, support.n_params)) * 2)
    networks = SubsplitBayesianNetworks(support, 3, logits=logits)
    drawn = networks.sample(torch.arange(3).repeat_interleave(3), torch.Generator().manual_seed(1))
    strangers = random_topologies(n_asked, n_taxa, generator)
    which = None if components is None else torch.tensor(components)
    n_impossible = 0
    for trees in (encode(support, known), drawn, encode(support, strangers)):
        found = []
        for topologies in (trees, place(trees, CPU)):
            networks.logits.grad = None
            log_q = networks.log_prob(topologies, which)
            possible = log_q.detach() > -torch.inf
            n_impossible += int((~possible).sum())
            upstream = torch.linspace(-1.0, 2.0, log_q.numel(), dtype=torch.float64).reshape(log_q.shape)
            log_q.backward(upstream)
            found.append((log_q.detach(), networks.logits.grad.clone()))
        for ours, expected in zip(found[1], found[0], strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-11)
    assert (n_impossible > 0) == (n_taxa > 3)


def test_extreme_logits():
    support = build_support(random_topologies(10, 6, np.random.default_rng(1)))
    logits = torch.full((1, support.n_params), -800.0, dtype=torch.float64)
    logits[0, ::3] = 700.0
    networks = SubsplitBayesianNetworks(support, 1, logits=logits)
    trees = networks.sample(torch.zeros(20, dtype=torch.int64), torch.Generator().manual_seed(2))
    torch.testing.assert_close(networks.log_prob(place(trees, CPU)), networks.log_prob(trees), rtol=1e-12, atol=1e-12)
