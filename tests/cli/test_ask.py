import json

import pytest

from tests.cli.test_commands import FAST, example  # noqa: F401


@pytest.fixture
def run(program, example, tmp_path):  # noqa: F811
    alignment, trees = example
    folder = tmp_path / "run"
    status, _, err = program("fit", alignment, "-o", folder, "--trees", trees, *FAST, "-q")
    assert status == 0, err
    return folder


def test_questions_and_answers(program, run, tmp_path):
    tree = tmp_path / "tree.nwk"
    tree.write_text("((t0,t1),('taxon 2',t3),(t4,t5));\n")
    wide = tmp_path / "wide.nwk"
    wide.write_text("((t0,t1,'taxon 2'),t3,t4,t5);\n")
    questions = (
        "--clade", "t0,taxon 2", "--quartet", "t0,t1,t3,t4", "--tree", tree,
        "--constraint", "((t0,t1),t3,t4);", "--constraint", "not ((t0,t3),t1,'taxon 2',t4,t5);",
    )  # fmt: skip
    status, out, err = program("ask", run, *questions, "--repeats", 2, "--json", "-q")
    assert status == 0, err
    answers = json.loads(out)["answers"]
    assert [round(a["prior"], 4) for a in answers] == [0.1429, 0.3333, 0.3333, 0.3333, 0.0095, 0.3333, 0.8571, 0.3333]
    assert answers[-1]["question"] == "all constraints together"
    assert sum(a["probability"] for a in answers[1:4]) == pytest.approx(1)
    assert all(0 <= a["low"] <= a["probability"] <= a["high"] <= 1 for a in answers)
    assert 0 <= answers[4]["credible_level"] <= 1

    status, out, err = program("ask", run, *questions, "--repeats", 2, "-q")
    assert status == 0, err
    assert out.count("prior probability") == len(answers)
    assert "given the alignment example.fasta, the model" in out

    status, out, err = program("ask", run, "--repeats", 2, "-q")
    assert status == 0, err
    for words in ("credible set", "most probable topology", "nearest to all others", "rogue taxa"):
        assert words in out

    for suffix, beginning in ((".nwk", "(t0:"), (".nex", "#NEXUS")):
        path = tmp_path / f"annotated{suffix}"
        status, out, err = program("ask", run, "--on", wide, "-o", path, "--repeats", 2, "-q")
        assert status == 0, err
        assert path.read_text().startswith(beginning)


def test_what_cannot_be_asked(program, run, tmp_path):
    small = tmp_path / "small.nwk"
    small.write_text("((t0,t1),t3,t4);\n")
    for arguments, expected in (
        (("--clade", "t0,t9"), "no taxon 't9'"),
        (("--clade", "t0"), "every tree has this split"),
        (("--clade", "t0,t0"), "there twice"),
        (("--quartet", "t0,t1,t3"), "give four taxa, not 3"),
        (("--constraint", tmp_path / "absent"), "no such file"),
        (("--on", small), "lacks"),
        (("-o", tmp_path / "x"), "--on"),
        (("--fit", tmp_path / "fits"), "needs a question"),
    ):
        status, out, err = program("ask", run, *arguments, "-q")
        assert status == 2, arguments
        assert expected in err
        assert out == ""
    assert not (tmp_path / "fits").exists()


def test_constrained_fits_of_a_question(program, run, tmp_path):
    fits = tmp_path / "fits"
    arguments = ("ask", run, "--clade", "t0,t1", "--fit", fits, "--repeats", 2, "-q", "--json")
    status, out, err = program(*arguments)
    assert status == 0, err
    values = json.loads(out)
    found = values["constrained_fits"][0]
    assert found["log_bayes_factor"] == pytest.approx(found["log_ml_with"] - found["log_ml_without"])
    assert found["method"] == "fits"
    free = values["answers"][0]
    if free["resolved"]:
        error = (free["log_bayes_factor_se"] ** 2 + found["log_bayes_factor_se"] ** 2) ** 0.5
        assert abs(free["log_bayes_factor"] - found["log_bayes_factor"]) < 5 * error + 0.1
    assert program(*arguments)[1] == out  # the fits that are there are used again
