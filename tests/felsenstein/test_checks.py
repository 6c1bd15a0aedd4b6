"""Malformed patterns and topologies."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.felsenstein.checks import check_inputs
from vbpi_mix.phylo import SitePatterns, TopologyBatch, all_topologies


@pytest.mark.parametrize(
    ("sets", "weights", "message"),
    [
        (np.ones((4, 2), dtype=np.int64), np.ones(2), "uint8 array"),
        (np.ones(4, dtype=np.uint8), np.ones(2), "uint8 array"),
        (np.ones((4, 2), dtype=np.uint8), np.ones(3), "2 site patterns .*weights of shape"),
        (np.ones((3, 2), dtype=np.uint8), np.ones(2), "4 taxa, .*patterns 3"),
    ],
)
def test_malformed_patterns(sets, weights, message):
    with pytest.raises(InputError, match=message):
        check_inputs(all_topologies(4), SitePatterns(state_sets=sets, weights=weights))


def test_no_trees():
    patterns = SitePatterns(state_sets=np.ones((4, 2), dtype=np.uint8), weights=np.ones(2))
    with pytest.raises(InputError, match="no trees"):
        check_inputs(TopologyBatch(np.empty((0, 2, 2), dtype=np.int32)), patterns)
