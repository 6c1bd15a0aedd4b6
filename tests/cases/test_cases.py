"""Inputs of the kinds that other programs write, each with the value that is right.

`files/` holds them; all are small and were made for this project. The log-likelihood of `base.fasta` on `base.nwk` is
known, and whatever says the same in another dialect must give it.
"""

import json
import math
import warnings
from pathlib import Path

import ete3
import numpy as np
import pytest

from vbpi_mix.errors import ConfigError, InputError, InputWarning
from vbpi_mix.experiment import make_config
from vbpi_mix.experiment.build import make_parts
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.nexus import newick_label, write_newick_trees
from vbpi_mix.io.partitions import read_partitions
from vbpi_mix.io.tree_lengths import read_one_tree, read_trees_with_lengths
from vbpi_mix.io.trees import read_trees
from vbpi_mix.model import parse_model
from vbpi_mix.phylo import random_topologies

FILES = Path(__file__).parent / "files"
MODEL = "HKY{2.0}+F+G4{0.5}"
BASE = -222.55021846878356
TAXA = tuple("ABCDEF")


def likelihood(program, alignment, tree="base.nwk", model=MODEL):
    status, out, err = program("likelihood", FILES / alignment, FILES / tree, "--model", model)
    assert status == 0, err
    return float(out), err


@pytest.mark.parametrize(
    "alignment",
    ["base.fasta", "01_one_line_matrix.nex", "02_splitstree4.nex", "03_two_taxa_blocks.nex", "33b_mixed_dna.nex"],
)
def test_alignments_that_say_the_same(program, alignment):
    value, err = likelihood(program, alignment)
    assert value == pytest.approx(BASE, abs=1e-9)
    assert err == ""


@pytest.mark.parametrize(
    "tree",
    [
        "22c_double_quotes_base.nwk",
        "31b_extra_brackets.nwk",
        "07b_nested_comment_first.nwk",
        "08b_numbers_no_translate.trees",
        "08c_quoted_keys.trees",
    ],
)
def test_trees_that_say_the_same(program, tree):
    assert likelihood(program, "base.fasta", tree) == (pytest.approx(BASE, abs=1e-9), "")


@pytest.mark.parametrize(
    ("alignment", "named"),
    [
        ("16c_paml_GC.phy", "the options C (codons), G (classes of sites) of the first line: not obeyed"),
        ("51_ctrl_z.fasta", "Ctrl-Z"),
    ],
)
def test_what_is_passed_over_is_named(program, alignment, named):
    value, err = likelihood(program, alignment)
    assert value == pytest.approx(BASE, abs=1e-9)
    assert err.startswith("warning: ")
    assert named in err
    assert err.count("\n") == 1


def test_excluded_sites_are_left_out_and_said(program):
    value, err = likelihood(program, "23_exset.nex")
    half = read_alignment(FILES / "base.fasta")
    with pytest.warns(InputWarning, match="not obeyed: lset"):
        alignment = read_alignment(FILES / "23_exset.nex")
    np.testing.assert_array_equal(alignment.state_sets, half.state_sets[:, :30])
    assert value == pytest.approx(-109.86707647617851, abs=1e-9)
    assert "30 of 60 sites left out, as exset * untitled (line 16), exclude (line 19)" in err
    assert "lset (line 20)" in err


def test_a_taxon_without_data_is_named():
    with pytest.warns(InputWarning, match="no data .* for 'D'"):
        read_alignment(FILES / "13_gap_taxon.fasta")


def test_a_part_without_data_is_named():
    alignment = read_alignment(FILES / "12_gap_partition.fasta")
    config = make_config(alignment="x", partitions=str(FILES / "12_gap_partition.txt"))
    with pytest.warns(InputWarning, match="'empty_gene' .* 0 taxa"):
        make_parts(config, alignment)


def test_names_that_are_alike_are_named():
    with pytest.warns(InputWarning, match="'Rana' and 'rana', .*'Bufo_bufo'"):
        read_alignment(FILES / "19_case.fasta")


def test_newick_names_are_quoted_only_where_newick_needs_it(tmp_path):
    taxa = read_alignment(FILES / "18c_slashes.fasta").taxa
    (topology,) = random_topologies(1, len(taxa), np.random.default_rng(1))
    write_newick_trees(tmp_path / "x.nwk", taxa, [("x", topology, None)])
    assert set(ete3.Tree((tmp_path / "x.nwk").read_text()).get_leaf_names()) == set(taxa)
    assert [newick_label(name) for name in ("a b", "a'b", "a:b", "a(b", "a;b", "a,b", "a[b", "", "a/b|c=d{e}")] == [
        "'a b'", "'a''b'", "'a:b'", "'a(b'", "'a;b'", "'a,b'", "'a[b'", "''", "a/b|c=d{e}",
    ]  # fmt: skip


