import numpy as np
import pytest
import torch

from tests.start.examples import example
from vbpi_mix.phylo import all_topologies, collect
from vbpi_mix.start import start_fitted, start_published, weigh_topologies
from vbpi_mix.support import build_support, encode
from vbpi_mix.variational import PhyloMixture


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


def test_published_start():
    support = build_support(all_topologies(6))
    mixture = PhyloMixture(support, n_components=2)
    start_published(mixture, generator=torch.Generator().manual_seed(1))
    table = mixture.branches.base.table.detach()
    assert not mixture.networks.logits.detach().any()
    assert float(table[:, : support.n_splits, 0].mean()) == pytest.approx(-2.0, abs=0.1)
    deviation = (2 / (mixture.indexer.n_features + 2)) ** 0.5
    assert float(table[..., 1].std()) == pytest.approx(deviation, rel=0.2)
