"""A mixture moved to a larger support, all topologies of six taxa enumerated."""

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from vbpi_mix.errors import ConfigError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import all_topologies, collect, site_patterns
from vbpi_mix.start import start_fitted, weigh_topologies
from vbpi_mix.start.extend import extend_mixture
from vbpi_mix.support import build_support, encode, represented
from vbpi_mix.support.union import union
from vbpi_mix.variational import PhyloMixture

EVERYTHING = all_topologies(6)


@pytest.fixture(scope="module")
def weighted(tmp_path_factory):
    alignment = read_alignment(write_example(tmp_path_factory.mktemp("extend"), n_sites=60)[0])
    model = PhyloModel(site_patterns(alignment), 6)
    return model, weigh_topologies(model, collect(alignment.taxa, EVERYTHING))


def make(weighted, n_old, flow="identity", **options):
    """An old mixture on the best topologies, started and jolted, and a fresh one on those of all."""
    model, full = weighted
    few = weigh_topologies(model, collect(full.sample.taxa, full.sample.topologies[:n_old]))
    generator = torch.Generator().manual_seed(1)
    old = PhyloMixture(build_support(few.sample.topologies), n_components=2, flow=flow, **options)
    start_fitted(old, few, n_sites=60.0, generator=generator)
    with torch.no_grad():
        for p in old.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype)
    new = PhyloMixture(union(old.support, build_support(full.sample.topologies)), n_components=2, flow=flow, **options)
    return full, old, new


@torch.no_grad()
def log_q(mixture):
    inside = represented(mixture.support, EVERYTHING)
    encoded = encode(mixture.support, EVERYTHING)
    values = mixture.networks.log_prob(encoded)
    assert (torch.isfinite(values).numpy() == inside).all()
    return values.numpy()


@pytest.mark.parametrize("tying", ["none", "topology", "branch"])
def test_q_stays_normalised_and_changes_by_the_weight_of_what_is_new(weighted, tying):
    full, old, new = make(weighted, 40, tying=tying)
    before = np.exp(log_q(old))
    extend_mixture(old, new, full, n_sites=60.0)
    after = np.exp(log_q(new))
    np.testing.assert_allclose(after.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(before.sum(axis=1), 1.0, rtol=1e-12)
    share = np.array([full.sample.weights[i] for i in np.argsort(_position(full.sample.topologies))])
    lost = share[before[0] == 0].sum()
    assert 0 < lost < 0.2
    gained = after[:, before[0] == 0].sum(axis=1)
    assert (gained > 0.2 * lost).all()
    assert (gained < 5 * lost).all()
    assert (0.5 * np.abs(after - before).sum(axis=1) < 6 * lost).all()
    assert (after[:, before[0] == 0] > 0).all()


def _position(topologies):
    place = {row.tobytes(): i for i, row in enumerate(EVERYTHING.children)}
    return np.array([place[row.tobytes()] for row in topologies.children])


@pytest.mark.parametrize("flow", ["identity", "planar", "realnvp"])
def test_old_trees_keep_their_lengths_and_new_ones_get_fitting_ones(weighted, flow):
    full, old, new = make(weighted, 30, flow)
    extension = extend_mixture(old, new, full, n_sites=60.0)
    moved = {name for name in extension.rows if name.startswith("branches.flow.")}
    assert set(extension.rows) - moved == {"networks.logits", "branches.base.table"}
    assert len(moved) == (flow != "identity")
    inside = represented(old.support, full.sample.topologies)
    x = torch.from_numpy(full.modes.log_lengths)
    component = torch.arange(2)
    with torch.no_grad():
        one = old.branches.log_prob(
            old.indexer.feature_ids(encode(old.support, full.sample.topologies[:30])), component, x[:30]
        )
        ids = new.indexer.feature_ids(encode(new.support, full.sample.topologies))
        other = new.branches.log_prob(ids, component, x)
    np.testing.assert_allclose(other[:, :30], one, rtol=1e-9)
    # at the optimised lengths the density of new topologies is of the order of that of old ones
    new_ones = other[:, ~inside].numpy()
    assert np.median(new_ones) > np.median(one.numpy()) - 10
    table = new.branches.base.table.detach().numpy()
    mean = np.where(ids[..., None] >= 0, np.moveaxis(table, 0, -1)[np.maximum(ids, 0)][..., 0, :], 0).sum(axis=2)
    error = np.abs(mean[~inside] - full.modes.log_lengths[~inside][..., None])
    assert np.median(error) < 0.3


def test_only_the_same_kind_of_mixture_can_be_extended(weighted):
    full, old, new = make(weighted, 10)
    other = PhyloMixture(new.support, n_components=3)
    with pytest.raises(ConfigError, match="same kind"):
        extend_mixture(old, other, full, n_sites=60.0)
