"""The start of a fit: optimised lengths, Laplace weights, fitted tables and features."""

import numpy as np
import pytest
import torch
from scipy import optimize

from tests.experiment.simulated import simulate
from vbpi_mix.felsenstein import reference
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, all_topologies, collect, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import IUPAC
from vbpi_mix.start import (
    laplace_weights,
    lengths,
    optimise_lengths,
    start_fitted,
    start_published,
    weigh_topologies,
)
from vbpi_mix.start.features import fitted_features
from vbpi_mix.start.laplace import negative_hessian
from vbpi_mix.start.lengths import log_density
from vbpi_mix.support import PSPIndexer, build_support, encode
from vbpi_mix.variational import PhyloMixture


def example(n_taxa=6, n_sites=120, seed=2, missing=False):
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    characters = simulate(topology, generator.exponential(0.1, 2 * n_taxa - 3), n_sites, seed)
    if missing:
        characters = np.full_like(characters, "-")
    sets = np.vectorize(IUPAC.__getitem__)(characters).astype(np.uint8)
    names = tuple(f"t{i}" for i in range(n_taxa))
    patterns = site_patterns(Alignment(taxa=names, state_sets=sets))
    return names, PhyloModel(patterns, n_taxa), topology


def test_modes_are_those_of_a_general_optimiser():
    _, model, _ = example()
    topologies = all_topologies(6)[::9]
    modes = optimise_lengths(model, topologies, tolerance=1e-8)
    assert (modes.remaining_gain < 1e-8).all()
    for t in range(topologies.n_trees):
        one = topologies[[t]]

        def negative(x, one=one):
            value, gradient = log_density(model, one, x[None])
            return -value[0], -gradient[0]

        best = optimize.minimize(negative, np.full(9, -3.0), jac=True, method="BFGS", options={"gtol": 1e-6})
        assert modes.log_density[t] == pytest.approx(-best.fun, abs=1e-5)
        assert modes.log_lengths[t] == pytest.approx(best.x, abs=5e-3)


def test_both_ways_to_the_density_agree():
    _, model, _ = example()
    topologies = all_topologies(6)[:10]
    x = np.random.default_rng(1).normal(-3, 1, (10, 9))
    for direct, by_autograd in zip(
        lengths.log_density(model, topologies, x), lengths._by_autograd(model, topologies, x), strict=True
    ):
        assert direct == pytest.approx(by_autograd, rel=1e-12)


def test_chunks_and_starts_do_not_change_the_modes(monkeypatch):
    _, model, _ = example()
    topologies = all_topologies(6)[:20]
    whole = optimise_lengths(model, topologies)
    seen = []
    monkeypatch.setattr("vbpi_mix.start.lengths._CHUNK", 7)
    parts = optimise_lengths(
        model, topologies, start=np.full((20, 9), -2.5), on_progress=lambda done, total: seen.append((done, total))
    )
    assert parts.log_density == pytest.approx(whole.log_density, abs=3e-4)
    assert seen == [(7, 20), (14, 20), (20, 20)]


def test_without_data_the_mode_is_that_of_the_prior():
    """Density in x = log b: 10 e^x e^(-10 e^x), its mode at b = 1/10, second derivative -1."""
    _, model, _ = example(missing=True)
    topologies = all_topologies(6)[:3]
    modes = optimise_lengths(model, topologies, tolerance=1e-14)
    assert np.exp(modes.log_lengths) == pytest.approx(0.1, rel=1e-6)
    assert modes.log_density == pytest.approx(-9.0, abs=1e-9)
    weights = laplace_weights(model, topologies, modes)
    # Laplace's value of each edge's integral is sqrt(2 pi) / e in place of 1
    assert weights.log_weight == pytest.approx(9 * (0.5 * np.log(2 * np.pi) - 1), abs=1e-3)
    assert weights.log_precision == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("text", ["JC69", "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}"])
def test_hessians_are_exact(text):
    _, model, topology = example()
    model = PhyloModel(model.patterns, 6, substitution_model=text)
    x = np.linspace(-4, -1, 9)[None]
    hessian = negative_hessian(model, topology.batch(), x)[0]
    at = torch.from_numpy(x[0]).requires_grad_()
    values, products = model.substitution_model.constant_spectrum()
    rest = (model.substitution_model.root_frequencies(), model.substitution_model.category_weights())

    def density(x):
        lengths = x.exp()[None]
        change = torch.expm1(lengths[..., None, None] * values) @ products.reshape(4, 16)
        matrices = change.reshape(*change.shape[:-1], 4, 4) + torch.eye(4).double()
        value = reference.tree_log_likelihood(matrices, *rest, topology.batch(), model.patterns)
        return (value + model.branch_prior.log_prob(lengths) + x.sum())[0]

    exact = -torch.autograd.functional.hessian(density, at).numpy()  # pyright: ignore[reportAttributeAccessIssue]
    assert hessian == pytest.approx(exact, abs=1e-9 * np.abs(exact).max())


