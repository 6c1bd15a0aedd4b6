"""The general kernel on parts of its work, and against the JC69 kernel."""

import numpy as np
import torch

from tests.felsenstein import examples
from vbpi_mix.felsenstein import set_threads
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.felsenstein.reference import jc69_matrices
from vbpi_mix.phylo import SitePatterns


def test_chain_rule_gives_the_gradient_of_the_jc69_kernel():
    generator = np.random.default_rng(0)
    topologies = examples.shapes(3, 15, generator)
    patterns = examples.patterns(15, 100, generator)
    lengths = examples.lengths(topologies, generator).requires_grad_()
    matrices = jc69_matrices(lengths).unsqueeze(2)
    values, of_matrices, _, _ = numba_backend.general(
        matrices.detach().numpy(), np.full(4, 0.25), np.ones(1), topologies, patterns, with_gradient=True
    )
    (gradient,) = torch.autograd.grad(matrices, lengths, torch.from_numpy(of_matrices))
    expected, slope = numba_backend.jc69(lengths.detach().numpy(), topologies, patterns, with_gradient=True)
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    np.testing.assert_allclose(gradient.numpy(), slope, rtol=1e-10, atol=1e-12 * np.abs(slope).max())


def test_patterns_add_up():
    generator = np.random.default_rng(1)
    topologies = examples.shapes(3, 9, generator)
    patterns = examples.patterns(9, 150, generator)
    arguments = [a.numpy() for a in examples.random_model(3, generator).arguments(generator.random((3, 15)))]
    halves = [
        SitePatterns(state_sets=patterns.state_sets[:, part], weights=patterns.weights[part])
        for part in (slice(0, 70), slice(70, None))
    ]
    set_threads(1)
    try:
        whole, first, second = (
            numba_backend.general(*arguments, topologies, p, with_gradient=True) for p in (patterns, *halves)
        )
    finally:
        set_threads(None)
    for total, a, b in zip(whole, first, second, strict=True):
        np.testing.assert_allclose(a + b, total, rtol=1e-11, atol=1e-12 * np.abs(total).max())
