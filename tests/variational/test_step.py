"""The fast training step against a slow one: plain torch, one component after the other, torch's own Adam."""

import copy

import numpy as np
import pytest
import torch

from tests.variational.examples import random_mixture
from vbpi_mix.branch import Framed, Skew, flow_reference, reference
from vbpi_mix.errors import ConfigError
from vbpi_mix.estimators import ComponentPlan, Objective, all_components
from vbpi_mix.felsenstein import jc69_log_likelihood
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import SitePatterns, random_topologies
from vbpi_mix.support import build_support
from vbpi_mix.train import TrainSettings, fit
from vbpi_mix.variational import PhyloProblem


def problem(n_components, flow, seed=1, **options):
    generator = np.random.default_rng(seed)
    states = 2 ** generator.integers(0, 4, size=(7, 12)).astype(np.uint8)
    support = build_support(random_topologies(60, 7, generator))
    mixture = random_mixture(support, seed, n_components=n_components, flow=flow, **options)
    return PhyloProblem(PhyloModel(SitePatterns(state_sets=states, weights=np.ones(12)), 7), mixture)


def slow_topology_log_prob(logits, support, encoded):
    """(T,) log q of one component in plain torch: every rooting of every tree by itself."""
    segments = support.segments
    table = torch.empty_like(logits)
    for s in range(segments.n_segments):
        entries = torch.from_numpy(segments.entries[segments.pointer[s] : segments.pointer[s + 1]].astype(np.int64))
        table = table.index_put((entries,), torch.log_softmax(logits[entries], 0))
    n_taxa = support.n_taxa
    first_psp, first_adjacency = support.n_splits, support.n_splits + 3 * support.n_tripartitions
    result = []
    for t in range(len(encoded)):
        children = encoded.topologies.children[t]
        parent = {int(c): n_taxa + i for i in range(n_taxa - 2) for c in children[i]}
        below = {}
        for node in range(2 * n_taxa - 2):  # the tips of every node
            below[node] = {node} if node < n_taxa else set.union(*(below[int(c)] for c in children[node - n_taxa]))
        rootings = []
        for root in range(2 * n_taxa - 3):
            log_q = table[encoded.split_ids[t, root]]
            if root != 0:  # the pair that the root's edge sees above it
                upper = parent[root] - n_taxa
                side = list(children[upper]).index(root)
                log_q = log_q + table[first_psp + 3 * encoded.tripartition_ids[t, upper] + side]
            lower = 2 * n_taxa - 3 if root == 0 else root
            if lower >= n_taxa:
                log_q = log_q + table[first_psp + 3 * encoded.tripartition_ids[t, lower - n_taxa] + 2]
            needed = [node for node in range(n_taxa, 2 * n_taxa - 3) if node != root]
            if any(encoded.adjacency_ids[t, node - n_taxa] < 0 for node in needed):
                continue
            for node in needed:
                (sister,) = [int(c) for c in children[parent[node] - n_taxa] if c != node]
                left, right = (int(c) for c in children[node - n_taxa])
                seen = [
                    m for m, side in ((1, sister), (2, left), (3, right)) if root != 0 and below[root] <= below[side]
                ]
                adjacency = encoded.adjacency_ids[t, node - n_taxa]
                log_q = log_q + table[first_adjacency + 4 * adjacency + (seen[0] if seen else 0)]
            rootings.append(log_q)
        result.append(torch.logsumexp(torch.stack(rootings), 0))
    return torch.stack(result)


def slow_flow(flow, z, ids, component, *, inverse=False):
    """The flow of one component on T trees, in plain torch."""
    centre, log_scale = (flow_reference.gathered(x[:, None], ids)[..., 0] for x in (flow.centre, flow.log_scale))
    x, inner = (z - centre) / log_scale.exp(), flow.inner
    if isinstance(inner, Skew):
        assert not inverse
        y, log_det = flow_reference.skew(x, ids, inner.rows)
    else:
        part = slice(component * inner.n_features, (component + 1) * inner.n_features)
        rows, bias, gain = inner.rows[part].double(), inner.hidden_bias[component], float(inner.output_gain)
        y, log_det = flow_reference.realnvp(x, ids, inner.n_taxa, rows, bias, gain=gain, inverse=inverse)
    return centre + log_scale.exp() * y, log_det


def slow_terms(problem, draws, noise, plan):
    """log-likelihood (T,), log q (M, T), log q of the topology (T,): parameters' gradients by autograd alone."""
    mixture = problem.mixture
    ids = mixture.indexer.feature_ids(draws.encoded)
    component = draws.component_of_tree
    base = reference.draw(mixture.branches.base.table, ids, component, noise)
    log_lengths, log_det = base, torch.zeros(len(base), dtype=torch.float64)
    flow = mixture.branches.flow
    own_flow = mixture.branches.per_component
    if isinstance(flow, Framed):
        ends = [slow_flow(flow, base[t : t + 1], ids[t : t + 1], int(a) * own_flow) for t, a in enumerate(component)]
        log_lengths, log_det = (torch.cat(parts) for parts in zip(*ends, strict=True))
    topology = [
        slow_topology_log_prob(mixture.networks.logits[a], mixture.support, draws.encoded)
        for a in range(mixture.n_components)
    ]
    log_q = []
    for a in plan.evaluated:
        start, change = slow_flow(flow, log_lengths, ids, int(a), inverse=True) if own_flow else (base, log_det)
        log_base = reference.log_prob(mixture.branches.base.table, ids, a[None], start)[0]
        log_q.append(topology[int(a)] + log_base - change - log_lengths.sum(1))
    lengths = log_lengths.exp()
    log_likelihood = jc69_log_likelihood(lengths, draws.encoded.topologies, problem.model.patterns, backend="reference")
    own = torch.stack([topology[int(a)][t] for t, a in enumerate(component)])
    return log_lengths, log_likelihood, problem.model.log_prior(lengths), torch.stack(log_q), own


