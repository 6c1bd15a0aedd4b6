"""Summary trees against DendroPy's numbers, and their annotations as FigTree and treeio read them."""

import dendropy
import numpy as np
import pytest

from tests.posterior.export.round_trips import HARD_NAMES, PLAIN_NAMES, dendropy_list, write_all


def read_tree(path, like):
    """One tree with the taxa of a list."""
    return dendropy.Tree.get(
        path=str(path), schema="nexus", taxon_namespace=like.taxon_namespace, preserve_underscores=True
    )


def test_dendropy_finds_the_same_topology_probabilities_splits_and_lengths(tmp_path):
    _, ranking, splits, consensus, best = write_all(tmp_path, HARD_NAMES)
    trees = dendropy_list(tmp_path / "x.trees")
    array = trees.as_tree_array(is_rooted_trees=False)
    theirs = sorted((float(x) for x in array.split_bitmask_set_frequencies().values()), reverse=True)
    assert theirs == pytest.approx(ranking.probability.tolist())
    check_against_dendropy(trees, splits)
    for summary in (consensus, best):
        check_annotated_against_dendropy(trees, summary)
    assert consensus.tree.n_nodes > 16, "a star has nothing to compare"
    majority = trees.consensus(min_freq=0.5, is_bipartitions_updated=False)
    ours = read_tree(tmp_path / "x.con.tre", trees)
    majority.encode_bipartitions()
    ours.encode_bipartitions()
    assert dendropy.calculate.treecompare.symmetric_difference(majority, ours) == 0
    frequent = max(array.split_bitmask_set_frequencies().items(), key=lambda item: item[1])[0]
    mapped = read_tree(tmp_path / "x.map.tre", trees)
    mapped.encode_bipartitions()
    assert set(frequent) == {b.split_bitmask for b in mapped.bipartition_encoding}


def split_key(namespace, members, counts):
    mask = namespace.taxa_bitmask(labels=members)
    return mask if mask in counts else namespace.all_taxa_bitmask() & ~mask


def check_against_dendropy(trees, splits):
    theirs = trees.split_distribution(is_bipartitions_updated=False)
    for i in range(splits.n_splits):
        key = split_key(trees.taxon_namespace, splits.members(i), theirs.split_counts)
        assert theirs[key] == pytest.approx(splits.frequency[i])
        assert np.mean(theirs.split_edge_lengths[key]) == pytest.approx(splits.mean_length[i], rel=1e-7)


def check_annotated_against_dendropy(trees, annotated):
    """Medians and means of DendroPy; its interval is the shortest one too."""
    theirs = trees.split_distribution(is_bipartitions_updated=False)
    tree = annotated.tree
    for node, words in enumerate(tree.clades()[:-1]):
        members = [n for k, n in enumerate(tree.taxa) if int(words[k // 64]) >> (k % 64) & 1]
        key = split_key(trees.taxon_namespace, members, theirs.split_counts)
        lengths = np.array(theirs.split_edge_lengths[key])
        assert tree.lengths[node] == pytest.approx(lengths.mean(), rel=1e-7)
        assert annotated.medians[node] == pytest.approx(np.median(lengths), rel=1e-7)
        low, high = annotated.intervals[node]
        inside = ((lengths >= low - 1e-9) & (lengths <= high + 1e-9)).mean()
        assert 0.95 <= inside <= 0.95 + 1 / len(lengths) + 1e-9


def test_annotations_as_figtree_and_treeio_read_them(tmp_path):
    _, _, _, consensus, _ = write_all(tmp_path, PLAIN_NAMES)
    tree = dendropy.Tree.get(
        path=str(tmp_path / "x.con.tre"), schema="nexus", preserve_underscores=True, extract_comment_metadata=True
    )
    assert len(tree.seed_node.child_nodes()) >= 3
    assert not tree.is_rooted
    nodes = [node for node in tree.preorder_node_iter() if node.parent_node is not None]
    assert len(nodes) == consensus.tree.n_nodes - 1
    for node in nodes:
        notes = {a.name: a.value for a in node.annotations}
        assert notes.keys() == {"prob", "prob_stddev", "length_mean", "length_sd", "length_median", "length_95%HPD"}
        assert float(notes["length_mean"]) == node.edge.length
        low, high = (float(x) for x in notes["length_95%HPD"])
        assert low <= float(notes["length_median"]) <= high
    text = (tmp_path / "x.con.tre").read_text()
    assert "]:" in text  # before the colon
    assert ":[" not in text