def test_best_model_of_iqtree_is_read():
    parts = read_partitions(FILES / "10c_best_model_FO.nex", 60)
    models = [str(parse_model(part.model, infer=True)) for part in parts]
    assert models == [
        "GTR{0.5,2.1,0.6,0.8,3.5}+F{0.38,0.26,0.14,0.22}+G4{0.44}",
        "GTR{0.9,1.6,0.7,0.4,2.2}+F{0.28,0.18,0.24,0.3}",
    ]


def test_double_quoted_names(program):
    value, _ = likelihood(program, "22_spaces.fasta", "22b_double_quotes.nwk")
    assert value == pytest.approx(likelihood(program, "22_spaces.fasta", "22b_double_quotes.nwk")[0])
    lengths = read_one_tree(FILES / "22b_double_quotes.nwk", read_alignment(FILES / "22_spaces.fasta").taxa)[1]
    assert lengths.tolist() == [0.07] * 6 + [0.08] * 3


@pytest.mark.parametrize(
    "tree",
    [
        "05_mesquite.tre", "06_negative_tiny.trees", "07b_nested_comment_first.nwk", "08b_numbers_no_translate.trees",
        "08c_quoted_keys.trees",
    ],
)  # fmt: skip
def test_compare_with_the_same_topology(program, tree):
    status, out, err = program("compare", FILES / "base.nwk", FILES / tree, "--json", "-q")
    assert (status, err) == (0, "")
    assert json.loads(out)["max_split_difference"] == 0


def test_a_length_that_rounding_made_negative_is_zero():
    found = read_trees_with_lengths([FILES / "06_negative_tiny.trees"], TAXA)
    assert found.branch_lengths.min() == 0
    assert found.branch_lengths.shape == (4, 9)


def test_a_length_that_is_negative_costs_the_lengths_only(tmp_path):
    (tmp_path / "x.nwk").write_text("((A:0.07,B:-0.07):0.08,(C:0.07,D:0.07):0.08,(E:0.07,F:0.07):0.08);\n")
    with pytest.warns(InputWarning, match="negative"):
        assert read_trees_with_lengths([tmp_path / "x.nwk"], TAXA) is None
    assert read_trees([tmp_path / "x.nwk"], TAXA).n_trees == 1


def test_a_missing_semicolon_is_named(program):
    status, _, err = program("likelihood", FILES / "32_no_semicolon.nex", FILES / "base.nwk")
    assert status == 2
    assert "line 5: the MATRIX command has no closing semicolon before END (line 12)" in err


def test_a_lone_count_is_passed_over():
    assert read_trees([FILES / "15b_phylip_count.trees"], TAXA).weights.tolist() == [1, 1]


def test_numbers_of_the_taxa_block_are_names():
    labels = tuple("FEDCBA")
    first = read_one_tree(FILES / "08b_numbers_no_translate.trees", labels)[0].newick(labels)
    assert first == "(F,E,((D,C),(B,A)));"


@pytest.mark.parametrize(
    ("file", "taxa", "weights"),
    [("60_logcombiner_weights.trees", "ABCD", [0.9, 0.1]), ("61_phylip_weights.nwk", "ABCDE", [0.75, 0.25])],
)
def test_weights_of_trees(file, taxa, weights):
    assert read_trees([FILES / file], tuple(taxa)).weights.tolist() == weights


def test_a_number_that_is_no_weight_is_named(tmp_path):
    (tmp_path / "x").write_text("#NEXUS\nbegin trees;\ntree a [p = 0.5] = (A,B,(C,D));\nend;\n")
    with pytest.warns(InputWarning, match=r"line 3: .*'\[p = 0.5\]' .*weight"):
        read_trees([tmp_path / "x"], TAXA[:4])


def test_the_first_word_of_a_header_with_signs_replaced(program):
    value, _ = likelihood(program, "62_headers.fasta", "62_headers.treefile", "JC69")
    assert value == pytest.approx(-26.858751840503057)


