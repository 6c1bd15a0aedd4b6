import gzip
import time

import dendropy
import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import random_topologies

TAXA = ["A", "B", "C", "D"]
AB, AC, AD = "(A,B,(C,D));", "(A,(B,D),C);", "(A,(B,C),D);"

MRBAYES_T = """#NEXUS
[ID: 0123456789]
[Param: tree]
begin trees;
   translate
       1 A,
       2 B,
       3 C,
       4 D
      ;
   tree gen.0 = [&U] (2:2.0e-02,(3:0.1,4:0.1):0.1,1:0.1);
   tree gen.500 = [&U] (2:1.0e-01,(3:0.1,1:0.1):0.1,4:0.1);
   tree gen.1000 = [&U] (2:1.0e-01,(3:0.1,1:0.1):0.1,4:0.1);
end;
"""
TRPROBS = """#NEXUS
[ID: 0123456789]
begin trees;
   [Note: This tree block contains information on the topologies
          sampled; (A,B,C) is no tree.]
   translate
      1  A,
      2  B,
      3  C,
      4  D;
   tree tree_1 [p = 0.625, P = 0.625] = [&W 0.625] (1,2,(3,4));
   tree tree_2 [p = 0.375, P = 1.000] = [&W 3/8] ((1,3),(2,4));
end;
"""
BEAST = """#NEXUS

Begin taxa;
	Dimensions ntax=4;
	Taxlabels
		'A'
		B
		C
		D
		;
End;
Begin trees;
	Translate
		1 'A',
		2 B,
		3 C,
		4 D
		;
tree STATE_0 [&lnP=-1.5,posterior=-1.5] = [&R] ((1[&rate=1.0]:1.5,2:[&rate=0.5]1.5)[&rate={1.0,2.0}]:1,(3:1,4:1):1.5);
TREE * STATE_1000 [&lnP=-1.0] = [&R] (((1:1,2:1):1,3:1):1,4:1);
End;
"""


def write(path, text):
    path.write_text(text)
    return path


def read(tmp_path, text, **options):
    return as_dict(read_trees([write(tmp_path / "trees", text)], TAXA, **options))


