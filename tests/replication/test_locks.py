import subprocess
import sys

import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.replication.locks import hold_lock

HOLD = """
import sys
from pathlib import Path
from vbpi_mix.replication.locks import hold_lock
with hold_lock(Path(sys.argv[1])) as state:
    print(state, flush=True)
    sys.stdin.read()
"""


def test_one_process_holds_a_claim_and_its_end_frees_it(tmp_path):
    path = tmp_path / "a.lock"
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"mine\n"
    with hold_lock(path) as state:
        assert state == "taken"
    other.kill()  # without any chance to clean up
    other.wait()
    with hold_lock(path, wait=True) as state:
        assert state == "mine"


def test_two_claims_on_different_files(tmp_path):
    with hold_lock(tmp_path / "a") as first, hold_lock(tmp_path / "b") as second:
        assert (first, second) == ("mine", "mine")


def test_file_systems_without_locks(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with hold_lock(tmp_path / "a") as state:
        assert state == "unknown"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot write"), hold_lock(tmp_path / "no" / "a"):
        pass