def test_lengths_of_baliphy_are_scaled(tmp_path):
    (tmp_path / "C1.trees").write_text("(A:1,B:2,(C:1,D:1):1);\n(A:1,B:2,(C:1,D:1):1);\n")
    with pytest.warns(InputWarning, match=r"C1\.log"):
        bare = read_trees_with_lengths([tmp_path / "C1.trees"], TAXA[:4])
    assert bare.branch_lengths[:, 1].tolist() == [2, 2]
    (tmp_path / "C1.log").write_text("iter\tprior\tscale[1]\n0\t-1\t0.5\n1\t-1\t0.25\n")
    scaled = read_trees_with_lengths([tmp_path / "C1.trees"], TAXA[:4])
    assert scaled.branch_lengths[:, 1].tolist() == [1, 0.5]
    (tmp_path / "C1.log").write_text("iter\tprior\tscale[1]\n" + "".join(f"{i}\t-1\t{1 + i}\n" for i in range(11)))
    assert read_trees_with_lengths([tmp_path / "C1.trees"], TAXA[:4]).branch_lengths[:, 1].tolist() == [2, 22]


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("x.phy", "4 6\na AC{AG}TA\nb ACGTAC\nc ACGTAC\nd ACGTAC\n", "'a' has '{' at column 3"),
        ("x.fasta", ">a\nACG\x1bTA\n>b\nACGTA\n>c\nACGTA\n>d\nACGTA\n", r"'a' has '\\x1b' at column 4"),
        ("x.nex", "#NEXUS\nbegin data;\ndimensions ntax=4 nchar=2;\nformat datatype=mixed(DNA:1-1,Restriction:2-2);\n"
         "matrix\na AC\nb AC\nc AC\nd AC\n;\nend;\n", r"data type is 'mixed\(dna:1-1,restriction:2-2\)'"),
    ],
)  # fmt: skip
def test_the_sign_is_named(tmp_path, name, text, named):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=named):
        read_alignment(tmp_path / name)


def test_a_tilde_and_a_stray_line_are_named(tmp_path):
    path = tmp_path / "x.nex"
    rows = "a AC~\nb ACG\nc ACG\nd ACG\n"
    path.write_text(f"#NEXUS\nmade by hand\nbegin data;\ndimensions ntax=4 nchar=3;\nmatrix\n{rows};\nend;\n")
    with pytest.warns(InputWarning) as caught:
        alignment = read_alignment(path)
    texts = " ".join(str(warning.message) for warning in caught)
    assert "'made by hand' (line 2)" in texts
    assert "'~' is read as a gap" in texts
    assert alignment.state_sets[0].tolist() == [1, 2, 15]


@pytest.mark.parametrize("share", ["25%", "0.25", ".25"])
@pytest.mark.parametrize("option", ["--burn-in", "--burnin"])
def test_burn_in_has_one_name_and_both_spellings(program, tmp_path, share, option):
    trees = tmp_path / "x.nwk"
    trees.write_text("(A,B,(C,D));\n" * 4)
    assert program("compare", trees, trees, option, share, "--json", "-q")[0] == 0
    alignment = tmp_path / "x.fasta"
    alignment.write_text(
        "".join(f">{name}\n{row}\n" for name, row in zip("ABCD", ("AC", "AG", "CC", "CG"), strict=True))
    )
    assert program("support", alignment, "--trees", trees, option, share, "--coverage", trees, "-q")[0] == 0


def test_an_export_advises_names_that_cannot_collide():
    from vbpi_mix.analysis.export_formats import FORMATS

    endings = {ending for form in FORMATS.values() for ending in form.endings}
    written_by_sumt = {".mb.con.tre", ".mb.trprobs", ".mb.parts", ".mb.tstat", ".mb.vstat", ".mb.mcmc"}
    assert {".mb.t", ".mb.p"} <= endings
    assert not endings & written_by_sumt


@pytest.mark.parametrize(
    ("text", "same"),
    [
        (
            "GTR{0.5/2.0/1.0/1.2/0.1/1.0}+FU{0.3/0.2/0.2/0.3}+G4m{0.5}",
            "GTR{0.5,2.0,1.0,1.2,0.1}+F{0.3,0.2,0.2,0.3}+G4{0.5}",
        ),
        ("HKY{1.0/2.4}+FC+IU{0.1}+G4a{0.5}", "HKY{2.4}+F+I{0.1}+GA4{0.5}"),
        ("TVM{1,2,3,4}+FO{0.3,0.2,0.2,0.3}", "GTR{1,2,3,4,2}+F{0.3,0.2,0.2,0.3}"),
        ("SYM{1,2,3,4,5}", "GTR{1,2,3,4,5}+FQ"),
        ("TNe{2,3}+I{0.1}", "TN{2,3}+FQ+I{0.1}"),
        ("JC+R2{0.5/1.5}{0.5/0.5}", "JC+R2{0.5,0.5,0.5,1.5}"),
    ],
)
def test_model_strings_of_iqtree_and_raxml_ng(text, same):
    assert parse_model(text) == parse_model(same)


