import ete3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vbpi_mix.errors import InputError
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.io.nexus import quote_label
from vbpi_mix.phylo import random_topologies

TAXA = ["A", "B", "C", "D", "E"]


def canonical(text, taxa=TAXA):
    return parse_newick(text, taxa)[0].newick(taxa)


@pytest.mark.parametrize(
    "text",
    [
        "(A,B,((C,D),E));",
        "(A,B,(E,(D,C)))",  # without a semicolon
        " ( A , B ,\n((C,D) x,'E')90)root:3 ; \n",
        "((A,B),((D,C),E));",  # rooted
        "(((A,B),E),(D,C));",
        "(A,(B,((C,D),E)));",
        "(((A),B,(((C,D)),E)));",  # redundant brackets
        '("A",B,(("C"<color = 5 >,D)<x=(1)>,E)<drawnAs = CIRCULAR > ) <y=2>;',
        "[a [b] c] (A,B,((C,D),E))[0.5];",
        "[&R] ([x(,[nested;]]A[&rate={1,2}],B,((C[:],D),'E'));[the end]",
    ],
)
def test_every_way_to_write_a_tree(text):
    assert canonical(text) == "(A,B,((C,D),E));"


def test_branch_lengths_in_edge_order():
    topology, lengths = parse_newick("((C:3,D:4):.5,E:5e0,(B:2.,A:1E0)1:[x]7)r:9;", TAXA)
    assert topology.newick(TAXA, lengths.tolist()) == "(A:1,B:2,((C:3,D:4):0.5,E:5):7);"
    # edges 0..4 are the pendant ones in taxon order
    np.testing.assert_array_equal(lengths[:5], [1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("rooted", "unrooted"),
    [
        ("((A:1,B:2):0.25,((C:3,D:4):6,E:5):0.5);", "(A:1,B:2,((C:3,D:4):6,E:5):0.75);"),
        ("(A:0.25,(B:2,((C:3,D:4):6,E:5):7):0.5);", "(A:0.75,B:2,((C:3,D:4):6,E:5):7);"),
        ("(((C:3,D:4):6,(A:1,B:2):7):1,E:5);", "(A:1,B:2,((C:3,D:4):6,E:6):7);"),
    ],
)
def test_root_edges_are_joined(rooted, unrooted):
    topology, lengths = parse_newick(rooted, TAXA)
    assert topology.newick(TAXA, lengths.tolist()) == unrooted


def test_three_taxa():
    assert canonical("((C,A),B);", TAXA[:3]) == "(A,B,C);"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(A,B,(C,D));", "the alignment has 'E'"),
        ("(A,B,(C,(X,Y)));", "it has 'X', 'Y', .*; the alignment has 'D', 'E'"),
        ("(A,B,(C,(D,(E,X))));", "it has 'X', which the alignment has not$"),
        ("(A,B,(C,(D,A)));", "taxon 'A' .*more than once"),
        ("(A,B,((C,D),(E,E)));", "taxon 'E' .*more than once"),
        ("(A,B,C,(D,E));", r"1 node .*multifurcations.* 4 at character 1"),
        ("(A,(B,C,D,E));", "first 4 at character 4"),
        ("(A,B,(C,(D,E));", r"bracket opened at character 1 \('\(A,B,\(C,\(D,E\)\);'\)|unexpected ';'"),
        ("(A,B,(C,(D,E))", "bracket opened at character 1 "),
        ("(A,B,(C,(D,E))));", "unexpected '\\)' at character 16"),
        ("(A,B,,(C,(D,E)));", "unexpected ',' at character 6"),
        ("(A,B,(C,(D,E)));(A,B,(C,(D,E)));", "text after .*character 17"),
        ("(A,B,(C,(D,E)))x y;", "unexpected 'y' at character 18"),
        ("(A,B x,(C,(D,E)));", "unexpected 'x' at character 6"),
        ("(A:1,B:1,(C:1,(D:1,E:-0.5):1):1);", "branch length -0.5 at character 22 .*negative"),
        ("(A:1,B:1,(C:1,(D:1,E:nan):1):1);", "branch length nan at character 22 .*not finite"),
        ("(A:1,B:1,(C:1,(D:1,E:1e999):1):1);", "1e999 .* is not finite"),
        ("(A:1,B:1,(C:1,(D:1,E:-inf):1):1);", "is not finite"),
        ("(A:1,B:1,(C:1,(D:1,E:1_0):1):1);", "branch length .*'1_0'"),
        ("(A:1,B:1,(C:1,(D:1,E:):1):1);", "branch length .*'\\)'"),
        ("(A:1,B:1,(C:1,(D:1,E:1:2):1):1);", "unexpected ':'"),
        ("(A:1,B:1,(C:1,(D:1,E:1)):1);", "1 of its 7 edges"),
        ("((A:1,B:1):1,(C:1,(D:1,E:1):1));", "1 of its 7 edges"),
        ("(A,B,(C,(D,'E)));", "quoted label at character 12 "),
        ("(A,B,(C,(D,E)))[x;", "comment at character 16 "),
        ("(A,B]);", r"unexpected|unknown|it has 'B\]'"),
        ("", "no tree in brackets"),
        (";", "unexpected ';'"),
        ("A;", "no tree in brackets"),
        ("A", "no tree in brackets"),
        ("()", "unexpected '\\)'"),
        ("(A,B,(C,(D,E))):", "a colon without a length"),
    ],
)
def test_errors_say_what_and_where(text, message):
    with pytest.raises(InputError, match=message):
        parse_newick(text, TAXA)


