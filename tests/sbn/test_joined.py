"""Networks of several supports as one, against each by itself."""

import numpy as np
import torch

from vbpi_mix.estimators import Pairs
from vbpi_mix.phylo import random_topologies
from vbpi_mix.row_table import RowTable
from vbpi_mix.sbn import JoinedNetworks, SubsplitBayesianNetworks, place
from vbpi_mix.support import build_support, encode

CPU = torch.device("cpu")


def test_pairs_have_the_probabilities_and_gradients_of_their_own_networks():
    """Seven taxa, three supports, topologies of which some are out of support, and networks that components share."""
    generator = np.random.default_rng(4)
    n_networks, rows = (2, 1, 3), [torch.tensor(r) for r in ([0, 1], [0, 0, 0], [0, 1, 2])]
    networks, encoded = [], []
    for i, n in enumerate(n_networks):
        topologies = random_topologies(6, 7, np.random.default_rng(i))
        support = build_support(topologies)
        logits = torch.from_numpy(generator.normal(size=(n, support.n_params)))
        networks.append(SubsplitBayesianNetworks(support, n, logits=logits))
        strangers = random_topologies(2, 7, np.random.default_rng(50 + i))
        encoded += [encode(support, topologies[np.arange(3)]), encode(support, strangers)]
    joined = JoinedNetworks(
        networks, RowTable(torch.cat([n.logits.detach().reshape(-1) for n in networks]), (0,)), rows
    )
    first = [0, 2, 5]  # components of the three models are numbered through
    pairs = [
        (first[i] + component, 5 * i + tree, i, component, tree)
        for i, row in enumerate(rows)
        for tree in range(5)
        for component in range(len(row))
        if (tree + component) % 3  # not all of them
    ]
    found = joined.log_prob(
        place(encoded, CPU),
        Pairs(component=torch.tensor([p[0] for p in pairs]), tree=torch.tensor([p[1] for p in pairs])),
    )
    each = [
        torch.cat([own.log_prob(some) for some in encoded[2 * i : 2 * i + 2]], dim=1) for i, own in enumerate(networks)
    ]
    expected = torch.stack([each[i][rows[i][component], tree] for _, _, i, component, tree in pairs])
    assert 0 < torch.isinf(expected).sum() < len(pairs) // 2
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    weights = torch.from_numpy(generator.normal(size=len(pairs)))
    for values in (found, expected):
        torch.where(torch.isfinite(values), values * weights, 0.0).sum().backward()
    assert joined.logits.grad is not None
    gradient = torch.cat([n.logits.grad.reshape(-1) for n in networks])
    torch.testing.assert_close(joined.logits.grad, gradient, rtol=0, atol=1e-12)
