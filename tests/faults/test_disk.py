"""A disk that is full: one error line, nothing half-written, and `--resume` goes on once there is room.

The limit of file sizes (RLIMIT_FSIZE) stands for the disk: a write beyond it fails as one on a full disk does.
"""

import subprocess
import sys

import pytest

from tests.faults.kills import ALIGNMENT, differences_of_fits

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