def test_only_near_topologies_get_a_hessian_and_flat_directions_are_bounded():
    _, model, _ = example()
    topologies = all_topologies(6)
    modes = optimise_lengths(model, topologies)
    weights = laplace_weights(model, topologies, modes, within=5.0)
    near = modes.log_density >= modes.log_density.max() - 5.0
    assert np.array_equal(weights.exact_hessian, near)
    assert np.isfinite(weights.log_weight).all()
    assert np.isnan(weights.log_precision[~near]).all()
    few = laplace_weights(model, topologies, modes, within=50.0, at_most=3)
    assert few.exact_hessian.sum() == 3


def test_weights_order_the_sample_and_ignore_the_candidates_frequencies():
    names, model, _ = example()
    topologies = all_topologies(6)
    plain = weigh_topologies(model, collect(names, topologies))
    frequencies = np.random.default_rng(1).integers(1, 100, len(topologies)).astype(float)
    other = weigh_topologies(model, collect(names, topologies, frequencies))
    assert (np.diff(plain.sample.weights) <= 0).all()
    assert plain.sample.weights.sum() == pytest.approx(1.0)
    assert plain.sample.weights == pytest.approx(other.sample.weights, abs=1e-3)
    assert 1 <= plain.effective_number <= 105


@pytest.mark.parametrize("tying", ["none", "topology", "branch"])
def test_fitted_start_follows_the_weights_and_the_lengths(tying):
    names, model, _ = example()
    weighted = weigh_topologies(model, collect(names, all_topologies(6)))
    support = build_support(weighted.sample.topologies)
    mixture = PhyloMixture(support, n_components=3, tying=tying)
    start_fitted(mixture, weighted, n_sites=model.patterns.n_sites, generator=torch.Generator().manual_seed(1))
    encoded = encode(support, weighted.sample.topologies)
    with torch.no_grad():
        q = mixture.networks.log_prob(encoded).exp().mean(0).numpy()
    assert 0.5 * np.abs(q - weighted.sample.probabilities()).sum() < 0.03
    table = mixture.branches.base.table.detach().numpy()
    if tying != "branch":
        assert not np.array_equal(table[0], table[1])
    # an edge's rows add up to the best topology's optimum
    features = mixture.indexer.feature_ids(encoded)[0]
    rows = np.where(features[:, :, None] >= 0, table[0, np.maximum(features, 0)], 0.0)
    assert rows.sum(axis=1)[:, 0] == pytest.approx(weighted.modes.log_lengths[0], abs=0.3)
    expected = -0.5 * weighted.laplace.log_precision[0]
    assert rows.sum(axis=1)[:, 1] == pytest.approx(expected, abs=0.3)
    assert np.isfinite(table).all()


def test_every_split_gets_a_sensible_length_even_from_rare_topologies():
    names, model, _ = example(n_sites=2000)
    weighted = weigh_topologies(model, collect(names, all_topologies(6)))
    mixture = PhyloMixture(build_support(weighted.sample.topologies), n_components=1)
    start_fitted(mixture, weighted, n_sites=model.patterns.n_sites, generator=torch.Generator().manual_seed(1))
    table = mixture.branches.base.table.detach().numpy()[0, : mixture.support.n_splits]
    assert weighted.sample.weights[-1] < 1e-30
    assert (table[:, 0] > -14).all()
    assert (table[:, 0] < 1).all()
    assert (np.exp(table[:, 1]) < 3).all()


def test_features_reproduce_sums_of_rows_and_shrink_what_is_not_seen():
    support = build_support(all_topologies(6))
    indexer = PSPIndexer(support)
    generator = np.random.default_rng(4)
    truth = np.concatenate([generator.normal(-3, 1, support.n_splits), generator.normal(0, 0.2, indexer.n_features)])
    seen = encode(support, all_topologies(6)[:80])
    ids = indexer.feature_ids(seen)
    values = np.where(ids >= 0, truth[np.maximum(ids, 0)], 0.0).sum(axis=2)
    table = fitted_features(indexer, seen, np.ones(80), values, np.full(values.shape, 2.0), 100.0)
    fitted = np.where(ids >= 0, table[np.maximum(ids, 0), 0], 0.0).sum(axis=2)
    assert fitted == pytest.approx(values, abs=0.02)
    assert np.where(ids >= 0, table[np.maximum(ids, 0), 1], 0.0).sum(axis=2) == pytest.approx(-1.0, abs=1e-3)
    unseen = np.setdiff1d(np.arange(support.n_splits, indexer.n_features), ids)
    assert len(unseen)
    assert not table[unseen].any()


def test_published_start():
    support = build_support(all_topologies(6))
    mixture = PhyloMixture(support, n_components=2)
    start_published(mixture, generator=torch.Generator().manual_seed(1))
    table = mixture.branches.base.table.detach()
    assert not mixture.networks.logits.detach().any()
    assert float(table[:, : support.n_splits, 0].mean()) == pytest.approx(-2.0, abs=0.1)
    deviation = (2 / (mixture.indexer.n_features + 2)) ** 0.5
    assert float(table[..., 1].std()) == pytest.approx(deviation, rel=0.2)
