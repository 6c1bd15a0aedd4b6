"""Blocks of patterns and chunks of trees, and the bound on the memory that they take."""

import math
import weakref
from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.felsenstein import examples
from tests.felsenstein.gpu.agreement import DEVICE, INTERPRET
from vbpi_mix.felsenstein.gpu.backend import general
from vbpi_mix.felsenstein.gpu.launch import LAUNCH, DeviceData, Launch, chunks, largest_bytes

pytestmark = pytest.mark.gpu


def test_four_thousand_trees_stay_within_twenty_gigabytes(monkeypatch):
    """64 taxa and 1,000 patterns: the chunks, without allocating them here, and all that a call takes."""
    shapes, limit = [], LAUNCH.workspace_bytes

    def allocate(shape, dtype, device):
        shapes.append(math.prod(shape) * dtype.itemsize)
        return torch.zeros(0, dtype=dtype, device=device)

    data = DeviceData(
        torch.zeros((4000, 62, 2)), torch.zeros((64, 1024), dtype=torch.uint8), torch.zeros(1024), LAUNCH.block
    )
    monkeypatch.setattr(torch, "empty", allocate)
    for n_categories, n_chunks in ((1, 2), (4, 5)):
        parts = [p for p, _ in chunks(data, 4000, n_categories, torch.float64, limit)]
        if INTERPRET:  # a GPU may have less
            assert len(parts) == n_chunks
        assert sum(p.stop - p.start for p in parts) == 4000
        assert 0 < shapes.pop() <= limit
        assert not shapes
        assert largest_bytes(4000, 64, 1000, n_categories) < 20e9
        # what is beside a chunk grows with the trees, and is small
        assert largest_bytes(40_000, 64, 1000, n_categories) < 40e9


class Peak(TorchDispatchMode):
    """Bytes of the tensors that are alive at a time, at most."""

    def __init__(self):
        super().__init__()
        self.alive = Counter()
        self.sizes, self.now, self.most = {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.add(tensor)
        return result

    def add(self, tensor):
        key = tensor.untyped_storage().data_ptr()
        if not self.alive[key]:
            self.sizes[key] = tensor.untyped_storage().nbytes()
            self.now += self.sizes[key]
            self.most = max(self.most, self.now)
        self.alive[key] += 1
        weakref.finalize(tensor, self.drop, key)

    def drop(self, key):
        self.alive[key] -= 1
        if not self.alive[key]:
            self.now -= self.sizes[key]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("n_states", "limit"), [(4, 10**9), (4, 150_000), (20, 10**9), (20, 1_000_000)])
def test_a_call_takes_no_more_than_its_bound(dtype, n_states, limit):
    """Everything that is alive at a time, in one chunk and in several; the bound is not far from it."""
    launch = Launch(workspace_bytes=limit)
    if n_states == 4:
        generator = np.random.default_rng(9)
        topologies = examples.shapes(4, 7, generator)
        patterns = examples.patterns(7, 40, generator)
        lengths = examples.lengths(topologies, generator)
        arguments = list(examples.random_model(2, generator).arguments(lengths.numpy()))
    else:
        (lengths, q, frequencies, rates, weights), topologies, patterns = examples.example_of_states(20, n_patterns=40)
        times = lengths[:, :, None] * rates[:, None, :]
        arguments = [torch.linalg.matrix_exp(q[:, None, None] * times[..., None, None]), frequencies, weights]
    arguments = [a.to(DEVICE) for a in arguments]
    n_trees, _, n_categories = arguments[0].shape[:3]
    with Peak() as peak:
        for argument in arguments:
            peak.add(argument)
        results = general(*arguments, topologies, patterns, with_gradient=True, dtype=dtype, launch=launch)
    bound = largest_bytes(n_trees, 7, 40, n_categories, dtype, launch, n_states=n_states)
    assert results[0].shape == (n_trees,)
    assert 0.5 * bound < peak.most <= bound