def as_dict(sample):
    assert sample.taxa == tuple(TAXA)
    newicks = [topology.newick(TAXA) for topology in sample.topologies]
    return dict(zip(newicks, sample.weights.tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{AB}\n{AC}\n{AB}\n", {AB: 2, AC: 1}),
        (f"\ufeff{AB}{AC} {AB}\r\n", {AB: 2, AC: 1}),  # several on a line, Windows line ends, byte order mark
        ("(A,\nB,\n(C,\nD)\n)\n;\n[x;]((A:1,B:2)[&a=1]9:1,(C:1,'D'):1)[y]r:0;", {AB: 2}),
        (f"928\t{AB}\n72\t{AC}\n", {AB: 928, AC: 72}),
        (f"0.75 {AC}\n.25 {AB}", {AC: 0.75, AB: 0.25}),
        (f"[&W 0.75] {AC}\n[&W 1/4] {AB}", {AC: 0.75, AB: 0.25}),
        (f"[&U] {AC}\n[&R] {AB}", {AC: 1, AB: 1}),
        (f"rank\tmean_prob\tcount\tnewick\n1\t0.5\t7\t{AB}\n\n2\t0.25\t6\t{AC}\r\n", {AB: 0.5, AC: 0.25}),
        (f"newick\tcount\n{AB}\t7\n{AC}\t6\n", {AB: 7, AC: 6}),
        (f"Tree\tother\n{AB[:-1]}\tx\n{AC}\t(", {AB: 1, AC: 1}),
        (MRBAYES_T, {AC: 2, AB: 1}),
        (TRPROBS, {AB: 0.625, AC: 0.375}),
        (BEAST, {AB: 2}),
        ("#nexus\nbegin trees;\nutree x = (A,B,(C,D));\ntree 'y=(' = [&U] (A,(B,C),D);\nend", {AB: 1, AD: 1}),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_formats(tmp_path, text, expected, packed):
    path = tmp_path / "trees"
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert as_dict(read_trees([path], TAXA)) == expected


def test_two_tree_blocks_with_their_own_tables(tmp_path):
    text = (
        "#NEXUS\nbegin trees; translate 1 A, 2 B, 3 C, 4 D; tree a = (1,2,(3,4)); end;\n"
        "begin trees; translate 1 A, 2 C, 3 B, 4 D; tree a = (1,2,(3,4)); end;\n"
    )
    assert read(tmp_path, text) == {AB: 1, AC: 1}


def test_a_translate_table_with_hard_names(tmp_path):
    taxa = ["Homo sapiens", "it's", "A,B;C", "x_y"]
    text = "#NEXUS\nbegin trees;translate a Homo_sapiens, b 'it''s', [c]c 'A,B;C', d x_y;tree t=(a,b,(c,d));end;"
    (topology,) = read_trees([write(tmp_path / "t", text)], taxa).topologies
    assert topology.newick(TAXA) == AB


def test_files_are_merged(tmp_path):
    one = write(tmp_path / "one", f"{AB}\n{AC}\n")
    two = write(tmp_path / "two", f"5\t{AC}\n1\t{AD}\n")
    sample = read_trees([one, two, one], TAXA)
    assert as_dict(sample) == {AC: 7, AB: 2, AD: 1}
    assert sample.weights.tolist() == [7, 2, 1]


def test_probabilities_of_several_runs_are_merged(tmp_path):
    one = write(tmp_path / "one", TRPROBS)
    two = write(tmp_path / "two", TRPROBS.replace("0.625]", "1.0]").replace("3/8", "0"))
    assert as_dict(read_trees([one, two], TAXA)) == {AB: 1.625, AC: 0.375}


def test_burn_in_is_taken_from_each_file(tmp_path):
    one = write(tmp_path / "one", f"{AB}\n" * 3 + f"{AC}\n" * 2)
    two = write(tmp_path / "two", f"{AB}\n" + f"{AD}\n" * 2)
    assert as_dict(read_trees([one, two], TAXA, burn_in=0.5)) == {AC: 2, AB: 1, AD: 2}
    assert as_dict(read_trees([one, two], TAXA, burn_in=0.6)) == {AC: 2, AD: 2}


@pytest.mark.parametrize("burn_in", [-0.1, 1.0, float("nan")])
def test_burn_in_is_a_share(tmp_path, burn_in):
    with pytest.raises(InputError, match="the burn-in is a share"):
        read(tmp_path, AB, burn_in=burn_in)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{AB}\n\n(A,B,(C,E));\n", r"trees, line 3: .*it has 'E', .*; the alignment has 'D'"),
        (f"{AB}\n(A,B,C);", r"line 2: .*the alignment has 'D'"),
        (f"{AB}\n(A,B,(C,C));", "line 2: taxon 'C' .*more than once"),
        (f"{AB}\n(A,B,(C,D);", "line 2: unexpected ';'|never closed"),
        (f"{AB}\n(A,B,(C,D):);", "line 2: a branch length|a colon without"),
        (f"{AB}\n(A,B,(C,D))));", "line 2: unexpected '\\)'"),
        (f"{AB}\n(A,B C,(C,D));", "line 2: unexpected 'C'"),
        (f"{AB}\n(A,B,(C,D))x y;", "line 2: unexpected 'y'"),
        (f"{AB}\n(A,B,C,D);\n(A,B,C,D);", r"2 of 3 trees .*multifurcations .* line 2"),
        (f"{AB}\n(A,(B,C,D));\n", r"1 of 2 trees .*multifurcations .* line 2"),
        (f"{AB}\n(A,B,(C", r"line 2: .*semicolon: '\(A,B,\(C'"),
        ("(A,B,(C,D))", "line 1: the text from here"),
        (f"{AB}\nhello {AC}", "line 2: 'hello' where a tree"),
        (f"{AB}\nhello;{AC}", "line 2: 'hello' where"),
        (f"{AB}\n;{AC}", "line 2: ';' where a tree"),
        (f"-1 {AB}", "begins with '-1"),
        (f"1 {AB}\n-1 {AC}", "line 2: '-1' where"),
        (f"1 {AB}\n{AC}", "some trees have a weight"),
        (f"0 {AB}\n0 {AC}", "positive weight"),
        (MRBAYES_T.replace("[&U] (2:1", "[&W 0.1] (2:1"), "line 12: some trees have a weight"),
        (TRPROBS.replace("0.625] (", "x] ("), r"line 11: '\[&W x\]' where a weight"),
        (TRPROBS.replace("(1,2,(3,4))", "(1,2,(3,5))"), "line 11: .*it has '5'"),
        (TRPROBS.replace("4  D", "4  E"), "line 11: .*it has 'E'"),
        (TRPROBS.replace("4  D", "4"), "token without a taxon: '4'"),
        (MRBAYES_T[:-80], "no closing semicolon"),
        ("#NEXUS\nbegin trees;\nend;\n", "no trees found"),
        ("newick\tcount\n", "no trees found"),
        (f"newick\tcount\n{AB}\tmany\n", "line 2: 'many' .*'count'"),
        (f"newick\tcount\n\n{AB}\t1\t2\n", "line 3: 3 columns, .* 2"),
        (f"newick\tcount\n{AB}\t1\n(A,B,(C,E));\t2\n", "line 3: .*it has 'E'"),
        (">A\nACGT\n", "begins with '>A'"),
        ("rank\tother\n1\t2\n", "is no tree list"),
        ("", "is empty"),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, text)
    assert str(tmp_path / "trees") in str(caught.value)


def test_weighted_trees_have_no_burn_in(tmp_path):
    with pytest.raises(InputError, match="weighted trees"):
        read(tmp_path, TRPROBS, burn_in=0.1)


def test_counts_and_probabilities_do_not_mix(tmp_path):
    with pytest.raises(InputError, match=r"one counts .*two gives"):
        read_trees([write(tmp_path / "one", AB), write(tmp_path / "two", TRPROBS)], TAXA)


def test_no_files_and_no_taxa(tmp_path):
    with pytest.raises(InputError, match="no tree file"):
        read_trees([], TAXA)
    with pytest.raises(InputError, match="three taxa"):
        read_trees([write(tmp_path / "one", AB)], ["A", "B"])


@pytest.mark.parametrize("n_taxa", [3, 4, 11, 65, 130])
@pytest.mark.parametrize("rooted", [False, True])
def test_the_fast_reader_agrees_with_the_one_tree_reader_and_dendropy(tmp_path, n_taxa, rooted):
    generator = np.random.default_rng(n_taxa)
    taxa = [f"taxon {i}" if i % 3 == 0 else f"t_{i}" for i in range(n_taxa)]
    lines = []
    for topology in random_topologies(40, n_taxa, generator):
        text = topology.newick([f"'{name}'" for name in taxa], generator.exponential(size=2 * n_taxa - 3).tolist())
        tree = dendropy.Tree.get(data=text, schema="newick", rooting="force-unrooted")
        leaves = tree.leaf_nodes()
        edge = leaves[int(generator.integers(n_taxa))].edge
        if rooted:
            tree.reroot_at_edge(edge, length1=0.1, length2=0.1)
        elif edge.tail_node.parent_node is not None:
            tree.reroot_at_node(edge.tail_node)
        for node in tree.internal_nodes():
            node.set_child_nodes([node.child_nodes()[i] for i in generator.permutation(len(node.child_nodes()))])
        lines.append(tree.as_string(schema="newick", suppress_rooting=True).strip())
    path = write(tmp_path / "x", "\n".join(lines))
    sample = read_trees([path], taxa)
    expected = [parse_newick(line, taxa)[0].newick(taxa) for line in lines]
    found = dict(zip((t.newick(taxa) for t in sample.topologies), sample.weights, strict=True))
    assert found == {text: expected.count(text) for text in expected}


def test_refused_trees_that_turn_out_well_are_kept(tmp_path):
    """Only the careful reader knows brackets round a single tip."""
    assert read(tmp_path, f"{AB}\n((A),C,((B),D));\n{AC}\n") == {AB: 1, AC: 2}


@pytest.mark.parametrize("name", [f"DS{i}" for i in range(1, 9)])
def test_the_reference_lists_come_back_to_the_letter(shared_data, name):
    phylo = shared_data / "phylo"
    taxa = read_alignment(phylo / "alignments" / f"{name}.fasta").taxa
    paths = [phylo / "support_trees" / f"{name}.ufboot.topologies.tsv.gz"]
    paths += sorted((phylo / "reference_posteriors").glob(f"{name}.*.topologies.tsv.gz"))
    assert len(paths) > 1
    for path in paths:
        with gzip.open(path, "rt") as file:
            rows = [line.rstrip("\n").split("\t") for line in file]
        weight = 0
        if rows[0][0] == "rank":
            weight = rows.pop(0).index("mean_prob")
        sample = read_trees([path], taxa)
        assert [topology.newick(taxa) for topology in sample.topologies] == [row[-1] for row in rows]
        np.testing.assert_array_equal(sample.weights, [float(row[weight]) for row in rows])


@pytest.mark.slow
def test_a_hundred_thousand_trees_of_64_taxa_are_read_in_well_under_a_minute(tmp_path):
    generator = np.random.default_rng(0)
    taxa = [f"A_taxon_with_a_long_name_{i}" for i in range(64)]
    lengths = generator.exponential(0.1, size=125).tolist()
    with (tmp_path / "long").open("w") as file:
        for topology in random_topologies(1000, 64, generator):
            for _ in range(100):
                file.write(topology.newick([taxa[i] for i in generator.permutation(64)], lengths) + "\n")
    start = time.process_time()
    sample = read_trees([tmp_path / "long"], taxa)
    assert time.process_time() - start < 30
    assert sample.n_trees == 100_000
