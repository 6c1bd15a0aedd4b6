import dendropy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.phylo.examples import adjacency, in_dendropy, names, scrambled
from vbpi_mix.errors import InputError
from vbpi_mix.phylo import all_topologies, random_topologies
from vbpi_mix.phylo.topology import Topology, TopologyBatch, from_neighbours, stack


@given(st.integers(3, 90), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_canonical_form_does_not_depend_on_the_numbering(n_taxa, seed):
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    neighbours, number = scrambled(topology, generator)
    again, canonical = from_neighbours(neighbours, n_taxa)
    np.testing.assert_array_equal(again.children, topology.children)
    # the returned map undoes the renumbering
    np.testing.assert_array_equal(canonical[number], np.arange(2 * n_taxa - 2))


@given(st.integers(3, 70), st.integers(0, 2**32 - 1))
@settings(max_examples=40)
def test_rules_of_the_canonical_form(n_taxa, seed):
    children = random_topologies(1, n_taxa, np.random.default_rng(seed)).children[0]
    assert children.dtype == np.int32
    lowest = list(range(n_taxa))
    for i, (left, right) in enumerate(children.tolist()):
        assert left < n_taxa + i
        assert right < n_taxa + i
        assert lowest[left] < lowest[right]
        # post-order: the right child, if an inner node, is the one just before its parent
        assert right < n_taxa or right == n_taxa + i - 1
        lowest.append(lowest[left])
    assert sorted(children.reshape(-1).tolist()) == list(range(1, 2 * n_taxa - 3))


@pytest.mark.parametrize("n_taxa", [3, 4, 12, 64, 65, 130])
def test_clades_are_dendropys_splits(n_taxa):
    namespace = dendropy.TaxonNamespace(names(n_taxa))
    for topology in random_topologies(3, n_taxa, np.random.default_rng(n_taxa)):
        tree = in_dendropy(topology, namespace)
        theirs = {b.split_bitmask for b in tree.bipartition_encoding}
        everyone = namespace.all_taxa_bitmask()
        # DendroPy names an unrooted split by the side without the first taxon
        ours = [sum(int(w) << (64 * i) for i, w in enumerate(row)) for row in topology.batch().clades()[0]]
        assert len(set(ours)) == 2 * n_taxa - 3
        assert ours[0] == everyone ^ 1
        assert ours[1:n_taxa] == [1 << i for i in range(1, n_taxa)]
        assert all(not clade & 1 for clade in ours)
        assert set(ours) == {s if not s & 1 else everyone ^ s for s in theirs} - {0, everyone}


def test_parents_undo_children():
    batch = random_topologies(5, 20, np.random.default_rng(1))
    parents = batch.parents()
    for t, topology in enumerate(batch):
        for node, row in enumerate(adjacency(topology)):
            assert parents[t, node] == -1 if node == 0 else parents[t, node] in row
        for i, pair in enumerate(topology.children):
            assert (parents[t, pair] == 20 + i).all()
    assert (parents[:, -1] == 0).all()


def test_newick_with_lengths():
    topology, _ = from_neighbours([[4], [4], [5], [5], [0, 1, 5], [2, 3, 4]], 4)
    lengths = [0.1, 0.2, 0.3, 0.4, 0.05]
    assert topology.newick("ABCD", lengths) == "(A:0.1,B:0.2,(C:0.3,D:0.4):0.05);"
    assert topology.newick("ABCD") == "(A,B,(C,D));"
    assert topology.newick("ABCD", [1 / 3] * 5, precision=3) == "(A:0.333,B:0.333,(C:0.333,D:0.333):0.333);"


@pytest.mark.parametrize("n_taxa", [3, 8, 40])
def test_lengths_go_to_their_edges(n_taxa):
    topology = next(iter(random_topologies(1, n_taxa, np.random.default_rng(5))))
    lengths = np.arange(1.0, 2 * n_taxa - 2)
    namespace = dendropy.TaxonNamespace(names(n_taxa))
    tree = dendropy.Tree.get(
        data=topology.newick(names(n_taxa), lengths),
        schema="newick",
        taxon_namespace=namespace,
        rooting="force-unrooted",
    )
    tree.encode_bipartitions()
    everyone = namespace.all_taxa_bitmask()
    found = {}
    for edge in tree.preorder_edge_iter():
        if edge.length is not None:
            mask = edge.bipartition.leafset_bitmask
            found[everyone ^ mask if mask & 1 else mask] = edge.length
    clades = topology.batch().clades()[0]
    ours = {sum(int(w) << (64 * i) for i, w in enumerate(row)): x for row, x in zip(clades, lengths, strict=True)}
    assert found == ours


def test_unique_keeps_the_order_of_first_appearance():
    pool = all_topologies(6)
    picked = np.array([7, 3, 7, 100, 3, 0, 7])
    distinct, position = pool[picked].unique()
    np.testing.assert_array_equal(distinct.children, pool.children[[7, 3, 100, 0]])
    assert position.tolist() == [0, 1, 0, 2, 1, 3, 0]


def test_indexing_always_gives_a_batch():
    batch = random_topologies(6, 5, np.random.default_rng(1))
    assert len(batch[1:3]) == 2
    assert len(batch[np.array([True, False, True, False, False, False])]) == 2
    assert len(batch[[4]]) == 1
    assert isinstance(batch[[4]], TopologyBatch)
    assert all(isinstance(t, Topology) for t in batch)
    np.testing.assert_array_equal(stack(list(batch)).children, batch.children)
    assert (batch.n_trees, batch.n_taxa, batch.n_edges) == (6, 5, 7)


@pytest.mark.parametrize(
    ("neighbours", "n_taxa", "message"),
    [
        ([[4], [4], [4], [4], [0, 1, 2, 3]], 4, "must touch one"),
        ([[3], [3], [3], [0, 1, 2], []], 3, "must touch one"),
        ([[1], [0], [2], [2], [4, 4, 5], [4, 5, 5]], 4, "do not connect"),
        ([[4], [4], [5], [5], [0, 1, 1], [2, 3, 3]], 4, "do not connect"),
        ([[6], [6], [8], [8], [9], [9], [0, 1, 7], [6, 7, 7], [2, 3, 9], [4, 5, 8]], 6, "do not connect"),
    ],
    ids=["star", "lonely node", "tips joined", "one way", "loop"],
)
def test_lists_that_are_no_tree(neighbours, n_taxa, message):
    with pytest.raises(InputError, match=message):
        from_neighbours(neighbours, n_taxa)
