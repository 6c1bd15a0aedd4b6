"""One process a run folder."""

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import vbpi_mix as vm
from tests.experiment.simulated import write_example
from tests.faults.kills import ALIGNMENT, STAGES, command
from vbpi_mix.errors import ConfigError, InputWarning
from vbpi_mix.experiment.lock import LOCK, hold

PAIRS = int(os.environ.get("VBPI_MIX_PAIRS", "1"))
_HOLDER = (
    "import sys, time; from pathlib import Path; from vbpi_mix.experiment.lock import hold\n"
    "with hold(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", _HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_process_is_refused_and_told_who_the_first_is(tmp_path, holder):
    with (
        pytest.raises(ConfigError, match=f"process {holder.pid} on"),
        hold(tmp_path),
    ):
        pass


def test_a_killed_process_leaves_no_lock_and_its_scratch_files_go(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    for name in (".0123456789abcdef.tmp", "checkpoint.pt.partial", ".config.toml.01234567.tmp"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".0123456789ab.tmp").mkdir()
    (tmp_path / ".mine.tmp").write_text("x")
    with hold(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} on ")
    assert [path.name for path in tmp_path.iterdir()] == [".mine.tmp"]


def test_the_same_process_may_hold_it_again(tmp_path):
    with hold(tmp_path):
        with hold(tmp_path / "." / ""):
            assert (tmp_path / LOCK).exists()
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()


def test_links_in_the_folder_are_refused(tmp_path):
    (tmp_path / "posterior").symlink_to(tmp_path.parent)
    with pytest.raises(ConfigError, match="posterior is a symbolic link"), hold(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(InputWarning, match="locks"), hold(tmp_path):
        pass


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (("report",), True),
        (("sample",), True),
        (("export", "-o", "{}/run/exported"), True),
        (("anneal",), True),
        (("report", "-o", "{}/page.html", "--figures", "{}/figures", "--repeats", "1"), False),
        (("sample", "-o", "{}/x.trees", "-n", "5"), False),
        (("export", "-o", "{}/exported", "-n", "5", "--format", "newick"), False),
    ],
)
def test_what_writes_into_a_run_that_another_process_holds_is_refused(program, fitted, words, refused):
    """And what only reads it is not."""
    command, *options = (word.replace("{}", str(fitted.parent)) for word in words)
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, fitted], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    before = sorted(path.name for path in fitted.rglob("*"))
    status, _, err = program(command, fitted, *options)
    holder.kill()
    holder.communicate()
    assert status == (2 if refused else 0), err
    assert ("error: " in err and f"another process works on this run (process {holder.pid} on" in err) == refused
    assert sorted(path.name for path in fitted.rglob("*")) == before


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lock")
    alignment, trees = write_example(folder)
    few = {"iterations": 20, "components": 2, "particles": 2, "finish": "importance"}
    vm.fit(alignment, model="JC69", output=folder / "run", trees=(str(trees),), **few)
    return folder / "run"


@pytest.mark.parametrize("resumed", [False, True])
def test_two_fits_on_a_folder(tmp_path, resumed):
    """One goes on undisturbed, the other is refused in one line."""
    generator = random.Random(resumed)
    stage = STAGES["fit"]
    for pair in range(PAIRS):
        folder = tmp_path / f"run{pair}"
        if resumed:
            first = subprocess.Popen(command(stage, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            while not (folder / "inputs.npz").exists():
                time.sleep(0.05)
            first.send_signal(signal.SIGKILL)
            first.communicate()
        both = [
            subprocess.Popen(command(stage, folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
            if not time.sleep(generator.uniform(0, 0.2))
        ]
        results = [(*process.communicate(timeout=300), process.returncode) for process in both]
        assert sorted(status for _, _, status in results) == [0, 2], results
        (refusal,) = [err for _, err, status in results if status == 2]
        assert refusal.startswith("error: ")
        assert refusal.count("\n") == 1
        assert "another process" in refusal or "holds a run already" in refusal
        assert not (folder / LOCK).exists()
    assert ALIGNMENT.exists()
