"""Laws that every flow obeys, and the compiled flows against their plain torch definitions."""

import copy

import numpy as np
import pytest
import torch

from vbpi_mix.branch import FLOWS, Planar, RealNVP, flow_reference, make_flow
from vbpi_mix.branch.flow_reference import SHIFT
from vbpi_mix.errors import NumericalError
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.phylo.clades import members
from vbpi_mix.phylo.topology import stack
from vbpi_mix.support import PSPIndexer, build_support, encode

N_TAXA, N_FEATURES = 6, 11
BUILDERS = {
    "identity": lambda **o: make_flow("identity", **o),
    "planar": lambda **o: Planar(n_layers=3, **o),
    "realnvp": lambda **o: RealNVP(n_layers=4, n_hidden=7, dtype=torch.float64, **o),
    "realnvp of odd depth": lambda **o: RealNVP(n_layers=3, n_hidden=5, dtype=torch.float64, **o),
}
COMPILED = [word for word in BUILDERS if word != "identity"]


def build(word, *, n_features=N_FEATURES, n_taxa=N_TAXA, seed=1):
    flow = BUILDERS[word](n_features=n_features, n_taxa=n_taxa)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(
                (0.5 if word == "planar" else 0.15)
                * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            )
    return flow


def inputs(n_trees=4, *, n_taxa=N_TAXA, n_features=N_FEATURES, seed=2):
    generator = np.random.default_rng(seed)
    ids = generator.integers(-1, n_features, size=(n_trees, 2 * n_taxa - 3, 3)).astype(np.int32)
    ids[..., 0] = np.abs(ids[..., 0])
    return torch.from_numpy(generator.normal(size=ids.shape[:2]) + SHIFT), ids


def definition(flow, z, ids):
    x = z - SHIFT
    if isinstance(flow, Planar):
        y, log_det = flow_reference.planar(x, ids, flow.rows, flow.bias)
    else:
        y, log_det = flow_reference.realnvp(x, ids, flow.n_taxa, flow.rows, flow.hidden_bias)
    return y + SHIFT, log_det


