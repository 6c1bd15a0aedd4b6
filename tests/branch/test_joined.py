"""Flows of several models as one module, against each by itself."""

import pytest
import torch

from vbpi_mix.branch import make_flow
from vbpi_mix.branch.features import used_rows
from vbpi_mix.branch.joined import join_flows
from vbpi_mix.row_table import RowTable

N_TAXA, N_EDGES = 6, 9


def random_ids(generator, n_trees, n_features):
    """(T, E, 3) of which some are missing."""
    return torch.randint(-3, n_features, (n_trees, N_EDGES, 3), generator=generator).clamp(min=-1)


def test_used_rows_are_the_rows_with_their_derivatives():
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(40, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    ids = random_ids(generator, 2, 40)
    few, places = used_rows(rows, ids)
    assert len(few) == len(set(ids.flatten().tolist()) - {-1}) < 40
    assert torch.equal(places < 0, ids < 0)
    assert torch.equal(few[places[ids >= 0]], rows[ids[ids >= 0]])
    few[places[ids >= 0]].square().sum().backward()
    ours, rows.grad = rows.grad, None
    rows[ids[ids >= 0]].square().sum().backward()
    torch.testing.assert_close(ours, rows.grad, rtol=1e-14, atol=0)
    whole, same = used_rows(rows, ids.abs())
    assert torch.equal(whole[same], rows[ids.abs()])


@pytest.mark.parametrize(
    ("word", "n_flows"), [("skew", None), ("planar", None), ("realnvp", None), ("realnvp", (1, 3, 2))]
)
def test_trees_go_through_the_flow_of_their_model(word, n_flows):
    """Flows of different frames and gains; of one model several, where each component has its own."""
    sizes = {"realnvp": {"n_layers": 4, "n_hidden": 5}, "planar": {"n_layers": 3}}.get(word, {})
    generator, n_features = torch.Generator().manual_seed(2), (11, 7, 16)
    flows = []
    for i, n in enumerate(n_features):
        flow = make_flow(word, n_features=n, n_taxa=N_TAXA, n_flows=None if n_flows is None else n_flows[i], **sizes)
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
            flow.centre.copy_(torch.randn(n, generator=generator, dtype=torch.float64))
            flow.log_scale.copy_(0.2 * torch.randn(n, generator=generator, dtype=torch.float64))
            if word == "realnvp":
                flow.inner.output_gain.fill_(0.5 + 0.3 * i)
        flows.append(flow)
    tables = {
        name: RowTable(torch.cat([dict(flow.named_parameters())[name].detach() for flow in flows]), range(p.ndim))
        for name, p in flows[0].named_parameters()
    }
    joined = join_flows(flows, tables, n_features)
    first_flow, first_feature, n_trees = 0, 0, 4
    values, ids, which, expected = [], [], [], []
    for i, (flow, n) in enumerate(zip(flows, n_features, strict=True)):
        own_ids = random_ids(generator, n_trees, n)
        x = torch.randn(n_trees, N_EDGES, generator=generator, dtype=torch.float64)
        count = 1 if n_flows is None else n_flows[i]
        own = torch.arange(n_trees) % count
        expected.append(flow(x, own_ids, *([] if n_flows is None else [own])))
        values.append(x)
        ids.append(torch.where(own_ids >= 0, own_ids + first_feature, own_ids))
        which.append(first_flow + own)
        first_flow, first_feature = first_flow + count, first_feature + n
    found = joined(torch.cat(values), torch.cat(ids), torch.cat(which))
    for ours, theirs in zip(found, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(ours, torch.cat(theirs), rtol=1e-11, atol=1e-12)
    (found[0].square().sum() + found[1].sum()).backward()
    sum(y.square().sum() + log_det.sum() for y, log_det in expected).backward()
    for name, table in tables.items():
        theirs = torch.cat([dict(flow.named_parameters())[name].grad for flow in flows])
        assert theirs.abs().max() > 0
        torch.testing.assert_close(table.grad, theirs, rtol=1e-5, atol=1e-6 if table.dtype == torch.float32 else 1e-10)
