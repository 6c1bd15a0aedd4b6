"""Tree files of RevBayes, SplitsTree and EPA, and MrBayes's tables of several runs."""

import numpy as np
import pytest

from vbpi_mix.errors import InputError, InputWarning
from vbpi_mix.io.parameter_tables import read_parameters
from vbpi_mix.io.tree_lengths import read_one_tree, read_trees_with_lengths
from vbpi_mix.io.trees import read_trees

TAXA = ("A", "B", "C", "D")
TREE = "((A[&index=1]:0.1,B:0.2)[&index=5]:0.3,(C:0.1,D:1e-1):0.1);"
OTHER = "((A:0.1,C:0.2):0.3,(B:0.1,D:0.1):0.1);"


@pytest.mark.parametrize("remarks", ["", "#RevBayes version (1.2.1)\n#Build from development\n\n"])
@pytest.mark.parametrize("name", ["psi", "timetree", "tree"])
@pytest.mark.parametrize("tag", ["", "[&R] "])
def test_tables_of_revbayes(tmp_path, remarks, name, tag):
    rows = "".join(f"{i}\t-1.5\t-2\t{tag}{tree}\n" for i, tree in enumerate([TREE, TREE, OTHER]))
    (tmp_path / "x.trees").write_text(f"{remarks}Iteration\tPosterior\tPrior\t{name}\n{rows}")
    assert read_trees([tmp_path / "x.trees"], TAXA).weights.tolist() == [2, 1]
    found = read_trees_with_lengths([tmp_path / "x.trees"], TAXA)
    assert found is not None
    assert found.branch_lengths.shape == (3, 5)
    (tmp_path / "x.trees").write_text(f"{remarks}Iteration\tPosterior\tPrior\t{name}\n{rows}3\t-1\n")
    with pytest.raises(InputError, match=rf"line {5 + remarks.count(chr(10))}: 2 columns, .* 4"):
        read_trees([tmp_path / "x.trees"], TAXA)


def test_a_table_without_trees(tmp_path):
    (tmp_path / "x.log").write_text("#BEAST\nstate\tposterior\n0\t-1\n")
    with pytest.raises(InputError, match="begins with 'state"):
        read_trees([tmp_path / "x.log"], TAXA)


def test_edge_numbers_of_jplace(tmp_path):
    (tmp_path / "x.nwk").write_text("((A:0.1{0},B:0.2{1}):0.3{2},C:1e-1{3},D:0.1{10}){11};\n")
    (tmp_path / "y.nwk").write_text("((A:0.1,B:0.2):0.3,C:0.1,D:0.1);\n")
    numbered, plain = (read_one_tree(tmp_path / name, TAXA) for name in ("x.nwk", "y.nwk"))
    assert numbered[1] is not None
    assert plain[1] is not None
    np.testing.assert_array_equal(numbered[1], plain[1])
    assert read_trees([tmp_path / "x.nwk", tmp_path / "y.nwk"], TAXA).weights.tolist() == [2]
    (tmp_path / "x.nwk").write_text("((A:0.1{x},B:0.2):0.3,C:0.1,D:0.1);\n")
    with pytest.raises(InputError, match=r"branch length .*'0\.1\{x\}'"):
        read_one_tree(tmp_path / "x.nwk", TAXA)


def test_numbers_of_trees_in_splitstree_are_no_weights(tmp_path, recwarn):
    (tmp_path / "x.nex").write_text(
        f"#nexus\nbegin trees;\n[TREES]\n[1] tree 'a'=[&R] {TREE}\n[2] tree b={OTHER}\nend;\n"
    )
    assert read_trees([tmp_path / "x.nex"], TAXA).weights.tolist() == [1, 1]
    assert not recwarn.list


def test_tables_of_several_runs_in_one_file_are_named(tmp_path):
    run = "[ID: 1]\nGen\tLnL\tTL\n0\t-1\t0.5\n100\t-1\t0.6\n"
    (tmp_path / "x.p").write_text(run + run)
    with pytest.raises(InputError, match="line 6: the heading"):
        read_parameters([tmp_path / "x.p"])


def test_text_behind_the_last_tree_is_named(tmp_path):
    (tmp_path / "x.nwk").write_text(f"# a remark\n{OTHER}\n[a comment]\n// end\n")
    with pytest.warns(InputWarning, match="behind the last tree .*'// end'"):
        assert read_trees([tmp_path / "x.nwk"], TAXA).n_trees == 1


def test_generations_that_begin_anew_are_named(tmp_path):
    (tmp_path / "x.p").write_text("[ID: 1]\nGen\tLnL\tTL\n0\t-1\t0.5\n100\t-1\t0.6\n0\t-1\t0.7\n100\t-1\t0.8\n")
    with pytest.warns(InputWarning, match="generations .* 1 time, first at row 3"):
        assert read_parameters([tmp_path / "x.p"])[1].shape == (4, 1)