def test_labels_with_quotes_spaces_and_underscores():
    taxa = ["it's", "Homo sapiens", "Pan_paniscus", "(x),[y]:;"]
    text = "('it''s',Homo_sapiens,(Pan_paniscus,'(x),[y]:;'));"
    assert parse_newick(text, taxa)[0].newick(list("abcd")) == "(a,b,(c,d));"
    assert (
        parse_newick("(it's,Homo_sapiens,(Pan_paniscus,'(x),[y]:;'));", taxa)[0].newick(list("abcd")) == "(a,b,(c,d));"
    )
    with pytest.raises(InputError, match="'Pan paniscus'"):
        parse_newick("(it's,Homo_sapiens,('Pan paniscus','(x),[y]:;'));", taxa)


def test_a_deep_tree_does_not_meet_the_recursion_limit():
    n = 3000
    taxa = [f"t{i}" for i in range(n)]
    text = "(" * (n - 2) + "t0,t1" + "".join(f"),t{i}" for i in range(2, n - 1)) + f",t{n - 1});"
    assert parse_newick(text, taxa)[0].children.shape == (n - 2, 2)


@pytest.mark.parametrize("n_taxa", [4, 5, 8, 23, 80])
def test_ete3_reads_the_same_tree(n_taxa):
    generator = np.random.default_rng(n_taxa)
    taxa = [f"t{i}" for i in range(n_taxa)]
    for topology in random_topologies(6, n_taxa, generator):
        lengths = generator.exponential(size=2 * n_taxa - 3)
        ours = topology.newick(taxa, lengths.tolist())
        oracle = ete3.Tree(ours)
        oracle.set_outgroup(oracle.get_leaves()[int(generator.integers(n_taxa))])  # rooted elsewhere
        for node in oracle.traverse():
            if generator.random() < 0.5:
                node.swap_children()
        again, again_lengths = parse_newick(oracle.write(format=1, dist_formatter="%.17g"), taxa)
        np.testing.assert_array_equal(again.children, topology.children)
        np.testing.assert_allclose(again_lengths, lengths, rtol=1e-9)
        back = ete3.Tree(again.newick(taxa, again_lengths.tolist()))
        tips = taxa[0], taxa[-1]
        assert back.get_distance(*tips) == pytest.approx(oracle.get_distance(*tips))
        oracle.unroot()  # which drops a length
        assert oracle.robinson_foulds(back, unrooted_trees=True)[0] == 0


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.text(
            st.characters(blacklist_categories=["Cs", "Cc", "Z"]) | st.sampled_from(" '\"()[],;:_-="),
            min_size=1,
            max_size=12,
        )
        .map(str.strip)
        .filter(bool),
        min_size=4,
        max_size=9,
        unique=True,
    ),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_names_and_trees_come_back(names, seed):
    generator = np.random.default_rng(seed)
    (topology,) = random_topologies(1, len(names), generator)
    lengths = generator.exponential(size=2 * len(names) - 3)
    text = topology.newick([quote_label(name) for name in names], lengths.tolist(), precision=17)
    again, again_lengths = parse_newick(text, names)
    np.testing.assert_array_equal(again.children, topology.children)
    np.testing.assert_array_equal(again_lengths, lengths)
