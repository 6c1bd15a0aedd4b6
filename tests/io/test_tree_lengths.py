import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.io.tree_lengths import read_taxa, read_trees_with_lengths

TAXA = ("a", "b c", "d", "e")
NEXUS = """#NEXUS
begin trees;
translate 1 a, 2 'b c', 3 d, 4 e;
{}
end;
"""


def tree(i):
    return f"tree gen.{i} = [&U] ((4:0.{i + 1},3:0.2):0.05,2:0.3,1:0.1);"


def test_lengths_go_to_their_edges(tmp_path):
    path = tmp_path / "x.t"
    path.write_text(NEXUS.format("\n".join(tree(i) for i in range(8))))
    found = read_trees_with_lengths([path], TAXA)
    topology, lengths = parse_newick("((e:0.1,d:0.2):0.05,'b c':0.3,a:0.1);", TAXA)
    assert (found.topologies.children == topology.children).all()
    np.testing.assert_allclose(found.branch_lengths[0], lengths)
    np.testing.assert_allclose(found.branch_lengths[:, 3], np.arange(1, 9) / 10)
    np.testing.assert_allclose(found.weights, 1 / 8)


def test_burn_in_and_thinning(tmp_path):
    first, second = tmp_path / "1.t", tmp_path / "2.t"
    first.write_text(NEXUS.format("\n".join(tree(i) for i in range(8))))
    second.write_text(NEXUS.format("\n".join(tree(i) for i in range(4))))
    found = read_trees_with_lengths([first, second], TAXA, burn_in=0.25)
    np.testing.assert_allclose(found.branch_lengths[:, 3] * 10, [3, 4, 5, 6, 7, 8, 2, 3, 4])
    thin = read_trees_with_lengths([first, second], TAXA, burn_in=0.25, at_most=5)
    np.testing.assert_allclose(thin.branch_lengths[:, 3] * 10, [3, 5, 7, 2, 4])


def test_weights_and_no_lengths(tmp_path):
    weighted = tmp_path / "w.trprobs"
    weighted.write_text(NEXUS.format("\n".join(tree(i).replace("[&U]", f"[&W 0.{i + 1}]") for i in range(3))))
    np.testing.assert_allclose(read_trees_with_lengths([weighted], TAXA).weights, np.array([1, 2, 3]) / 6)
    bare = tmp_path / "bare.nwk"
    bare.write_text("((e,d),'b c',a);\n" * 3)
    assert read_trees_with_lengths([bare], TAXA) is None
    mixed = tmp_path / "mixed.nwk"
    mixed.write_text("((e:1,d:1):1,'b c':1,a:1);\n((e,d),'b c',a);\n")
    with pytest.raises(InputError, match=r"mixed\.nwk, line 2: .*no branch lengths"):
        read_trees_with_lengths([mixed], TAXA)


def test_taxa_of_a_file(tmp_path):
    nexus = tmp_path / "x.t"
    nexus.write_text(NEXUS.format(tree(1)))
    assert read_taxa(nexus) == ("e", "d", "b c", "a")
    newick = tmp_path / "x.nwk"
    newick.write_text("('it''s':0.1[&x=1],(B_b:1,C:2)0.9:3,D);\n")
    assert read_taxa(newick) == ("it's", "B_b", "C", "D")
    short = tmp_path / "short.nwk"
    short.write_text("(a,b);\n")
    with pytest.raises(InputError, match="three taxa"):
        read_taxa(short)
    twice = tmp_path / "twice.nwk"
    twice.write_text("(a,b,a);\n")
    with pytest.raises(InputError, match=r"'a' .*first tree"):
        read_taxa(twice)
