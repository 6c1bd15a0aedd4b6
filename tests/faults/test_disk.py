"""A disk that is full: one error line, nothing half-written, and `--resume` goes on once there is room.

The limit of file sizes (RLIMIT_FSIZE) stands for the disk: a write beyond it fails as one on a full disk does.
"""

import json
import subprocess
import sys

import pytest

from tests.faults.kills import ALIGNMENT, differences_of_fits
from vbpi_mix.errors import InputError
from vbpi_mix.writing import append_line, atomic_write

_LIMITED = (
    "import resource, sys; n = int(sys.argv.pop(1)); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)); "
    "from vbpi_mix.cli.main import main; main()"
)
_WORDS = ("fit", str(ALIGNMENT), "--bootstrap-replicates", "3", "--iterations", "200", "--threads", "1", "-q")


def program(*words, most=None):
    start = ["-m", "vbpi_mix"] if most is None else ["-c", _LIMITED, str(most)]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk") / "whole"
    assert program(*_WORDS, "-o", folder).returncode == 0
    return folder


_MORE = [pytest.param(most, marks=pytest.mark.slow) for most in (100, 10_000)]


@pytest.mark.parametrize("most", [2_000, 40_000, *_MORE])
def test_a_fit_on_a_full_disk(tmp_path, whole, most):
    """Which file is the first that does not fit depends on the limit: settings, inputs, checkpoint, posterior."""
    folder = tmp_path / "run"
    run = program(*_WORDS, "-o", folder, most=most)
    assert run.returncode == 2, run.stderr
    errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "cannot write" in errors[0]
    assert "File too large" in errors[0]
    assert "Traceback" not in run.stderr
    assert not [path for path in folder.rglob("*") if path.suffix in (".tmp", ".partial", ".lock")]
    resume = ["--resume"] if (folder / "config.toml").exists() else []
    again = program(*_WORDS, "-o", folder, *resume)
    assert again.returncode == 0, again.stderr
    assert differences_of_fits(whole, folder) == []


@pytest.mark.parametrize(
    "words", [("sample", "-n", "500"), ("report",), pytest.param(("export", "-n", "500"), marks=pytest.mark.slow)]
)
def test_other_commands_on_a_full_disk(tmp_path, whole, words):
    files = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    out = tmp_path / "out"
    extra = ["-o", out / "page.html"] if words[0] == "report" else ["-o", out]
    if words[0] == "report":
        out.mkdir()
    run = program(words[0], whole, *words[1:], *extra, most=500)
    assert run.returncode == 2, run.stderr
    assert run.stderr.count("error: ") == 1
    assert "Traceback" not in run.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == files


def test_a_limit_is_met_while_writing_or_closing(tmp_path):
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000));"
        "from pathlib import Path; from vbpi_mix.writing import atomic_write, append_line;"
        "from vbpi_mix.errors import InputError; path = Path(sys.argv[1])\n"
        "for size in (6000, 2_000_000):\n"
        "    for mode, unit in (('w', 'x'), ('wb', b'x')):\n"
        "        try:\n"
        "            with atomic_write(path / 'file', mode) as file: file.write(unit * size)\n"
        "        except InputError as error: print(error)\n"
        "try: append_line(path / 'lines', 'x' * 6000)\n"
        "except InputError as error: print(error)\n"
    )
    (tmp_path / "file").write_text("old")
    run = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert run.stdout.count("File too large") == 5
    assert (tmp_path / "file").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lines"]


def test_names_of_the_longest_length_and_of_other_encodings(tmp_path):
    path = tmp_path / ("n" * 250 + ".txt")
    with atomic_write(path) as file:
        file.write("name \udcff\n")
    assert path.read_text(encoding="utf-8") == "name \\udcff\n"
    append_line(path, json.dumps({"iteration": 1}))
    with pytest.raises(InputError, match="File name too long"), atomic_write(tmp_path / ("n" * 300)) as file:
        file.write("x")


def test_links_are_not_written_through(tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InputError, match="cannot write"):
        append_line(tmp_path / "link", "x")
    with atomic_write(tmp_path / "link") as file:
        file.write("yours")
    assert target.read_text() == "mine"
    assert (tmp_path / "link").read_text() == "yours"
