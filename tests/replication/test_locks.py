import subprocess
import sys

import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.replication.locks import claim

HOLD = """
import sys
from pathlib import Path
from vbpi_mix.replication.locks import claim
with claim(Path(sys.argv[1])) as claimed:
    print(claimed, flush=True)
    sys.stdin.read()
"""


def test_one_process_holds_a_claim_and_its_end_frees_it(tmp_path):
    path = tmp_path / "a.lock"
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"mine\n"
    with claim(path) as claimed:
        assert claimed == "taken"
    other.kill()  # without any chance to clean up
    other.wait()
    with claim(path, wait=True) as claimed:
        assert claimed == "mine"


def test_two_claims_on_different_files(tmp_path):
    with claim(tmp_path / "a") as first, claim(tmp_path / "b") as second:
        assert (first, second) == ("mine", "mine")


def test_file_systems_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with claim(tmp_path / "a") as claimed:
        assert claimed == "unknown"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot write"), claim(tmp_path / "no" / "a"):
        pass
