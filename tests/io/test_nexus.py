import dendropy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus import quote_label, write_newick_trees, write_nexus_trees
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import random_topologies

HARD_NAMES = ["a b", "it's", "x-y", "Åse", "(p)[q]", "7", "2", "t=e,s;t", '"dq"', "z|y", "q:r", "''", "日本 語", "A/B"]


def named_trees(n_trees, n_taxa, seed=0):
    generator = np.random.default_rng(seed)
    topologies = random_topologies(n_trees, n_taxa, generator)
    lengths = generator.exponential(0.1, size=(n_trees, 2 * n_taxa - 3))
    return topologies, lengths, [(f"draw {i}", t, x) for i, (t, x) in enumerate(zip(topologies, lengths, strict=True))]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Homo_sapiens", "Homo_sapiens"),
        ("AB1.2|x-y", "AB1.2|x-y"),
        ("Homo sapiens", "'Homo sapiens'"),
        ("it's", "'it''s'"),
        ("a[b]", "'a[b]'"),
        ("", "''"),
        ("a\n", "'a\n'"),
    ],
)
def test_quote_label(name, written):
    assert quote_label(name) == written


def test_layout(tmp_path):
    _, _, trees = named_trees(1, 4)
    write_nexus_trees(tmp_path / "x.trees", ["A", "B b", "C", "D"], trees, precision=3)
    lines = (tmp_path / "x.trees").read_text().split("\n")
    assert lines[:13] == [
        "#NEXUS", "", "begin taxa;", "\tdimensions ntax=4;", "\ttaxlabels", "\t\tA", "\t\t'B b'", "\t\tC", "\t\tD",
        "\t\t;",        "end;", "", "begin trees;",
    ]  # fmt: skip
    assert lines[13:19] == ["\ttranslate", "\t\t1 A,", "\t\t2 'B b',", "\t\t3 C,", "\t\t4 D", "\t\t;"]
    assert lines[19].startswith("\ttree 'draw 0' = [&U] (1:")
    assert lines[20:] == ["end;", ""]


def test_names_and_trees_come_back_through_dendropy(tmp_path):
    topologies, lengths, trees = named_trees(4, len(HARD_NAMES))
    path = tmp_path / "x.trees"
    write_nexus_trees(path, HARD_NAMES, trees)
    read = dendropy.TreeList.get(path=str(path), schema="nexus")
    assert read.taxon_namespace.labels() == HARD_NAMES
    assert [tree.label for tree in read] == [name for name, _, _ in trees]
    assert not any(tree.is_rooted for tree in read)
    for topology, row, tree in zip(topologies, lengths, read, strict=True):
        pendant = {leaf.taxon.label: leaf.edge.length for leaf in tree.leaf_node_iter()}
        np.testing.assert_allclose([pendant[name] for name in HARD_NAMES], row[: len(HARD_NAMES)], rtol=1e-9)
        ours = dendropy.Tree.get(
            data=topology.newick([quote_label(name) for name in HARD_NAMES]),
            schema="newick",
            rooting="force-unrooted",
            taxon_namespace=read.taxon_namespace,
        )
        assert dendropy.calculate.treecompare.symmetric_difference(tree, ours) == 0


def test_underscores_come_back_where_dendropy_is_told_to_keep_them(tmp_path):
    names = ["Homo_sapiens", "Pan_paniscus", "C", "D"]
    write_nexus_trees(tmp_path / "x", names, named_trees(1, 4)[2])
    read = dendropy.TreeList.get(path=str(tmp_path / "x"), schema="nexus", preserve_underscores=True)
    assert read.taxon_namespace.labels() == names


@pytest.mark.parametrize("write", [write_nexus_trees, write_newick_trees])
@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(
        st.text(
            st.characters(blacklist_categories=["Cs", "Cc", "Z"]) | st.sampled_from(" '\"[](),;:=_-"),
            min_size=1,
            max_size=10,
        )
        .map(str.strip)
        .filter(bool),
        min_size=4,
        max_size=8,
        unique=True,
    )
)
def test_the_reader_takes_what_the_writers_write(tmp_path_factory, write, names):
    path = tmp_path_factory.mktemp("trees") / "x"
    topologies, _, trees = named_trees(3, len(names))
    write(path, names, trees)
    sample = read_trees([path], names)
    distinct, position = topologies.unique()
    assert {row.tobytes() for row in sample.topologies.children} == {row.tobytes() for row in distinct.children}
    np.testing.assert_array_equal(np.sort(sample.weights), np.sort(np.bincount(position)))


def test_trees_without_lengths(tmp_path):
    topologies, _, _ = named_trees(1, 5)
    write_newick_trees(tmp_path / "x", list("abcde"), [("t", topologies.__iter__().__next__(), None)])
    assert ":" not in (tmp_path / "x").read_text()


def test_an_error_on_the_way_leaves_no_file(tmp_path):
    def failing():
        yield named_trees(1, 4)[2][0]
        raise InputError("stop")

    with pytest.raises(InputError, match="stop"):
        write_nexus_trees(tmp_path / "x", list("abcd"), failing())
    assert list(tmp_path.iterdir()) == []
