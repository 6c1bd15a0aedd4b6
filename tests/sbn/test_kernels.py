"""The kernels against the definition; the autograd functions over them are tested in `test_networks`."""

import math

import numpy as np
import pytest
import torch

from tests.support.oracle import ROOT, clade_names, described_entries, log_q, rootings, softmax_tables
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.sbn import kernels
from vbpi_mix.support import build_support, encode


def parts(support, encoded):
    segments = support.segments
    tables = (segments.segment_of_entry, segments.pointer, segments.entries)
    trees = (encoded.topologies.children, encoded.split_ids, encoded.tripartition_ids, encoded.adjacency_ids)
    return tables, trees, (support.n_splits, support.n_splits + 3 * support.n_tripartitions)


def evaluate(support, topologies, values):
    """log q (A, T), rooting shares (A, T, E), log_norm; result cells start as NaN so that none can stay unwritten."""
    encoded = encode(support, topologies)
    log_norm = np.full((len(values), support.segments.n_segments), np.nan)
    result = np.full((len(values), len(topologies)), np.nan)
    shares = np.full((*result.shape, topologies.n_edges), np.nan)
    kernels.log_q(values, log_norm, *parts(support, encoded), np.arange(len(values)), result, shares)
    return result, shares, log_norm


@pytest.mark.parametrize(
    ("n_taxa", "n_known", "n_asked"), [(3, 1, 1), (4, 2, 3), (5, 4, 15), (6, 14, 105), (8, 60, 60)]
)
def test_log_q_by_definition(n_taxa, n_known, n_asked):
    rng = np.random.default_rng(1)
    known = random_topologies(n_known, n_taxa, rng)
    asked = all_topologies(n_taxa) if n_asked != n_known else known
    support = build_support(known)
    entries = described_entries(support)
    values = 2 * rng.normal(size=(2, support.n_params))
    result, shares, _ = evaluate(support, asked, values)
    for a in range(2):
        tables = softmax_tables(entries, values[a])
        for t, topology in enumerate(asked):
            assert result[a, t] == pytest.approx(log_q(topology, tables), abs=1e-12, rel=1e-12)
            assert shares[a, t].sum() == pytest.approx(float(np.isfinite(result[a, t])), abs=1e-14)
    assert not np.isnan(shares).any()
    if n_taxa == 6:  # topologies outside the support are among those asked for
        assert np.isneginf(result).any()
        assert np.isfinite(result).any()


def test_derivative_is_the_share_of_rootings_that_use_an_entry():
    rng = np.random.default_rng(2)
    topologies = random_topologies(5, 9, rng)
    support = build_support(topologies)
    encoded = encode(support, topologies)
    values = rng.normal(size=(1, support.n_params))
    _, shares, log_norm = evaluate(support, topologies, values)
    _, trees, offsets = parts(support, encoded)
    entries = described_entries(support)
    tables = softmax_tables(entries, values[0])
    used = np.empty(9 * 9 - 21, dtype=np.int64)
    amounts = np.empty(len(used))
    for t, topology in enumerate(topologies):
        rooted = rootings(topology)
        weights = np.array([math.prod(tables[pair] for pair in pairs) for pairs in rooted])
        weights /= weights.sum()
        wanted: dict = {}
        for weight, pairs in zip(weights, rooted, strict=True):
            for pair in pairs:
                wanted[pair] = wanted.get(pair, 0.0) + weight
        kernels.tree_entries(trees, offsets, t, used)
        kernels.usage(trees[0], t, shares[0, t], np.empty(16), np.empty(16), amounts)
        assert len(set(used.tolist())) == len(used) == len(wanted)
        for entry, amount in zip(used, amounts, strict=True):
            assert amount == pytest.approx(wanted[entries[entry]], rel=1e-12)
        by_split = dict(zip((pairs[0] for pairs in rooted), weights, strict=True))
        names = clade_names(topology)
        for edge in range(topologies.n_edges):
            clade = names[edge if edge else -1]
            split = (ROOT, frozenset([clade, frozenset(range(9)) - clade]))
            assert shares[0, t, edge] == pytest.approx(by_split[split], rel=1e-12)
    assert np.isfinite(log_norm).any()


def test_only_touched_segments_are_normalised():
    topologies = random_topologies(30, 12, np.random.default_rng(3))
    support = build_support(topologies)
    values = np.random.default_rng(4).normal(size=(2, support.n_params))
    _, _, log_norm = evaluate(support, topologies[:1], values)
    used = np.empty(9 * 12 - 21, dtype=np.int64)
    encoded = encode(support, topologies[:1])
    kernels.tree_entries(*parts(support, encoded)[1:], 0, used)
    touched = np.zeros(support.segments.n_segments, dtype=bool)
    touched[support.segments.segment_of_entry[used]] = True
    np.testing.assert_array_equal(np.isfinite(log_norm), np.stack([touched, touched]))
    assert not touched.all()


def test_log_softmax_and_its_derivative_against_torch():
    topologies = random_topologies(40, 8, np.random.default_rng(5))
    support = build_support(topologies)
    segments = support.segments
    tables = (segments.segment_of_entry, segments.pointer, segments.entries)
    logits = torch.randn(3, support.n_params, dtype=torch.float64) * 300  # exponentials of these overflow
    logits.requires_grad_()
    pieces = [
        torch.log_softmax(logits[:, torch.from_numpy(segments.entries[a:b])], dim=1)
        for a, b in zip(segments.pointer[:-1], segments.pointer[1:], strict=True)
    ]
    wanted = torch.cat(pieces, dim=1)[:, torch.from_numpy(np.argsort(segments.entries))]
    upstream = torch.randn(3, support.n_params, dtype=torch.float64)
    (wanted_gradient,) = torch.autograd.grad(wanted, logits, upstream)

    values = logits.detach().numpy()
    log_norm = np.full((3, segments.n_segments), np.nan)
    result = np.full(values.shape, np.nan)
    kernels.log_softmax(values, log_norm, tables, result)
    np.testing.assert_allclose(result, wanted.detach().numpy(), rtol=1e-12, atol=1e-12)
    gradient = upstream.numpy().copy()
    kernels.log_softmax_vjp(values, log_norm, tables, gradient)
    np.testing.assert_allclose(gradient, wanted_gradient.numpy(), rtol=1e-10, atol=1e-12)
