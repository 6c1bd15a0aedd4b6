"""Coverage against sets of clades and rootings counted by hand."""

import numpy as np
import pytest

from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import all_topologies, collect, random_topologies
from vbpi_mix.support import build_support, coverage, represented


def test_coverage_is_counted():
    everything = all_topologies(6)
    weights = np.random.default_rng(1).random(105)
    sample = collect([f"t{i}" for i in range(6)], everything, weights)
    support = build_support(sample.topologies[:4])
    found = coverage(support, sample)
    inside = represented(support, sample.topologies)
    assert found.mass_represented == pytest.approx(sample.probabilities()[inside].sum())
    assert found.trees_represented == inside.mean()
    clades = {tuple(c) for tree in sample.topologies[:4].clades()[:, 6:].tolist() for c in tree}
    assert found.splits_represented == len(clades) / (2**5 - 6 - 1)
    assert found.n_rootsplits == len(clades) + 6
    assert 4 <= inside.sum() < 105


def test_other_numbers_of_taxa_are_refused():
    sample = collect("abcde", random_topologies(3, 5, np.random.default_rng(1)))
    with pytest.raises(SupportError, match="5 taxa"):
        coverage(build_support(all_topologies(6)), sample)