@pytest.mark.parametrize("word", BUILDERS)
def test_log_determinant_is_that_of_the_jacobian(word):
    flow = build(word)
    z, ids = inputs()
    _, log_det = flow(z, ids)
    for t in range(len(z)):
        jacobian = torch.autograd.functional.jacobian(lambda one, t=t: flow(one[None], ids[t : t + 1])[0][0], z[t])
        sign, expected = torch.linalg.slogdet(jacobian)
        assert sign == 1
        torch.testing.assert_close(log_det[t], expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("word", BUILDERS)
@torch.no_grad()
def test_inverse_undoes_the_flow(word):
    flow = build(word)
    z, ids = inputs(20)
    y, log_det = flow(z, ids)
    back, again = flow.inverse(y, ids)
    torch.testing.assert_close(back, z, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(again, log_det, rtol=1e-9, atol=1e-9)
    if word != "identity":
        assert float((y - z).abs().max()) > 0.1


@pytest.mark.parametrize("word", COMPILED)
def test_values_and_gradients_match_the_definition(word):
    flow = build(word)
    z, ids = inputs(5)
    z.requires_grad_()
    weight = torch.randn(z.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    results = []
    for run in (flow, lambda z, ids: definition(flow, z, ids)):
        y, log_det = run(z, ids)
        loss = (y * weight).sum() + (log_det * weight[:, 0]).sum()
        results.append((y, log_det, *torch.autograd.grad(loss, [z, *flow.parameters()])))
    for ours, expected in zip(*results, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("word", COMPILED)
def test_gradcheck(word):
    flow = build(word)
    z, ids = inputs(2)

    def run(z, *parameters):
        twin = copy.deepcopy(flow)
        for (name, _), value in zip(flow.named_parameters(), parameters, strict=True):
            delattr(twin, name)
            setattr(twin, name, value)
        return twin(z, ids)

    assert torch.autograd.gradcheck(run, (z.requires_grad_(), *flow.parameters()))


@pytest.mark.parametrize("word", COMPILED)
def test_gradients_reach_every_used_parameter_and_no_other(word):
    flow = build(word, n_features=N_FEATURES + 2)
    z, ids = inputs(3)
    y, log_det = flow(z, ids)
    (y.square().sum() + log_det.sum()).backward()
    used = np.unique(ids[ids >= 0])
    assert torch.nonzero(flow.rows.grad.abs().sum(1)).flatten().tolist() == used.tolist()
    for name, parameter in flow.named_parameters():
        if name != "rows":
            assert bool((parameter.grad != 0).all())


@pytest.mark.parametrize("word", COMPILED)
def test_gradients_gathered_by_row_are_the_whole_gradient(word):
    flow = build(word)
    z, ids = inputs(3)

    def loss():
        y, log_det = flow(z, ids)
        return y.square().sum() + log_det.sum()

    loss().backward()
    expected = flow.rows.grad.clone()
    flow.rows.grad = None
    gradient = flow.rows.collect()
    loss().backward()
    assert flow.rows.grad is None
    gathered = np.zeros_like(gradient.values)
    gradient.add_to(gathered)
    np.testing.assert_allclose(gathered, expected.numpy(), rtol=1e-13, atol=1e-14)
    gradient.clear()
    assert len(gradient.touched) == 0
    flow.rows.release()


def relabelled(topologies, names):
    """The same trees with taxon i called names[i], and the (T, E) new numbers of their edges."""
    taxa = [str(i) for i in range(topologies.n_taxa)]
    trees, edges = [], []
    for topology in topologies:
        text = topology.newick([str(name) for name in names], np.arange(topologies.n_edges) + 1.0)
        tree, old = parse_newick(text, taxa)
        trees.append(tree)
        edges.append(np.argsort(old))
    return stack(trees), np.array(edges)


def feature_map(indexer, topologies, names):
    """(F,) the number that each feature has after renaming, from trees that show all features."""
    moved, edges = relabelled(topologies, names)
    before = indexer.feature_ids(encode(indexer.support, topologies))
    after = indexer.feature_ids(encode(indexer.support, moved))
    result = np.full(indexer.n_features, -1)
    for t in range(len(topologies)):
        for e, new in enumerate(edges[t]):
            result[before[t, e, 0]] = after[t, new, 0]
            old_taxa = {int(names[i]) for i in np.flatnonzero(members(topologies.clades()[t, e], topologies.n_taxa))}
            turned = old_taxa != set(np.flatnonzero(members(moved.clades()[t, new], topologies.n_taxa)).tolist())
            for f in (1, 2):
                if before[t, e, f] >= 0:
                    result[before[t, e, f]] = after[t, new, 3 - f if turned else f]
    assert sorted(result) == list(range(indexer.n_features))
    return result


@pytest.mark.parametrize("word", COMPILED)
@torch.no_grad()
def test_the_order_of_edges_within_a_half_does_not_matter(word):
    flow = build(word)
    z, ids = inputs(4)
    generator = np.random.default_rng(4)
    order = np.concatenate([generator.permutation(N_TAXA), N_TAXA + generator.permutation(N_TAXA - 3)])
    y, log_det = flow(z, ids)
    y_2, log_det_2 = flow(z[:, order], np.ascontiguousarray(ids[:, order]))
    torch.testing.assert_close(y_2, y[:, order], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(log_det_2, log_det, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("word", FLOWS)
@torch.no_grad()
def test_flows_start_as_the_identity(word):
    flow = make_flow(word, n_features=N_FEATURES, n_taxa=N_TAXA)
    z, ids = inputs()
    y, log_det = flow(z, ids)
    torch.testing.assert_close(y, z, rtol=0, atol=1e-13)
    torch.testing.assert_close(log_det, torch.zeros_like(log_det), rtol=0, atol=1e-12)


@pytest.mark.parametrize("word", ["planar", "realnvp"])
@torch.no_grad()
def test_the_published_start_is_no_identity_and_depends_on_the_generator_alone(word):
    z, ids = inputs()
    results = []
    for seed in (1, 1, 2):
        flow = make_flow(word, n_features=N_FEATURES, n_taxa=N_TAXA)
        flow.start_published(torch.Generator().manual_seed(seed))
        results.append(flow(z, ids)[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert float((results[0] - z).abs().max()) > 1e-2


@torch.no_grad()
def test_rows_in_single_precision_lose_nothing_but_their_own_digits():
    single = RealNVP(n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=4, n_hidden=30)
    generator = torch.Generator().manual_seed(1)
    single.rows.copy_(0.1 * torch.randn(single.rows.shape, generator=generator))
    z, ids = inputs(6)
    exact = flow_reference.realnvp(z - SHIFT, ids, N_TAXA, single.rows.double(), single.hidden_bias)
    y, log_det = single(z, ids)
    torch.testing.assert_close(y, exact[0] + SHIFT, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(log_det, exact[1], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(single.inverse(y, ids)[0], z, rtol=1e-10, atol=1e-10)


def test_gradients_of_rows_in_single_precision_are_right_to_a_millionth():
    single = RealNVP(n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=4, n_hidden=30)
    double = RealNVP(n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=4, n_hidden=30, dtype=torch.float64)
    with torch.no_grad():
        single.rows.copy_(0.1 * torch.randn(single.rows.shape, generator=torch.Generator().manual_seed(1)))
        double.rows.copy_(single.rows)
    z, ids = inputs(6)
    gradients = []
    for flow in (single, double):
        y, log_det = flow(z, ids)
        (y.square().sum() + log_det.sum()).backward()
        gradients.append(flow.rows.grad.double())
    scale = gradients[1].abs().max()
    assert float((gradients[0] - gradients[1]).abs().max() / scale) < 1e-6


@pytest.mark.parametrize("word", COMPILED)
def test_save_and_load(word, tmp_path):
    flow, other = build(word, seed=1), build(word, seed=2)
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    other.load_state_dict(torch.load(tmp_path / "flow.pt", weights_only=True))
    z, ids = inputs()
    assert torch.equal(flow(z, ids)[0], other(z, ids)[0])


def test_the_inverse_with_gradients():
    flow = build("realnvp")
    z, ids = inputs()
    back, log_det = flow.inverse(flow(z, ids)[0].detach(), ids)
    assert torch.autograd.grad(back.sum() + log_det.sum(), flow.rows)[0].abs().sum() > 0
    torch.testing.assert_close(back, z, rtol=1e-10, atol=1e-10)
    with pytest.raises(NumericalError, match="no_grad"):
        build("planar").inverse(z, ids)


@pytest.mark.parametrize("word", COMPILED)
@torch.no_grad()
def test_renaming_the_taxa_renames_the_lengths(word):
    """The same trees under other taxon numbers, with the rows of the features carried along."""
    n_taxa = 6
    indexer = PSPIndexer(build_support(all_topologies(n_taxa)))
    generator = np.random.default_rng(5)
    topologies, names = random_topologies(8, n_taxa, generator), generator.permutation(n_taxa)
    moved, edges = relabelled(topologies, names)
    flow = build(word, n_features=indexer.n_features, n_taxa=n_taxa)
    twin = copy.deepcopy(flow)
    twin.rows[torch.from_numpy(feature_map(indexer, all_topologies(n_taxa), names))] = flow.rows.detach().clone()
    z = torch.from_numpy(generator.normal(size=edges.shape))
    z_moved = torch.zeros_like(z).scatter(1, torch.from_numpy(edges), z)
    y, log_det = flow(z, indexer.feature_ids(encode(indexer.support, topologies)))
    y_moved, log_det_moved = twin(z_moved, indexer.feature_ids(encode(indexer.support, moved)))
    torch.testing.assert_close(y_moved.gather(1, torch.from_numpy(edges)), y)
    torch.testing.assert_close(log_det_moved, log_det)
