"""Draws of each component in proportion to its weight."""

import numpy as np
import pytest
import torch

from tests.variational.test_mixture import mixture
from vbpi_mix.variational import Allocation


@pytest.mark.parametrize("n_components", [1, 3, 49])
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_equal_weights_share_equally_without_rounding(n_components, n):
    allocation = Allocation(mixture(5, n_components, 1), n)
    assert torch.equal(allocation.counts(0, n), torch.full((n_components,), n))
    assert torch.equal(allocation.counts(n - 1, n), torch.ones(n_components, dtype=torch.int64))
    assert torch.equal(allocation.log_strata, torch.zeros(n_components, dtype=torch.float64))


@pytest.mark.parametrize("n", [1, 10, 997])
def test_batches_add_up_and_nobody_with_weight_is_left_out(n):
    model, weights = mixture(5, 4, 1), np.array([0.7, 0.2999, 0.0001, 0.0])
    model.set_component_weights(weights)
    allocation = Allocation(model, n)
    made = allocation.counts(0, n).numpy()
    parts = [allocation.counts(i, min(i + 3, n)).numpy() for i in range(0, n, 3)]
    assert np.array_equal(np.sum(parts, axis=0), made)
    assert np.array_equal(made, np.ceil(4 * weights * n - 1e-9))
    assert made[2] == 1
    assert made[3] == 0
    np.testing.assert_allclose(np.exp(allocation.log_strata[:3].numpy()) * made[:3], 4 * weights[:3] * n, rtol=1e-12)
    assert allocation.log_strata[3] == 0
