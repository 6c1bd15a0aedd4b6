import gzip

import numpy as np
import pytest
import torch

from tests.support.oracle import described_entries, rootings
from vbpi_mix.errors import ConfigError, SupportError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.sbn import SubsplitBayesianNetworks, em, simple_average
from vbpi_mix.seeding import torch_generator
from vbpi_mix.support import build_support, encode
from vbpi_mix.threads import set_threads


def some_trees(n_taxa=7, n_trees=30, seed=1):
    topologies = random_topologies(n_trees, n_taxa, np.random.default_rng(seed)).unique()[0]
    support = build_support(topologies)
    weights = np.random.default_rng(seed + 1).exponential(size=len(topologies))
    return support, encode(support, topologies), weights


def mean_log_q(support, encoded, weights, tables, component_weights=None):
    components = len(tables)
    log_weights = (
        torch.full((components,), 1 / components).log() if component_weights is None else component_weights.log()
    )
    model = SubsplitBayesianNetworks(support, components)
    log_q = torch.logsumexp(model.log_prob(encoded, log_cpd=tables) + log_weights[:, None], dim=0)
    return float(weights @ log_q.detach().numpy() / weights.sum())


@pytest.mark.parametrize("pseudo_count", [0.0, 0.3])
def test_simple_average_by_definition(pseudo_count):
    support, encoded, weights = some_trees()
    counts: dict = {}
    for weight, topology in zip(weights / weights.sum(), encoded.topologies, strict=True):
        rooted = rootings(topology)
        for pairs in rooted:
            for pair in pairs:
                counts[pair] = counts.get(pair, 0.0) + weight / len(rooted)
    entries = described_entries(support)
    totals: dict = {}
    for parent, _ in entries:
        totals[parent] = totals.get(parent, 0) + 1
    sizes = dict(totals)
    sums = {parent: sum(counts[e] for e in entries if e[0] == parent) for parent in sizes}
    wanted = [(counts[e] + pseudo_count / sizes[e[0]]) / (sums[e[0]] + pseudo_count) for e in entries]
    found = simple_average(support, encoded, 5 * weights, pseudo_count=pseudo_count)
    np.testing.assert_allclose(found.exp().numpy()[0], wanted, rtol=1e-12)


def test_simple_average_spreads_over_the_represented_rootings_only():
    everything = all_topologies(6)
    support = build_support(everything[np.random.default_rng(1).permutation(105)[:10]])
    encoded = encode(support, everything)
    one = encoded[encoded.n_represented_rootings() == 1][:1]
    table = simple_average(support, one, np.ones(1), pseudo_count=0.0)
    assert mean_log_q(support, one, np.ones(1), table) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("n_components", "learn"), [(1, False), (3, False), (3, True)])
def test_likelihood_never_falls(n_components, learn):
    support, encoded, weights = some_trees(8, 200)
    fitted = em(
        support, encoded, weights, n_components=n_components, n_iterations=25, generator=torch_generator(1),
        pseudo_count=0.0, learn_component_weights=learn, tolerance=-1.0,
    )  # fmt: skip
    assert len(fitted.log_likelihoods) == 26
    assert (np.diff(fitted.log_likelihoods) > -1e-12).all()
    assert fitted.log_likelihoods[-1] > fitted.log_likelihoods[0] + 0.01
    np.testing.assert_array_equal(fitted.objectives, fitted.log_likelihoods)
    assert fitted.component_weights.sum().item() == pytest.approx(1.0)
    assert learn != torch.allclose(fitted.component_weights, torch.full((n_components,), 1 / n_components).double())
    last = mean_log_q(support, encoded, weights, fitted.logits, fitted.component_weights)
    assert last == pytest.approx(fitted.log_likelihoods[-1], rel=1e-10)


def test_objective_never_falls_with_pseudo_counts_and_all_entries_live():
    support, encoded, weights = some_trees(8, 200)
    few = encoded[:40]
    fitted = em(
        support, few, weights[:40], n_components=2, n_iterations=40, generator=torch_generator(1),
        pseudo_count=1e-2, tolerance=-1.0,
    )  # fmt: skip
    assert (np.diff(fitted.objectives) > -1e-12).all()
    assert torch.isfinite(fitted.logits).all()
    model = SubsplitBayesianNetworks(support, 2, logits=fitted.logits)
    torch.testing.assert_close(model.log_cpd(), fitted.logits, rtol=0, atol=1e-12)
    assert torch.isfinite(model.log_prob(encoded)).all()


