import json
import sys

import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.cli.main import main


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fit")
    alignment, trees = write_example(folder)
    options = ["--iterations", "60", "--components", "2", "--sampled", "1", "--particles", "4", "--seed", "3", "-q"]
    command = ["vbpi-mix", "fit", str(alignment), "-o", str(folder / "run"), "--trees", str(trees), *options]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit):
            main()
    return folder / "run"


def test_files_and_effective_sample_size(program, fitted, tmp_path):
    status, out, err = program("export", fitted, "-o", tmp_path / "out", "-n", 100)
    assert status == 0, err
    assert "100 equally weighted trees written" in out
    assert "effective sample size" in out
    assert (tmp_path / "out" / "posterior.mb.t").is_file()
    assert "draws: 4,000 of 4,000" in err
    status, out, err = program(
        "export", fitted, "-o", tmp_path / "w", "-n", 100, "--weighted", "--format", "log,trprobs", "--json", "-q"
    )
    assert status == 0, err
    assert err == ""
    values = json.loads(out)
    assert values["files"] == ["weighted.trprobs", "weighted.log"]
    assert values["weighted"]
    assert values["n_trees"] == values["n_draws"] == 100


def test_few_draws_are_said_to_be_few(program, fitted, tmp_path):
    status, _, err = program("export", fitted, "-o", tmp_path / "o", "-n", 2000, "--oversampling", 1, "--format", "log")
    assert status == 0
    assert "--oversampling" in err


def test_errors_are_one_line_and_leave_nothing(program, fitted, tmp_path):
    out = tmp_path / "out"
    cases = [
        (("export", fitted, "-o", out, "--format", "tres"), "did you mean 'trees'"),
        (("export", fitted, "-o", out, "--weighted", "--format", "mrbayes"), "holds no weights"),
        (("export", fitted, "-o", tmp_path / "a" / "b"), "no such folder"),
        (("export", tmp_path / "absent", "-o", out), "no such folder"),
        (("export", fitted), "--output"),
        (("export", fitted, "-o", out, "-n", 0), "--number"),
    ]
    for arguments, expected in cases:
        status, stdout, err = program(*arguments)
        assert status == 2, (arguments, err)
        lines = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, (arguments, err)
        assert expected in lines[0], (arguments, lines)
        assert stdout == ""
        assert list(tmp_path.iterdir()) == []


def test_help_has_an_example(program):
    status, out, _ = program("export", "--help")
    assert status == 0
    assert "Example: vbpi-mix export" in out
