"""The pool with tasks that answer, die once, die always, or grow: no inference."""

import os
import signal
import sys
import time

import pytest

from vbpi_mix.batch.locus import LocusTask
from vbpi_mix.batch.options import Locus, LocusOptions
from vbpi_mix.batch.pool import run_in_processes
from vbpi_mix.batch.table import Row


def act(task):
    """What the name of the locus says."""
    name = task.locus.name
    mark = task.output / name
    tries = len(mark.read_text()) if mark.exists() else 0
    mark.write_text("x" * (tries + 1))
    if name.startswith("always") or (name.startswith("once") and tries == 0):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("large"):
        room = bytearray(1000 * 2**20)
        room[:: 2**12] = b"x" * len(room[:: 2**12])
        time.sleep(60)
    return Row(locus=name, level="good", taxa=os.getpid())


def prepare():
    return act


def tasks(folder, *names):
    return [LocusTask(locus=Locus(name=name, path=folder, options=LocusOptions()), output=folder) for name in names]


def test_a_death_costs_only_its_task(tmp_path):
    names = [f"good{i}" for i in range(12)] + ["once1", "once2", "always"]
    rows = {r.locus: r for r in run_in_processes(tasks(tmp_path, *names), 2, tries=3, prepare=prepare)}
    assert rows.keys() == set(names)
    assert [name for name, row in rows.items() if row.failed] == ["always"]
    assert rows["always"].error == "its process was killed by signal 9, 3 times"
    assert [len((tmp_path / name).read_text()) for name in ("good0", "once1", "always")] == [1, 2, 3]


def test_processes_stay_warm(tmp_path):
    rows = list(run_in_processes(tasks(tmp_path, *(f"good{i}" for i in range(20))), 2, prepare=prepare))
    assert len({row.taxa for row in rows}) <= 2


def test_fewer_tasks_than_processes(tmp_path):
    assert len(list(run_in_processes(tasks(tmp_path, "good"), 4, prepare=prepare))) == 1
    assert list(run_in_processes([], 2, prepare=prepare)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="memory of processes is read from /proc")
def test_a_process_that_grows_is_ended(tmp_path):
    rows = {
        r.locus: r for r in run_in_processes(tasks(tmp_path, "large", "good"), 2, memory=900 * 2**20, prepare=prepare)
    }
    assert rows["large"].error == "used more than 900 MiB of memory"
    assert not rows["good"].failed
