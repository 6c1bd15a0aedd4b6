"""log q of many components at once against the kernels that take one component and one tree after the other."""

import numpy as np
import pytest
import torch

from tests.sbn.test_networks import incomplete, normal
from vbpi_mix.phylo import all_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks, kernels
from vbpi_mix.sbn.mixture_kernels import exponentials
from vbpi_mix.sbn.networks import _offsets, _tables, _trees
from vbpi_mix.support import build_support, encode


def one_by_one(logits, support, encoded, components, weights):
    """Values (M, T) and the gradient (A, n_params) by the serial kernels."""
    values = logits.detach().numpy().copy()
    log_norm = np.full((len(values), support.segments.n_segments), np.nan)
    n_taxa = support.n_taxa
    result = np.empty((len(components), len(encoded)))
    shares = np.empty((*result.shape, 2 * n_taxa - 3))
    parts = _tables(support), _trees(encoded), _offsets(support)
    kernels.log_q(values, log_norm, *parts, components, result, shares)
    gradient = np.zeros_like(values)
    kernels.log_q_vjp(values, log_norm, *parts, components, shares, weights, False, gradient)
    return result, gradient


@pytest.mark.parametrize("components", [[0], [2, 0], [0, 1, 2, 3]])
@pytest.mark.parametrize("whole", [True, False])
def test_all_components_at_once_equal_one_after_the_other(components, whole):
    if whole:
        topologies = all_topologies(6)
        support = build_support(topologies)
        encoded = encode(support, topologies)[:40]
    else:
        support, encoded = incomplete()
    model = SubsplitBayesianNetworks(support, 4, logits=3 * normal(4, support.n_params))
    weights = normal(len(components), len(encoded), seed=2)
    value = model.log_prob(encoded, torch.tensor(components))
    expected, gradient = one_by_one(model.logits, support, encoded, np.array(components), weights.numpy())
    np.testing.assert_allclose(value.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    value.backward(weights)
    np.testing.assert_allclose(model.logits.grad.numpy(), gradient, rtol=1e-10, atol=1e-12)


def test_gradients_gathered_by_row_touch_the_tables_of_the_trees_alone():
    topologies = all_topologies(6)
    support = build_support(topologies)
    encoded = encode(support, topologies)[:2]
    model = SubsplitBayesianNetworks(support, 3, logits=normal(3, support.n_params))
    model.log_prob(encoded).sum().backward()
    expected = model.logits.grad.numpy().T
    gradient = model.logits.collect()
    model.log_prob(encoded).sum().backward()
    gathered = np.zeros_like(gradient.values)
    gradient.add_to(gathered)
    np.testing.assert_allclose(gathered, expected, rtol=1e-13, atol=1e-15)
    assert 0 < len(gradient.touched) < support.n_params
    assert set(np.flatnonzero(np.abs(expected).sum(1))) <= set(gradient.touched.tolist())


def test_exponentials():
    x = -np.concatenate([np.linspace(0, 50, 1001), np.linspace(50, 800, 997), [708.0, 708.5, np.inf]])
    out, total = np.full(len(x), np.nan), np.ones(len(x))
    exponentials(x + 3.0, np.full(len(x), 3.0), out, total)
    x = (x + 3.0) - 3.0
    np.testing.assert_allclose(out, np.where(x > -708, np.exp(x), 0.0), rtol=5e-16, atol=0)
    np.testing.assert_array_equal(total, 1.0 + out)