def test_free_rates_have_a_mean_of_one():
    rates = parse_model("JC+R3{0.2,0.1,0.3,2,0.5,3}").free_rates
    assert math.fsum(w for w, _ in rates) == pytest.approx(1)
    assert math.fsum(w * r for w, r in rates) == pytest.approx(1)
    with pytest.raises(ConfigError, match="weight and a rate"):
        parse_model("JC+R3{0.2,0.1,0.3,2,0.5}")
    with pytest.raises(ConfigError, match="frequencies of TIM2"):
        parse_model("TIM2{1,2,3}")


@pytest.mark.external("iqtree2")
@pytest.mark.parametrize(
    "model",
    [
        "K3Pu{1.5,2}+F{0.3,0.2,0.3,0.2}",
        "TPM3u{1.5,3}+F{0.3,0.2,0.3,0.2}+R2{0.4,0.5,0.6,1.3333333}",
        "TIM2e{0.5,2,1.7}+FQ+I{0.2}+G4{0.7}",
        "TVM{1.5,2.5,3.5,0.4}+F{0.3,0.2,0.3,0.2}+G4{0.5}",
    ],
)
def test_iqtree_finds_the_same_likelihood(program, tmp_path, model):
    import re
    import subprocess

    command = ["iqtree2", "-s", FILES / "base.fasta", "-st", "DNA", "-m", model, "-te", FILES / "base.nwk", "-blfix"]
    subprocess.run([*command, "-pre", tmp_path / "x", "-T", "1", "-quiet"], check=True, capture_output=True, timeout=60)
    theirs = re.search(r"Log-likelihood of the tree: (\S+)", (tmp_path / "x.iqtree").read_text())[1]
    assert likelihood(program, "base.fasta", model=model)[0] == pytest.approx(float(theirs), abs=2e-4)


def _standard(path, symbols, rows):
    matrix = "\n".join(f"{name} {row}" for name, row in zip("abcd", rows, strict=True))
    path.write_text(
        f'#NEXUS\nbegin data;\ndimensions ntax=4 nchar=4;\nformat datatype=standard symbols="{symbols}";\n'
        f"matrix\n{matrix}\n;\nend;\n"
    )
    return read_alignment(path)


@pytest.mark.parametrize("symbols", ["abc", "a b c", "a~c"])
def test_declared_symbols_are_the_states_in_their_order(tmp_path, symbols):
    """NEXUS: the first symbol is the first state; three symbols are no twelve states because they are letters."""
    found = _standard(tmp_path / "x.nex", symbols, ["aabc", "abac", "cba?", "bb(ab)-"])
    plain = _standard(tmp_path / "y.nex", "012", ["0012", "0102", "210?", "11(01)-"])
    assert found.data_type == plain.data_type
    assert len(found.data_type.states) == 3
    np.testing.assert_array_equal(found.state_sets, plain.state_sets)
    from_one = _standard(tmp_path / "z.nex", "123", ["1123", "1213", "321?", "22(12)-"])
    np.testing.assert_array_equal(from_one.state_sets, plain.state_sets)


def test_symbols_that_are_not_declared_are_named(tmp_path):
    with pytest.warns(InputWarning, match="SYMBOLS .*'01', .* 2"):
        alignment = _standard(tmp_path / "x.nex", "01", ["0012", "0112", "1000", "0001"])
    assert len(alignment.data_type.states) == 3
    with pytest.raises(InputError, match="differ in case only"):
        _standard(tmp_path / "x.nex", "aA", ["aaAA", "aaAA", "aaAA", "aaAA"])


@pytest.mark.parametrize(("count", "n"), [("3", 3), ("4 3", 3), ("5", 3), ("6 5", 3)])
def test_a_count_of_trees_that_is_not_theirs_is_named(tmp_path, count, n):
    (tmp_path / "x").write_text(f"{count}\n" + "(A,B,(C,D));\n" * n)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_trees([tmp_path / "x"], TAXA[:4]).weights.sum() == n
    texts = [str(warning.message) for warning in caught]
    assert [f"line 1 says 5 trees, but there are {n}" in text for text in texts] == [True] * count.endswith("5")
