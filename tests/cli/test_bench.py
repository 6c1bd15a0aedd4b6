"""`vbpi-mix bench` as a user runs it."""

import json
import os
import signal
from functools import partial

import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.replication.table3 import run as table3
from vbpi_mix.replication.table3.timing import operation_costs
from vbpi_mix.replication.toy import run as toy
from vbpi_mix.replication.toy.timing import CASES, time_rows


@pytest.fixture(autouse=True)
def few_timings(monkeypatch):
    monkeypatch.setattr(table3, "operation_costs", partial(operation_costs, n_blocks=3))
    monkeypatch.setattr(toy, "time_rows", partial(time_rows, cases=[{**case, "steps": 2} for case in CASES]))


def test_toy(program, tmp_path):
    arguments = ("bench", "toy", "-o", tmp_path / "new" / "toy", "--scale", "small", "--iterations", 20)
    status, out, err = program(*arguments, "--rows", "s2a:1:2", "--rows", "s2s:1:2", "--seeds", 1)
    assert status == 0, err
    assert "Exact log marginal likelihood -39.18868" in out
    assert "| S2S S=1 A=2 |" in out
    assert "S2A S=1 A=2, seed 1: 20 of 20" in err
    assert (tmp_path / "new" / "toy" / "figure_03.png").is_file()


