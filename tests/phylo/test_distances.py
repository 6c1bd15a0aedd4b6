"""Distances against DendroPy, ete3 and the definitions."""

import dendropy
import numpy as np
import pytest
from dendropy.calculate import treecompare

from tests.phylo.examples import in_dendropy, in_ete3, names
from vbpi_mix.errors import InputError
from vbpi_mix.phylo import TreeSample, all_topologies, collect, random_topologies
from vbpi_mix.phylo.distances import robinson_foulds, split_frequencies, total_variation


@pytest.mark.parametrize("n_taxa", [4, 5, 9, 30, 70, 129])
def test_robinson_foulds_against_other_programs(n_taxa):
    batch = list(random_topologies(5, n_taxa, np.random.default_rng(n_taxa)))
    batch.append(batch[0])
    namespace = dendropy.TaxonNamespace(names(n_taxa))
    in_dp = [in_dendropy(t, namespace) for t in batch]
    in_ete = [in_ete3(t) for t in batch]
    seen = set()
    for i in range(len(batch)):
        for j in range(i):
            ours = robinson_foulds(batch[i], batch[j])
            assert ours == treecompare.symmetric_difference(in_dp[i], in_dp[j], is_bipartitions_updated=True)
            assert ours == in_ete[i].robinson_foulds(in_ete[j], unrooted_trees=True)[0]
            seen.add(ours)
    assert 0 in seen
    assert len(seen) > 1


def test_robinson_foulds_of_neighbours():
    """Each 5-taxon topology has 4 others at distance 2 (one interchange) and 10 at distance 4."""
    pool = list(all_topologies(5))
    for a in pool:
        distances = [robinson_foulds(a, b) for b in pool]
        assert sorted(distances) == [0] + [2] * 4 + [4] * 10


@pytest.mark.parametrize("n_taxa", [6, 70])
def test_split_frequencies_against_dendropy(n_taxa):
    batch = random_topologies(12, n_taxa, np.random.default_rng(3))[np.array([0, 1, 1, 2, 3, 3, 3, 4, 5, 0])]
    weights = np.arange(1.0, 11.0)
    namespace = dendropy.TaxonNamespace(names(n_taxa))
    expected: dict[int, float] = {}
    for topology, weight in zip(batch, weights, strict=True):
        for bipartition in in_dendropy(topology, namespace).bipartition_encoding:
            mask = bipartition.split_bitmask
            mask = namespace.all_taxa_bitmask() ^ mask if mask & 1 else mask
            if 1 < mask.bit_count() < n_taxa - 1:
                expected[mask] = expected.get(mask, 0.0) + weight / weights.sum()
    found = {
        int.from_bytes(np.frombuffer(key, dtype="<u8").tobytes(), "little"): f
        for key, f in split_frequencies(batch, weights).items()
    }
    assert found.keys() == expected.keys()
    for mask, frequency in found.items():
        assert frequency == pytest.approx(expected[mask])


def test_total_variation():
    pool = all_topologies(5)
    taxa = names(5)

    def sample(rows, weights):
        return collect(taxa, pool[rows], np.array(weights))

    a, b = sample([0, 1, 2], [5.0, 3.0, 2.0]), sample([2, 1, 7], [1.0, 1.0, 2.0])
    # |0.5 - 0| + |0.3 - 0.25| + |0.2 - 0.25| + |0 - 0.5|, halved
    assert total_variation(a, b) == pytest.approx(0.55)
    assert total_variation(b, a) == pytest.approx(0.55)
    assert total_variation(a, a) == 0
    assert total_variation(sample([0], [1.0]), sample([1], [9.0])) == 1


def test_total_variation_needs_the_same_taxa():
    a = collect(names(5), all_topologies(5))
    b = TreeSample(taxa=("x", *a.taxa[1:]), topologies=a.topologies, weights=a.weights)
    with pytest.raises(InputError, match="same taxa"):
        total_variation(a, b)
