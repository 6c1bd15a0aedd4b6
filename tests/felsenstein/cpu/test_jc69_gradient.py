"""The JC69 kernel on parts of its work."""

import numpy as np
import pytest
import torch

from tests.felsenstein import examples
from vbpi_mix.felsenstein import reference
from vbpi_mix.felsenstein.cpu import jc69_gradient
from vbpi_mix.felsenstein.cpu.blocks import pattern_blocks


@pytest.fixture
def problem():
    generator = np.random.default_rng(0)
    topologies = examples.shapes(4, 10, generator)
    patterns = examples.patterns(10, 3 * jc69_gradient.BLOCK - 5, generator)
    lengths = examples.lengths(topologies, generator)
    return topologies, patterns, lengths


def run(topologies, patterns, lengths, trees, blocks):
    states, weights = pattern_blocks(patterns, jc69_gradient.BLOCK)
    assert len(states) == 3
    values, gradient = np.full(4, np.nan), np.full(lengths.shape, np.nan)
    work = np.full((2 * 10 - 1, jc69_gradient.SIZE), np.nan)
    children = topologies.children.astype(np.int64)
    jc69_gradient.jc69_kernel(lengths.numpy(), children, states, weights, trees, blocks, True, work, values, gradient)
    return values, gradient


def test_only_the_trees_asked_for_are_written(problem):
    values, gradient = run(*problem, (1, 3), (0, 3))
    assert np.isnan(values).tolist() == [True, False, False, True]
    assert np.isnan(gradient).all(axis=1).tolist() == [True, False, False, True]
    assert np.isfinite(gradient[1:3]).all()


def test_blocks_add_up(problem):
    topologies, patterns, lengths = problem
    parts = [run(*problem, (0, 4), blocks) for blocks in ((0, 1), (1, 3))]
    leaf = lengths.clone().requires_grad_()
    expected = reference.jc69_log_likelihood(leaf, topologies, patterns)
    (slope,) = torch.autograd.grad(expected.sum(), leaf)
    np.testing.assert_allclose(parts[0][0] + parts[1][0], expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(
        parts[0][1] + parts[1][1], slope.numpy(), rtol=1e-11, atol=1e-12 * float(slope.abs().max())
    )
