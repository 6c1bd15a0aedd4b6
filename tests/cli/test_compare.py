import json

import numpy as np
import pytest

from tests.cli.test_commands import FAST, example  # noqa: F401


@pytest.fixture
def run(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    folder = tmp_path / "run"
    assert program("fit", alignment, "-o", folder, "--trees", trees, *FAST, "-q")[0] == 0
    return folder


def test_a_run_against_its_own_sample_and_tables(program, run, tmp_path):
    sample = run / "posterior" / "sample.trees"
    plot, table = tmp_path / "plot.svg", tmp_path / "table.tsv"
    status, out, err = program(
        "compare", run, sample, sample, "--burnin", "25%", "--stepping-stone", "-700", "--stepping-stone-error", "0.1",
        "--plot", plot, "--table", table, "--json", "-q",
    )  # fmt: skip
    assert status == 0, err
    values = json.loads(out)
    assert values["asdsf"] < 0.05
    assert values["reference_asdsf"] == 0
    assert values["reference"]["trees"] == 1500
    assert values["length_distance_relative"] < 0.3
    assert values["log_ml_difference"] == pytest.approx(values["log_ml_first"] + 700)
    assert set(values["definitions"]) <= set(values)
    assert plot.read_text().startswith("<?xml")
    rows = table.read_text().splitlines()
    assert rows[0].split("\t") == ["first", "reference", "difference", "taxa"]
    first, reference = np.loadtxt(table, skiprows=1, usecols=(0, 1)).T
    assert np.abs(first - reference).max() < 0.1

    for file, kind in (("splits.tsv", "splits"), ("topologies.tsv", "trees")):
        status, out, err = program("compare", run, run / "posterior" / file, "--json", "-q")
        assert status == 0, err
        values = json.loads(out)
        assert values["reference"]["kind"] == kind
        assert values["max_split_difference"] < 1e-5  # the tables are rounded, the draws are the same
    assert values["kl_topologies"] == pytest.approx(0, abs=1e-4)
    assert values["kl_topologies_of_q"] >= 0

    status, out, _ = program("compare", run, run, "-q")
    assert status == 0
    assert "they differ by 0.000" in out
    assert "ASDSF" in out
    assert "what the numbers are" in out


def test_two_samples_in_other_orders_of_taxa(program, tmp_path):
    first, second = tmp_path / "a.nwk", tmp_path / "b.nwk"
    first.write_text("((a:1,b:1):1,c:1,(d:1,e:1):1);\n" * 3 + "((a:1,c:1):1,b:1,(d:1,e:1):1);\n")
    second.write_text("((e:1,d:1):1,c:1,(b:1,a:1):1);\n")
    status, out, err = program("compare", first, second, "--json")
    assert status == 0, err
    values = json.loads(out)
    assert values["max_split_difference"] == pytest.approx(0.25)
    assert values["tv_topologies"] == pytest.approx(0.25)
    assert values["kl_topologies"] == pytest.approx(np.log(4 / 3))
    assert values["length_distance"] == 0
    assert "log_ml_difference" not in values


def test_a_run_with_its_taxa_in_another_order(program, run, tmp_path):
    """The same posterior from an alignment whose rows are reversed agrees with the run in everything but noise."""
    rows = (tmp_path / "example.fasta").read_text().split(">")[1:]
    (tmp_path / "reversed.fasta").write_text("".join(f">{row}" for row in reversed(rows)))
    other = tmp_path / "other"
    trees = tmp_path / "candidates.nwk"
    assert program("fit", tmp_path / "reversed.fasta", "-o", other, "--trees", trees, *FAST, "-q")[0] == 0
    status, out, err = program("compare", run, other, "--json", "-q")
    assert status == 0, err
    values = json.loads(out)
    assert values["asdsf"] < 0.05
    assert values["length_distance_relative"] < 0.3
    assert values["log_ml_difference"] == pytest.approx(0, abs=0.5)


def test_errors(program, run, tmp_path):
    other = tmp_path / "other.nwk"
    other.write_text("((a:1,b:1):1,c:1,(d:1,e:1):1);\n")
    splits = run / "posterior" / "splits.tsv"
    cases = [
        ((run, other), "taxa are not those of the alignment"),
        ((run, tmp_path / "absent.t"), "there is no such file"),
        ((run, run, other), "one folder as the reference"),
        ((run, splits, splits), "give it alone"),
        ((run, splits, "--burnin", "25%"), "no burn-in to leave out"),
        ((splits, splits), "two tables of splits"),
        ((run, other, "--burnin", "100%"), "25% or 0.25"),
        ((other, other, "--stepping-stone", "-5"), "put the run first"),
        ((run, other, "--stepping-stone-error", "1"), "--stepping-stone"),
        ((run, other, "--plot", "x.doc"), ".svg"),
    ]
    for arguments, expected in cases:
        status, out, err = program("compare", *arguments, "-q")
        assert status == 2, (arguments, err)
        assert expected in err, (arguments, err)
        assert out == ""