def test_fixed_point_is_a_stationary_point():
    # at convergence the gradient of the mean log q in the logits vanishes
    support, encoded, weights = some_trees(6, 15)
    fitted = em(support, encoded, weights, n_iterations=5000, generator=torch_generator(1), pseudo_count=1e-9)
    model = SubsplitBayesianNetworks(support, 1, logits=fitted.logits)
    (model.log_prob(encoded)[0] @ torch.from_numpy(weights / weights.sum())).backward()
    assert model.logits.grad is not None
    np.testing.assert_allclose(model.logits.grad.numpy(), 0.0, atol=2e-4)


def test_known_mixture_is_recovered():
    topologies = all_topologies(5)
    support = build_support(topologies)
    encoded = encode(support, topologies)
    noise = torch.randn((2, support.n_params), generator=torch_generator(3), dtype=torch.float64)
    truth = SubsplitBayesianNetworks(support, 2, logits=3 * noise)
    target = truth.log_prob(encoded).exp().mean(dim=0).detach().numpy()
    entropy = float(-(target * np.log(target)).sum())
    lost = {}
    for n_components in (1, 2):
        fitted = em(
            support, encoded, target, n_components=n_components, n_iterations=400, generator=torch_generator(4),
            pseudo_count=1e-12,
        )  # fmt: skip
        lost[n_components] = -entropy - fitted.log_likelihoods[-1]
    assert lost[2] < 1e-3
    assert lost[2] <= lost[1]


def test_results_do_not_depend_on_threads():
    support, encoded, weights = some_trees(8, 50)
    results = []
    try:
        for n_threads in (1, 3):
            set_threads(n_threads)
            results.append(em(support, encoded, weights, n_components=2, generator=torch_generator(1)).logits)
    finally:
        set_threads(None)
    assert torch.equal(*results)


def test_what_cannot_be_fitted():
    everything = all_topologies(6)
    support = build_support(everything[:3])
    encoded = encode(support, everything)
    weights = np.ones(105)
    with pytest.raises(SupportError, match=r"of 105 topologies, 0\.\d+ "):
        em(support, encoded, weights, generator=torch_generator(1))
    weights[encoded.n_represented_rootings() == 0] = 0  # of weight zero they do not matter
    assert np.isfinite(em(support, encoded, weights, generator=torch_generator(1)).log_likelihoods).all()
    for bad in (np.zeros(105), -weights, np.full(105, np.nan), weights[:4]):
        with pytest.raises(ConfigError):
            em(support, encoded, bad, generator=torch_generator(1))
    with pytest.raises(ConfigError, match="pseudo-count"):
        simple_average(support, encoded, weights, pseudo_count=-1.0)
    with pytest.raises(ConfigError, match="n_components"):
        em(support, encoded, weights, n_components=0, generator=torch_generator(1))


def test_golden_posterior_of_ds1(shared_data, tmp_path):
    """EM fits the MCMC posterior better than the simple average, and a mixture better than one network."""
    taxa = read_alignment(shared_data / "phylo/alignments/DS1.fasta").taxa
    with gzip.open(shared_data / "phylo/reference_posteriors/DS1.golden.topologies.tsv.gz", "rt") as rows:
        fields = [line.rstrip("\n").split("\t") for line in rows][1:]
    (tmp_path / "golden.tsv").write_text("".join(f"{row[1]}\t{row[-1]}\n" for row in fields))
    golden = read_trees([tmp_path / "golden.tsv"], taxa)
    support = build_support(golden.topologies)
    encoded = encode(support, golden.topologies)
    p = golden.probabilities()
    entropy = float(-(p * np.log(p)).sum())
    average = simple_average(support, encoded, p)
    divergence = {"simple average": -entropy - mean_log_q(support, encoded, p, average)}
    for n_components in (1, 2, 4):
        fitted = em(support, encoded, p, n_components=n_components, generator=torch_generator(1))
        divergence[f"EM {n_components}"] = -entropy - fitted.log_likelihoods[-1]
    values = list(divergence.values())
    assert values == sorted(values, reverse=True), divergence
    assert 0 < divergence["EM 4"] < 0.006
    assert divergence["EM 1"] < 0.02 < divergence["simple average"]
