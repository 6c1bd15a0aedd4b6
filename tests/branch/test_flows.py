"""Laws that every flow obeys, and the compiled flows against their plain torch definitions."""

import copy

import numpy as np
import pytest
import torch

from vbpi_mix.branch import FLOWS, Framed, Planar, RealNVP, Skew, flow_reference, make_flow
from vbpi_mix.branch.flow_reference import SHIFT
from vbpi_mix.errors import ConfigError, NumericalError
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
    "skew": Skew,
    "framed realnvp": lambda **o: Framed(RealNVP(n_layers=4, n_hidden=7, dtype=torch.float64, **o), o["n_features"]),
    "framed skew": lambda **o: Framed(Skew(**o), o["n_features"]),
}
SCALE = {"planar": 0.5, "skew": 0.3, "framed skew": 0.3}
COMPILED = [word for word in BUILDERS if word != "identity"]
WITHOUT_INVERSE_GRADIENT = ("planar",)


def build(word, *, n_features=N_FEATURES, n_taxa=N_TAXA, seed=1):
    flow = BUILDERS[word](n_features=n_features, n_taxa=n_taxa)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in flow.parameters():
            draw = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.copy_(SCALE.get(word, 0.15) * draw)
        if "realnvp" in word:
            core(flow).output_gain.fill_(1.0 if word == "realnvp" else 0.7)
        if isinstance(flow, Framed):
            flow.centre.copy_(torch.randn(n_features, generator=generator, dtype=torch.float64))
            flow.log_scale.copy_(0.2 * torch.randn(n_features, generator=generator, dtype=torch.float64))
    return flow


def core(flow):
    return flow.inner if isinstance(flow, Framed) else flow


def inputs(n_trees=4, *, n_taxa=N_TAXA, n_features=N_FEATURES, seed=2):
    generator = np.random.default_rng(seed)
    ids = generator.integers(-1, n_features, size=(n_trees, 2 * n_taxa - 3, 3)).astype(np.int32)
    ids[..., 0] = np.abs(ids[..., 0])
    return torch.from_numpy(generator.normal(size=ids.shape[:2]) + SHIFT), ids


def with_parameters(flow, parameters):
    """A copy of a flow that computes with plain tensors."""
    twin = copy.deepcopy(flow)
    for (name, _), value in zip(core(flow).named_parameters(), parameters, strict=True):
        delattr(core(twin), name)
        setattr(core(twin), name, value)
    return twin


def definition(flow, z, ids):
    if isinstance(flow, Framed):
        centre, log_scale = (flow_reference.gathered(b[:, None], ids)[..., 0] for b in (flow.centre, flow.log_scale))
        y, log_det = definition(flow.inner, (z - centre) / log_scale.exp(), ids)
        return centre + log_scale.exp() * y, log_det
    if isinstance(flow, Planar):
        return flow_reference.planar(z, ids, flow.rows, flow.bias)
    if isinstance(flow, Skew):
        return flow_reference.skew(z, ids, flow.rows)
    gain = float(flow.output_gain)
    return flow_reference.realnvp(z, ids, flow.n_taxa, flow.rows.double(), flow.hidden_bias[0], gain=gain)


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

    assert torch.autograd.gradcheck(
        lambda z, *parameters: with_parameters(flow, parameters)(z, ids), (z.requires_grad_(), *flow.parameters())
    )


@pytest.mark.parametrize("word", COMPILED)
def test_gradients_reach_every_used_parameter_and_no_other(word):
    flow = build(word, n_features=N_FEATURES + 2)
    z, ids = inputs(3)
    y, log_det = flow(z, ids)
    (y.square().sum() + log_det.sum()).backward()
    used = np.unique(ids[ids >= 0])
    assert torch.nonzero(core(flow).rows.grad.abs().sum(1)).flatten().tolist() == used.tolist()
    for name, parameter in flow.named_parameters():
        if name not in ("rows", "inner.rows"):
            assert bool((parameter.grad != 0).all())


@pytest.mark.parametrize("word", COMPILED)
def test_gradients_gathered_by_row_are_the_whole_gradient(word):
    outer = build(word)
    flow = core(outer)
    z, ids = inputs(3)

    def loss():
        y, log_det = outer(z, ids)
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


