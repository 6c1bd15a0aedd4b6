import numpy as np
import pytest

from vbpi_mix.phylo import all_topologies
from vbpi_mix.start.features import fitted_features
from vbpi_mix.support import PSPIndexer, build_support, encode


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