@pytest.mark.parametrize(
    ("flow", "options"),
    [
        ("identity", {}),
        ("skew", {}),
        ("realnvp", {"flow_layers": 4, "flow_hidden": 9}),
        ("realnvp", {"flow_layers": 3, "flow_hidden": 6, "flow_per_component": True}),
    ],
)
@pytest.mark.parametrize(
    ("n_components", "n_sampled", "estimator"), [(1, 1, "a2a"), (3, 3, "a2a"), (3, 2, "s2a"), (3, 2, "s2s")]
)
def test_loss_and_gradients_equal_the_slow_step(flow, options, n_components, n_sampled, estimator, monkeypatch):
    fast = problem(n_components, flow, **options)
    objective = Objective(estimator=estimator, n_components=n_components, n_sampled=n_sampled, n_particles=3)
    kept = []
    draw = fast.mixture.draw
    monkeypatch.setattr(fast.mixture, "draw", lambda *a, **k: kept.append((a[0], draw(*a, **k))) or kept[-1][1])
    noise = []
    randn = torch.randn
    monkeypatch.setattr(torch, "randn", lambda *a, **k: noise.append(randn(*a, **k)) or noise[-1])
    step = objective.step(fast, torch.Generator().manual_seed(3))
    monkeypatch.undo()
    step.loss.backward()

    slow = copy.deepcopy(fast)
    slow.zero_grad()
    plan, draws = kept[0]
    log_lengths, log_likelihood, log_prior, log_q, own = slow_terms(slow, draws, noise[0], plan)
    torch.testing.assert_close(log_lengths, draws.log_lengths, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_q, draws.log_q, rtol=1e-9, atol=1e-9)
    shape = (plan.n_sampled, 3)
    terms = type(step.terms[0])(
        log_likelihood=log_likelihood.reshape(shape),
        log_prior=log_prior.reshape(shape),
        log_q=log_q.T.reshape(*shape, plan.n_evaluated),
        log_q_score=own.reshape(shape),
    )
    expected = objective.surrogate(terms, plan)
    torch.testing.assert_close(step.bound, expected.bound, rtol=1e-10, atol=1e-9)
    torch.testing.assert_close(step.loss, expected.loss, rtol=1e-10, atol=1e-9)
    expected.loss.backward()
    for (name, ours), theirs in zip(fast.named_parameters(), slow.parameters(), strict=True):
        tolerance = 1e-8 if ours.dtype == torch.float64 else 1e-4
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.parametrize("per_component", [False, True])
@torch.no_grad()
def test_density_of_draws_is_the_density_of_their_lengths(per_component):
    """What the draws of a mixture say about themselves, and `log_prob` about the same trees given from outside."""
    ours = problem(3, "realnvp", flow_layers=4, flow_hidden=9, flow_per_component=per_component).mixture
    for plan in (
        all_components(3),
        ComponentPlan(sampled=torch.tensor([1]), evaluated=torch.arange(3), n_components=3),
    ):
        draws = ours.draw(plan, 4, torch.Generator().manual_seed(2))
        torch.testing.assert_close(ours.log_prob(draws.encoded, draws.log_lengths), draws.log_q, rtol=1e-9, atol=1e-8)


def test_a_flow_per_component_needs_a_branch_model_per_component():
    with pytest.raises(ConfigError, match="flow_per_component"):
        problem(2, "realnvp", tying="branch", flow_per_component=True)


@pytest.mark.parametrize(("flow", "tolerance"), [("identity", 0.3), ("skew", 1.0), ("realnvp", 1.0)])
def test_training_ends_where_adam_on_whole_tables_ends(flow, tolerance):
    """Means of 100 bounds, in nats: the runs draw the same trees at first and drift apart by chance later."""
    objective = Objective(estimator="s2a", n_components=2, n_sampled=1, n_particles=5)
    rates = {"topology": 0.01, "base": 0.01, "flow": 0.001}
    n_steps = 300
    sizes = {"flow_layers": 4, "flow_hidden": 20} if flow == "realnvp" else {}
    ours, theirs = problem(2, flow, **sizes), problem(2, flow, **sizes)
    bounds = []
    fit(
        ours,
        objective,
        TrainSettings(n_iterations=n_steps, learning_rates=rates, metrics_every=100),
        generator=torch.Generator().manual_seed(4),
        on_progress=lambda progress: bounds.append(progress.bound),
    )
    groups = [{"params": p, "lr": rates[name]} for name, p in theirs.parameter_groups().items()]
    optimizer = torch.optim.Adam(groups)
    generator = torch.Generator().manual_seed(4)
    expected = []
    for _ in range(n_steps):
        optimizer.zero_grad()
        step = objective.step(theirs, generator)
        step.loss.backward()
        optimizer.step()
        expected.append(float(step.bound))
    assert len(bounds) == 3
    for window, bound in enumerate(bounds):
        assert bound == pytest.approx(np.mean(expected[100 * window : 100 * (window + 1)]), abs=tolerance)
