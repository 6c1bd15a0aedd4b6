import numpy as np
import pytest

from tests.support.oracle import clade_names, described_entries
from vbpi_mix.errors import ConfigError
from vbpi_mix.phylo import random_topologies
from vbpi_mix.support import PSPIndexer, build_support, encode


@pytest.mark.parametrize("n_taxa", [3, 4, 8, 70])
def test_rows_name_the_split_and_the_pairs_on_both_sides(n_taxa):
    topologies = random_topologies(4, n_taxa, np.random.default_rng(12))
    support = build_support(topologies)
    indexer = PSPIndexer(support)
    features = indexer.feature_ids(encode(support, topologies))
    assert features.shape == (4, 2 * n_taxa - 3, 3)
    assert features.dtype == np.int32
    assert features.max() < indexer.n_features == support.n_splits + 3 * support.n_tripartitions
    entries = described_entries(support)
    everything = frozenset(range(n_taxa))
    parents = topologies.parents()
    for t, topology in enumerate(topologies):
        names = clade_names(topology)
        children = {n_taxa + i: set(pair) for i, pair in enumerate(topology.children.tolist())}
        for edge in range(2 * n_taxa - 3):
            node = edge if edge else 2 * n_taxa - 3
            clade = names[node]
            rest = everything - clade
            split, below, above = features[t, edge].tolist()
            assert entries[split] == ("root", frozenset([clade, rest]))
            if node in children:
                assert entries[below] == ((rest, clade), frozenset(names[c] for c in children[node]))
            else:
                assert below == -1
            if edge:
                parent = parents[t, node]
                (sister,) = children[parent] - {node}
                assert entries[above] == ((clade, rest), frozenset([names[sister], everything - names[parent]]))
            else:
                assert above == -1


def test_splits_only():
    topologies = random_topologies(4, 9, np.random.default_rng(13))
    support = build_support(topologies)
    indexer = PSPIndexer(support, "split")
    encoded = encode(support, topologies)
    assert indexer.n_features == support.n_splits
    np.testing.assert_array_equal(indexer.feature_ids(encoded)[:, :, 0], encoded.split_ids)
    with pytest.raises(ConfigError, match="choose 'split' or 'psp'"):
        PSPIndexer(support, "pairs")


def test_items_outside_the_support_have_no_row():
    known, other = random_topologies(2, 20, np.random.default_rng(14))
    support = build_support(known.batch())
    encoded = encode(support, other.batch())
    features = PSPIndexer(support).feature_ids(encoded)[0]
    lost = np.flatnonzero(encoded.tripartition_ids[0] < 0)
    assert len(lost)
    for i in lost:
        assert features[20 + i if i < 17 else 0, 1] == -1
        assert (features[other.children[i], 2] == -1).all()