@pytest.mark.parametrize("word", [word for word in FLOWS if word != "skew"])
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
        flow.start_published(torch.Generator().manual_seed(seed), n_splits=4)
        results.append(flow(z, ids)[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert float((results[0] - z).abs().max()) > 1e-2


@torch.no_grad()
def test_the_published_start_of_realnvp_is_that_of_linear_layers():
    """Uniform within 1/sqrt(inputs): F of them in the first layer, H in the last, whose bias goes with its weights."""
    n_features, n_hidden = 400, 50
    flow = RealNVP(n_features=n_features, n_taxa=10, n_layers=4, n_hidden=n_hidden)
    flow.start_published(torch.Generator().manual_seed(1))
    first, last = flow.rows[:, : 2 * n_hidden], flow.rows[:, 2 * n_hidden :]
    for part, bound in ((first, n_features**-0.5), (flow.hidden_bias, n_features**-0.5), (last, n_hidden**-0.5)):
        assert float(part.abs().max()) == pytest.approx(bound, rel=0.05)
        assert float(part.abs().max()) <= bound
    lengths = torch.full((1, 17), 2.0, dtype=torch.float64)
    ids = np.arange(17 * 3, dtype=np.int32).reshape(1, 17, 3)
    assert float(flow(lengths, ids)[0].abs().max()) < 20  # nothing explodes on the way through the layers


@torch.no_grad()
def test_rows_in_single_precision_lose_nothing_but_their_own_digits():
    single = RealNVP(n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=4, n_hidden=30)
    generator = torch.Generator().manual_seed(1)
    single.rows.copy_(0.1 * torch.randn(single.rows.shape, generator=generator))
    single.output_gain.fill_(1.0)
    z, ids = inputs(6)
    exact = definition(single, z, ids)
    y, log_det = single(z, ids)
    torch.testing.assert_close(y, exact[0], rtol=1e-12, atol=1e-12)
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


@pytest.mark.parametrize("word", [word for word in COMPILED if word not in WITHOUT_INVERSE_GRADIENT])
def test_gradients_of_the_inverse(word):
    """Of the inverse itself against finite differences, in values and every parameter."""
    flow = build(word)
    z, ids = inputs(2)

    y = flow(z, ids)[0].detach().requires_grad_()
    assert torch.autograd.gradcheck(
        lambda y, *parameters: with_parameters(flow, parameters).inverse(y, ids), (y, *flow.parameters())
    )


def test_the_inverse_of_a_planar_flow_has_no_gradient():
    with pytest.raises(NumericalError, match="no_grad"):
        build("planar").inverse(*inputs())


@torch.no_grad()
def test_several_flows_are_each_its_own():
    """A stack of three against three alone; each tree through the flow that is named."""
    sizes = {"n_taxa": N_TAXA, "n_layers": 4, "n_hidden": 5, "dtype": torch.float64}
    stacked = RealNVP(n_features=N_FEATURES, n_flows=3, **sizes)
    generator = torch.Generator().manual_seed(1)
    for parameter in stacked.parameters():
        parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    z, ids = inputs(6)
    which = torch.tensor([2, 0, 1, 1, 0, 2])
    y, log_det = stacked(z, ids, which)
    back, again = stacked.inverse(y, ids, which)
    torch.testing.assert_close(back, z, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(again, log_det, rtol=1e-10, atol=1e-10)
    for b in range(3):
        alone = RealNVP(n_features=N_FEATURES, **sizes)
        alone.rows.copy_(stacked.rows[b * N_FEATURES : (b + 1) * N_FEATURES])
        alone.hidden_bias.copy_(stacked.hidden_bias[b : b + 1])
        mine = (which == b).numpy()
        expected = alone(z[mine], ids[mine])
        torch.testing.assert_close(y[mine], expected[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(log_det[mine], expected[1], rtol=1e-12, atol=1e-12)


def test_a_step_moves_an_output_by_about_the_learning_rate_however_many_hidden_units():
    """Adam's first step moves every weight by the rate."""
    moves = []
    for n_hidden in (10, 100, 1000):
        flow = RealNVP(n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=2, n_hidden=n_hidden)
        z, ids = inputs(1)
        with torch.no_grad():
            z = z - SHIFT
        y, _ = flow(z, ids)
        y.sum().backward()
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter.add_(0.001 * parameter.grad.sign())
            moves.append(float((flow(z, ids)[0] - z).abs().max()))
    assert max(moves) < 0.005


def test_skewness_of_a_fitted_start_is_that_of_a_gamma_distribution():
    """Log-lengths after s substitutions have scale 1/sqrt(s) and, to a third, the skewness of a log-gamma variable."""
    for shape in (1.0, 4.0, 30.0):
        flow = make_flow("skew", n_features=2, n_taxa=4)
        table = torch.tensor([[-2.0, -0.5 * np.log(shape)], [0.0, 0.0]], dtype=torch.float64)
        flow.start_fitted(table, n_splits=1)
        ids = np.zeros((1, 200_000, 1), dtype=np.int32)
        generator = np.random.default_rng(1)
        base = -2.0 + generator.normal(size=(1, 200_000)) / np.sqrt(shape)
        with torch.no_grad():
            ours = flow(torch.from_numpy(base), ids)[0].numpy()
        log_gamma = np.log(generator.gamma(shape, size=200_000) / shape)
        skewness = [float(((x - x.mean()) ** 3).mean() / x.std() ** 3) for x in (ours, log_gamma)]
        assert skewness[0] == pytest.approx(skewness[1], rel=0.35)


@pytest.mark.parametrize(
    ("word", "sizes", "message"),
    [
        ("unknown", {}, "identity, skew, planar, realnvp"),
        ("identity", {"n_layers": 3}, "flow_layers is 3, .*'identity'"),
        ("planar", {"n_hidden": 3}, "flow_hidden is 3, .*'planar'"),
        ("realnvp", {"n_layers": 0}, "flow_layers .* 1, not 0"),
        ("realnvp", {"n_hidden": -1}, "flow_hidden .* 1, not -1"),
        ("skew", {"n_flows": 2}, "flow_per_component .*'realnvp'"),
    ],
)
def test_sizes_that_a_flow_does_not_have(word, sizes, message):
    with pytest.raises(ConfigError, match=message):
        make_flow(word, n_features=N_FEATURES, n_taxa=N_TAXA, **sizes)


@torch.no_grad()
def test_sizes_are_those_asked_for():
    flow = make_flow("realnvp", n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=3, n_hidden=8)
    assert flow.inner.hidden_bias.shape == (1, 3, 8)
    assert make_flow("planar", n_features=N_FEATURES, n_taxa=N_TAXA, n_layers=5).inner.bias.shape == (5,)
    assert make_flow("realnvp", n_features=N_FEATURES, n_taxa=N_TAXA).inner.hidden_bias.shape == (1, 10, 100)


@pytest.mark.parametrize("word", ["skew", "planar", "realnvp"])
@torch.no_grad()
def test_a_flow_taken_over_to_more_features_does_the_same(word):
    sizes = {"n_layers": 2, "n_hidden": 4, "n_flows": 2} if word == "realnvp" else {}
    old = make_flow(word, n_features=N_FEATURES, n_taxa=N_TAXA, **sizes)
    new = make_flow(word, n_features=N_FEATURES + 3, n_taxa=N_TAXA, **sizes)
    generator = torch.Generator().manual_seed(1)
    for tensor in (*old.parameters(), old.centre, old.log_scale):
        tensor.copy_(0.2 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype))
    features = np.random.default_rng(1).permutation(N_FEATURES + 3)[:N_FEATURES]
    table = torch.randn((N_FEATURES + 3, 2), generator=generator, dtype=torch.float64)
    moved = new.extend(old, features, table, n_splits=5)
    assert list(moved) == ["inner.rows"]
    assert len(moved["inner.rows"]) == len(old.inner.rows)
    z, ids = inputs(4)
    new_ids = np.where(ids >= 0, features[ids], -1).astype(np.int32)
    which = (torch.tensor([0, 1, 1, 0]),) if word == "realnvp" else ()
    for ours, theirs in zip(new(z, new_ids, *which), old(z, ids, *which), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    unseen = np.setdiff1d(np.arange(N_FEATURES + 3), features)
    torch.testing.assert_close(new.centre[unseen], table[unseen, 0], rtol=0, atol=0)


@torch.no_grad()
def test_the_published_frame_adds_two_to_every_log_length():
    flow = make_flow("realnvp", n_features=N_FEATURES, n_taxa=N_TAXA)
    z, ids = inputs()
    ids[..., 0] %= 4
    ids[..., 1:] = np.where(ids[..., 1:] >= 0, 4 + ids[..., 1:] % (N_FEATURES - 4), -1)
    flow.start_published(torch.Generator().manual_seed(1), n_splits=4)
    inner = flow.inner(z - SHIFT, ids)
    torch.testing.assert_close(flow(z, ids)[0], inner[0] + SHIFT, rtol=0, atol=1e-13)


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
    moves = torch.from_numpy(feature_map(indexer, all_topologies(n_taxa), names))
    core(twin).rows[moves] = core(flow).rows.detach().clone()
    if isinstance(flow, Framed):
        twin.centre[moves], twin.log_scale[moves] = flow.centre.clone(), flow.log_scale.clone()
    z = torch.from_numpy(generator.normal(size=edges.shape))
    z_moved = torch.zeros_like(z).scatter(1, torch.from_numpy(edges), z)
    y, log_det = flow(z, indexer.feature_ids(encode(indexer.support, topologies)))
    y_moved, log_det_moved = twin(z_moved, indexer.feature_ids(encode(indexer.support, moved)))
    torch.testing.assert_close(y_moved.gather(1, torch.from_numpy(edges)), y)
    torch.testing.assert_close(log_det_moved, log_det)
