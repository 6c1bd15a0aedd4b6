import numpy as np
import pytest
import torch

from vbpi_mix.branch import BranchModel, LogNormalBase, make_flow, reference
from vbpi_mix.errors import ConfigError


def test_log_q_is_the_log_normal_density_of_the_lengths():
    base = LogNormalBase(n_components=2, n_features=6)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        base.table.copy_(torch.randn(base.table.shape, generator=generator, dtype=torch.float64) * 0.3 - 0.5)
    model = BranchModel(base, make_flow("identity", n_features=6, n_taxa=5))
    ids = np.random.default_rng(2).integers(0, 6, size=(5, 7, 3)).astype(np.int32)
    component = torch.tensor([0, 1, 1, 0, 1])
    draws = model.draw(ids, component, torch.tensor([0, 1]), generator)
    parameters = reference.edge_parameters(base.table, ids)
    normal = torch.distributions.LogNormal(parameters[..., 0], parameters[..., 1].exp())
    torch.testing.assert_close(draws.log_q, normal.log_prob(draws.lengths).sum(-1))
    torch.testing.assert_close(
        model.log_prob(ids, torch.tensor([1]), draws.log_lengths), draws.log_q[1:], rtol=1e-13, atol=1e-12
    )


def test_unknown_flows_are_refused():
    with pytest.raises(ConfigError, match="identity"):
        make_flow("glow", n_features=6, n_taxa=5)
