import math

import numpy as np
import pytest

from tests.support.oracle import all_pairs, rootings
from vbpi_mix.errors import SupportError
from vbpi_mix.phylo import all_topologies, clades, random_topologies
from vbpi_mix.support import build_support, encode, represented


@pytest.mark.parametrize("n_taxa", [3, 4, 9, 64, 65, 70, 130])
def test_ids_lead_back_to_the_topology(n_taxa):
    topologies = random_topologies(6, n_taxa, np.random.default_rng(7))
    support = build_support(topologies)
    encoded = encode(support, topologies)
    assert len(encoded) == encoded.n_trees == 6
    np.testing.assert_array_equal(support.splits[encoded.split_ids], topologies.clades())
    parents = topologies.parents()
    for t in range(6):
        children = topologies.children[t]
        split_of_node = np.append(encoded.split_ids[t], 0)
        for i, (left, right) in enumerate(children.tolist()):
            trip = support.tripartitions[encoded.tripartition_ids[t, i]]
            assert trip.tolist() == [split_of_node[left], split_of_node[right], split_of_node[n_taxa + i]]
            if i < n_taxa - 3:
                above = parents[t, n_taxa + i] - n_taxa
                adjacency = support.adjacencies[encoded.adjacency_ids[t, i]]
                assert adjacency.tolist() == [
                    encoded.tripartition_ids[t, above],
                    encoded.tripartition_ids[t, i],
                    int(children[above, 1] == n_taxa + i),
                ]


@pytest.mark.parametrize(("n_taxa", "n_known"), [(5, 3), (6, 12), (7, 40)])
def test_represented_rootings_by_definition(n_taxa, n_known):
    everything = all_topologies(n_taxa)
    known = everything[np.random.default_rng(8).permutation(len(everything))[:n_known]]
    pairs = all_pairs(known)
    support = build_support(known)
    wanted = np.array([sum(pairs.issuperset(x) for x in rootings(topology)) for topology in everything])
    np.testing.assert_array_equal(encode(support, everything).n_represented_rootings(), wanted)
    np.testing.assert_array_equal(represented(support, everything), wanted > 0)
    if n_taxa == 7:  # all three cases must occur for the test to mean something
        assert set(wanted.tolist()) == {0, 1, 2 * n_taxa - 3}


def test_missing_items_are_minus_one():
    known, other = random_topologies(2, 30, np.random.default_rng(9))
    support = build_support(known.batch())
    encoded = encode(support, other.batch())
    holds = {row.tobytes() for row in support.splits}
    for edge, words in enumerate(other.batch().clades()[0]):
        assert (encoded.split_ids[0, edge] >= 0) == (words.tobytes() in holds)
    assert (encoded.tripartition_ids == -1).any()
    assert (encoded.adjacency_ids == -1).any()


def test_selection():
    topologies = random_topologies(5, 10, np.random.default_rng(10))
    encoded = encode(build_support(topologies), topologies)
    for index in (slice(1, 3), [4, 0], np.array([True, False, True, False, False])):
        part = encoded[index]
        np.testing.assert_array_equal(part.topologies.children, topologies.children[index])
        np.testing.assert_array_equal(part.adjacency_ids, encoded.adjacency_ids[index])
        assert len(part) == 2


def test_other_taxa():
    support = build_support(all_topologies(5))
    with pytest.raises(SupportError, match=r"6 taxa .*support of 5"):
        encode(support, all_topologies(6))


def test_words_of_a_set_are_compared_exactly():
    # clades that differ in one taxon of the third word only
    topologies = random_topologies(60, 140, np.random.default_rng(11))
    support = build_support(topologies)
    assert len({row.tobytes() for row in support.splits}) == support.n_splits
    assert clades.n_words(140) == support.splits.shape[1] == math.ceil(140 / 64)
