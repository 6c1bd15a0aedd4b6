"""Workers do not outlive a master that is killed."""

import subprocess
import sys
import time
from pathlib import Path

_MASTER = (
    "import os, sys, time\n"
    "from vbpi_mix.batch.pool import run_in_processes\n"
    "def prepare():\n"
    "    def sleep(task):\n"
    "        open(task, 'w').write(str(os.getpid()))\n"
    "        time.sleep(60)\n"
    "    return sleep\n"
    "if __name__ == '__main__':\n"
    "    list(run_in_processes([sys.argv[1]], 1, prepare=prepare))\n"
)


def test_a_worker_ends_with_its_master(tmp_path):
    script, told = tmp_path / "master.py", tmp_path / "pid"
    script.write_text(_MASTER)
    master = subprocess.Popen([sys.executable, script, told])
    pid = _wait_for(lambda: told.exists() and told.read_text())
    assert Path(f"/proc/{pid}").exists()
    master.kill()
    master.wait()
    assert _wait_for(lambda: not _alive(pid), seconds=20)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_for(what, seconds=300):
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
