import numpy as np
import torch

from tests.sbn.test_networks import normal
from vbpi_mix.phylo import all_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks
from vbpi_mix.sbn.buffers import Buffers
from vbpi_mix.support import build_support, encode


def test_arrays_come_back_and_are_never_shared():
    buffers = Buffers()
    first = buffers.take(3, 4)
    second = buffers.take(3, 4)
    assert first.shape == (3, 4)
    assert not np.shares_memory(first, second)
    buffers.give(first)
    assert np.shares_memory(buffers.take(2, 6), first)
    loan = buffers.lend(second)
    assert not np.shares_memory(buffers.take(3, 4), second)
    del loan
    assert np.shares_memory(buffers.take(3, 4), second)


def test_graphs_that_live_at_the_same_time_do_not_disturb_each_other():
    topologies = all_topologies(6)
    support = build_support(topologies)
    encoded = encode(support, topologies)
    model = SubsplitBayesianNetworks(support, 2, logits=normal(2, support.n_params))
    alone = [
        torch.autograd.grad(model.log_prob(encoded[part]).sum(), model.logits)[0] for part in (slice(30), slice(50, 99))
    ]
    values = [model.log_prob(encoded[part]).sum() for part in (slice(30), slice(50, 99))]
    for _ in range(2):  # twice through the same graph
        for value, expected in zip(values, alone, strict=True):
            (gradient,) = torch.autograd.grad(value, model.logits, retain_graph=True)
            assert torch.equal(gradient, expected)
