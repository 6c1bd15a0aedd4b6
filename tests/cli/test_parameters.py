"""A model whose parameters are inferred, from the fit to the comparison with another program's files."""

import json

import pytest

from tests.cli.test_commands import FAST, example  # noqa: F401

NAMES = ["TL", "kappa", "pi(A)", "pi(C)", "pi(G)", "pi(T)", "alpha"]


@pytest.fixture
def runs(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    found = []
    for seed in (3, 4):
        folder = tmp_path / f"run{seed}"
        options = ("--model", "HKY+G4", "--seed", seed)
        status, out, err = program("fit", alignment, "-o", folder, "--trees", trees, *FAST, *options, "-q")
        assert status == 0, err
        found.append((folder, out))
    return found


def test_every_command_knows_the_parameters(program, runs, tmp_path):
    (run, printed), (other, _) = runs
    for name in ("95% interval", *NAMES):
        assert name in printed
    values = json.loads((run / "evaluation.json").read_text())["parameters"]
    assert list(values) == NAMES
    for numbers in values.values():
        assert numbers["hpd_low"] <= numbers["median"] <= numbers["hpd_high"]
    rows = (run / "posterior" / "parameters.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == NAMES
    assert float(rows[2].split("\t")[1]) == pytest.approx(values["kappa"]["mean"], rel=1e-5)

    status, out, err = program("evaluate", run, "--samples", 500, "--repeats", 4, "--json", "-q")
    assert status == 0, err
    again = json.loads(out)["parameters"]
    assert list(again) == NAMES
    assert again["pi(A)"]["mean"] == pytest.approx(values["pi(A)"]["mean"], abs=3 * values["pi(A)"]["sd"])
    status, out, _ = program("evaluate", run, "--samples", 100, "--repeats", 2, "-q")
    assert "95% interval" in out

    status, out, err = program("diagnose", run, other, "--repeats", 1, "--json", "-q")
    assert status == 0, err
    content = json.loads(out)
    assert content["runs"][0]["diagnostics"]["parameters"]["value"] > 1
    assert content["runs"][0]["diagnostics"]["neighbour_mass"]["value"] is not None
    assert content["agreement"]["max_parameter_difference"]["value"] > 0

    files = tmp_path / "files"
    status, _, err = program("export", run, "-o", files, "-n", 400, "--format", "mrbayes,log", "-q")
    assert status == 0, err
    assert (files / "posterior.mb.p").read_text().splitlines()[1].split("\t") == ["Gen", "LnL", "LnPr", *NAMES]
    status, out, err = program("compare", run, files / "posterior.mb.t", "--json", "-q")
    assert status == 0, err
    compared = json.loads(out)
    assert list(compared["parameters"]) == NAMES
    assert compared["max_parameter_difference"] < 1
    status, out, _ = program("compare", run, files / "posterior.mb.t", "-q")
    assert "sd apart" in out
    assert "largest difference of a parameter" in out


def test_a_fixed_model_has_none_to_speak_of(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    status, out, err = program("fit", alignment, "-o", tmp_path / "run", "--trees", trees, *FAST, "-q")
    assert status == 0, err
    assert "95% interval" not in out
    assert "parameters" not in json.loads((tmp_path / "run" / "evaluation.json").read_text())
    rows = (tmp_path / "run" / "posterior" / "parameters.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in rows[1:]] == ["TL"]
    status, out, err = program("diagnose", tmp_path / "run", "--repeats", 1, "--no-neighbours", "--json", "-q")
    assert status == 0, err
    assert "parameters" not in json.loads(out)["runs"][0]["diagnostics"]
    status, out, _ = program("evaluate", tmp_path / "run", "--samples", 100, "--repeats", 2, "-q")
    assert "95% interval" not in out


def test_parts_of_an_alignment_have_parameters_by_name(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    parts, run = tmp_path / "parts.txt", tmp_path / "run"
    parts.write_text("HKY, first = 1-100\nJC, second = 101-200\n")
    options = ("--partitions", parts, "--prior", "ratio=beta(2,2)", *FAST, "-q")
    status, out, err = program("fit", alignment, "-o", run, "--trees", trees, *options)
    assert status == 0, err
    rows = (run / "posterior" / "parameters.tsv").read_text().splitlines()
    names = ["TL", "kappa{first}", *(f"pi({x}){{first}}" for x in "ACGT"), "m{first}", "m{second}"]
    assert [row.split("\t")[0] for row in rows[1:]] == names
    assert all(name in out for name in names)
    page = (run / "report.html").read_text()
    for words in ("Model of first", "Model of second", "models of 2 parts", "beta(2,2)", "Prior of rates of parts"):
        assert words in page
    status, _, err = program("export", run, "-o", tmp_path / "files", "-n", 50, "--format", "log", "-q")
    assert status == 0, err
    heading = next(x for x in (tmp_path / "files" / "posterior.log").read_text().splitlines() if x[0] != "#")
    assert heading.split("\t")[4:] == ["tree_length", *names[1:], "component"]
