"""The compiled base distribution against its plain torch definition, quadrature and goodness of fit."""

import numpy as np
import pytest
import torch
from scipy import stats

from tests.statistics import FAILURE_RATE
from vbpi_mix.branch import LogNormalBase, reference


def problem(n_components, n_trees, n_edges, n_features, seed):
    generator = np.random.default_rng(seed)
    base = LogNormalBase(n_components=n_components, n_features=n_features)
    with torch.no_grad():
        base.table.copy_(torch.from_numpy(generator.normal(size=base.table.shape) * 0.4))
    ids = generator.integers(-1, n_features, size=(n_trees, n_edges, 3)).astype(np.int32)
    ids[..., 0] = np.abs(ids[..., 0])
    return base, ids


@pytest.mark.parametrize("shape", [(1, 1, 5, 7), (3, 4, 9, 11), (2, 10, 51, 5)])
def test_values_and_gradients_match_the_definition(shape):
    n_components, n_trees, n_edges, _ = shape
    base, ids = problem(*shape, seed=1)
    generator = torch.Generator().manual_seed(2)
    component = torch.randint(n_components, (n_trees,), generator=generator)
    components = torch.arange(n_components).flip(0)
    noise = torch.randn(n_trees, n_edges, generator=generator, dtype=torch.float64)
    weight = torch.randn(n_components, n_trees, generator=generator, dtype=torch.float64)

    z = base.draw(ids, component, noise)
    value = base.log_prob(ids, components, z)
    gradient = torch.autograd.grad((value * weight).sum() + z.sin().sum(), base.table)[0]

    z_ref = reference.draw(base.table, ids, component, noise)
    value_ref = reference.log_prob(base.table, ids, components, z_ref)
    gradient_ref = torch.autograd.grad((value_ref * weight).sum() + z_ref.sin().sum(), base.table)[0]
    torch.testing.assert_close(z, z_ref, rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(value, value_ref, rtol=1e-13, atol=1e-12)
    torch.testing.assert_close(gradient, gradient_ref, rtol=1e-11, atol=1e-11)


def test_gradcheck():
    base, ids = problem(2, 2, 4, 5, seed=3)
    component, components = torch.tensor([1, 0]), torch.tensor([0, 1])
    noise = torch.randn(2, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def run(table, z):
        base_copy = LogNormalBase(n_components=2, n_features=5)
        del base_copy.table
        base_copy.table = table
        return base_copy.log_prob(ids, components, z), base_copy.draw(ids, component, noise)

    z = torch.randn(2, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (base.table, z))


def test_draws_follow_their_density():
    base, ids = problem(2, 1, 3, 4, seed=5)
    n = 4000
    noise = torch.randn(n, 3, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    many = np.repeat(ids, n, axis=0)
    with torch.no_grad():
        z = base.draw(many, torch.ones(n, dtype=torch.int64), noise).numpy()
        own = reference.edge_parameters(base.table, ids)[1, 0].numpy()
    for e in range(3):
        p_value = stats.kstest(z[:, e], stats.norm(own[e, 0], np.exp(own[e, 1])).cdf).pvalue
        assert p_value > FAILURE_RATE


def test_density_integrates_to_one():
    base, ids = problem(1, 1, 2, 3, seed=7)
    with torch.no_grad():
        own = reference.edge_parameters(base.table, ids)[0, 0].numpy()
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        # a grid stretched by 1.1, so that the density is not the quadrature's own weight function
        axes = [own[e, 0] + 1.1 * np.exp(own[e, 1]) * nodes for e in range(2)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        value = base.log_prob(np.repeat(ids, len(grid), 0), torch.tensor([0]), torch.from_numpy(grid))[0].numpy()
    jacobian = np.outer(*[w * np.exp(nodes**2 / 2) * 1.1 * np.exp(own[e, 1]) for e, w in enumerate([weights] * 2)])
    assert (np.exp(value) * jacobian.reshape(-1)).sum() == pytest.approx(1.0, abs=1e-10)