def test_train_only_and_quiet(program, tmp_path):
    status, out, err = program(
        "bench", "toy", "-o", tmp_path, "--iterations", 5, "--rows", "a2a:2:2", "--seeds", 1, "--train-only", "-q"
    )
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == [f"  {tmp_path / 'models' / 'a2a_2_2_seed1.json'}"]
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "--output"),
        (("-o", "{}/x", "--rows", "s2a"), "ESTIMATOR:S:A"),
        (("-o", "{}/x", "--rows", "a2a:1:5"), "all 5 components"),
        (("-o", "{}/x", "--scale", "huge"), "paper, small"),
        (("-o", "{}/x", "--seeds", 0), "at least 1"),
        (("-o", "{}/x", "--latents", "no"), "per-point"),
        (("-o", "{}/file/x"), "cannot make the folder"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(program, tmp_path, arguments, expected):
    (tmp_path / "file").write_text("")
    status, out, err = program("bench", "toy", *(str(a).format(tmp_path) for a in arguments))
    assert status == 2, err
    assert [line.startswith("error: ") for line in err.splitlines()] == [True], err
    assert expected in err
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_help(program):
    status, out, _ = program("bench", "toy", "--help")
    assert status == 0
    assert "Example: vbpi-mix bench toy" in out
    for command in ("table3", "render"):
        _, out, _ = program("bench", command, "--help")
        assert f"Example: vbpi-mix bench {command}" in out
    _, out, _ = program("bench", "--help")
    assert "toy" in out


SMALL = ("--seeds", 1, "--flow", "skew", "--iterations", 60, "--repeats", 2)


@pytest.fixture
def example(tmp_path):
    return write_example(tmp_path)


def test_table3_and_its_tables(program, example, tmp_path):
    alignment, trees = example
    folder = tmp_path / "table"
    command = (
        "bench",
        "table3",
        "--data",
        alignment,
        "--trees",
        trees,
        "--rows",
        "1,1,A2A;2,1,S2A",
        *SMALL,
        "-o",
        folder,
    )
    status, out, err = program(*command, "--starts-only", "--first-seed", 2)
    assert status == 0, err
    assert out.splitlines() == [str(folder / "starts" / "example_seed2.npz")]
    assert not (folder / "models").exists()
    status, out, err = program(*command)
    assert status == 0, err
    assert out.splitlines() == [
        "2 of 2 models have their record",
        f"tables and pictures: vbpi-mix bench render {folder}",
    ]
    assert "example_A2_S1_s2a_seed1_default_skew: training: 60 of 60" in err
    record = json.loads((folder / "models" / "example_A2_S1_s2a_seed1_default_skew.json").read_text())
    assert "--data example.fasta --trees candidates.nwk --rows '1,1,A2A;2,1,S2A'" in record["result"]["command"]
    status, out, err = program(*command, "-q")
    assert (status, err, out.splitlines()[0]) == (0, "", "2 of 2 models have their record")

    status, out, err = program("bench", "render", folder)
    assert (status, err) == (0, "")
    assert out.splitlines()[1] == f"  {folder / 'table3.md'}"
    assert "| S2A | 2 | 1 | 1 | 2 | " in (folder / "table3.md").read_text()
    assert (folder / "evidence.png").is_file()
    status, out, _ = program("bench", "render", folder / "models", "-o", tmp_path / "elsewhere")
    assert status == 0
    assert (tmp_path / "elsewhere" / "table3.tex").is_file()


def test_table3_in_a_fleet(program, example, tmp_path):
    alignment, trees = example
    command = ("bench", "table3", "--data", alignment, "--trees", trees, "--rows", "1,1,A2A;2,1,S2A", *SMALL)
    status, out, err = program(*command, "--fleet", 2, "-o", tmp_path / "together")
    assert status == 0, err
    assert out.splitlines()[0] == "2 of 2 models have their record"
    assert "2 models are trained together by PyTorch on the CPU, which is slower" in err
    assert "example_A2_S1_s2a_seed1_default_skew: training: 60 of 60" in err
    assert program(*command, "-o", tmp_path / "alone", "-q")[0] == 0
    name = "models/example_A2_S1_s2a_seed1_default_skew.json"
    ours, theirs = (json.loads((tmp_path / f / name).read_text())["result"] for f in ("together", "alone"))
    assert ours["curve"]["bound"] == pytest.approx(theirs["curve"]["bound"], abs=1e-6)
    assert (ours["trained"], theirs["trained"]) == (
        {"together": 2, "device": "cpu"},
        {"together": 1, "device": "cpu"},
    )
    assert program("bench", "render", tmp_path / "together")[0] == 0
    assert "Up to 2 models were trained together" in (tmp_path / "together" / "table3.md").read_text()
    assert program("bench", "render", tmp_path / "alone")[0] == 0
    assert "trained together" not in (tmp_path / "alone" / "table3.md").read_text()


def test_table3_stopped(program, example, tmp_path, monkeypatch):
    alignment, trees = example
    command = (
        "bench",
        "table3",
        "--data",
        alignment,
        "--trees",
        trees,
        "--rows",
        "1,1,A2A",
        *SMALL,
        "-o",
        tmp_path / "t",
    )

    def stop(*_, **__):
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as changed:
        changed.setattr(table3, "evaluate_model", stop)
        status, out, err = program(*command, "-q")
    assert (status, out) == (143, "")
    assert err == "warning: stopped; 0 models have their record: the same command goes on\n"
    status, out, _ = program(*command, "-q")
    assert (status, out.splitlines()[0]) == (0, "1 of 1 models have their record")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--rows", "3,3,S2A"), "Table 3 has no row s2a:3:3"),
        (("--rows", "S2A;4,1,S2A"), "row s2a:1:4 is given twice"),
        (("--data", "DS9"), "did you mean"),
        (("--seeds", 0), "at least 1"),
        (("--recipe", "best"), "unknown recipe 'best'"),
        (("--flow", "spline"), "unknown flow 'spline'"),
        (("--iterations", 0), "n_iterations"),
        (("--trees", "{}/none"), "no such file or folder"),
        (("--trees", "{}/file"), "one file for 8 data sets"),
        (("--references", "{}/none"), "no such folder"),
        (("--set", "particels=5"), "unknown setting 'particels'"),
        (("--set", "seed=5"), "decided by --seeds"),
        (("--label", "a/b"), "letters, digits"),
        (("--repeats", 1), "at least 2"),
        (("--fleet", 0), "--fleet"),
        (("--fleet", 4, "--starts-only"), "--starts-only trains nothing"),
        (("--device", "gpu"), "choose one of cpu, cuda, auto"),
        (("--data", "DS1", "-o", "{}/file/x"), "cannot make the folder"),
    ],
)
def test_mistakes_of_table3(program, tmp_path, arguments, expected):
    (tmp_path / "file").write_text("")
    status, out, err = program("bench", "table3", "-o", tmp_path / "x", *(str(a).format(tmp_path) for a in arguments))
    assert status == 2, err
    assert [line.startswith("error: ") for line in err.splitlines()] == [True], err
    assert expected in err
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_mistakes_of_render(program, tmp_path):
    toy = (
        "bench",
        "toy",
        "-o",
        tmp_path / "toy",
        "--iterations",
        5,
        "--rows",
        "a2a:2:2",
        "--seeds",
        1,
        "--train-only",
        "-q",
    )
    assert program(*toy)[0] == 0
    (tmp_path / "empty").mkdir()
    for folder, expected in (
        ("toy", "vbpi-mix bench toy -o"),
        ("empty", "holds no records yet"),
        ("none", "no such folder"),
    ):
        status, out, err = program("bench", "render", tmp_path / folder, "-o", tmp_path / "out")
        assert (status, out) == (2, "")
        assert [line.startswith("error: ") for line in err.splitlines()] == [True], err
        assert expected in err
    assert not (tmp_path / "out").exists()
