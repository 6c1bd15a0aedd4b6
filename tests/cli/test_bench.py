"""`vbpi-mix bench` as a user runs it."""

import sys

import pytest

from vbpi_mix.cli.main import main
from vbpi_mix.experiment.bench import toy_timing


@pytest.fixture
def program(monkeypatch, capsys):
    """Run the program; returns (exit status, stdout, stderr)."""
    monkeypatch.setattr(toy_timing, "CASES", tuple({**case, "steps": 2} for case in toy_timing.CASES))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["vbpi-mix", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return exit_.value.code or 0, captured.out, captured.err

    return run


def test_toy(program, tmp_path):
    arguments = ("bench", "toy", "-o", tmp_path / "new" / "toy", "--scale", "small", "--iterations", 20)
    status, out, err = program(*arguments, "--rows", "s2a:1:2", "--rows", "s2s:1:2", "--seeds", 1)
    assert status == 0, err
    assert "Exact log evidence -39.18868" in out
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
    _, out, _ = program("bench", "--help")
    assert "toy" in out
