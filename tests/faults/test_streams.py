"""Streams that cannot be written, signals, and outputs without a name."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.kills import ALIGNMENT
from vbpi_mix.cli.console import ConsoleReporter, printable

_FIT = ["fit", str(ALIGNMENT), "--bootstrap-replicates", "3", "--iterations", "100", "--threads", "1"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_progress_that_cannot_be_written_never_ends_a_fit(tmp_path):
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "vbpi_mix", *_FIT, "-o", tmp_path / "run"],
            stdout=subprocess.DEVNULL,
            stderr=full,
            timeout=300,
            check=False,
        )
    assert run.returncode == 0
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_reporter_on_a_closed_stream_is_silent(monkeypatch, tmp_path, capsys):
    closed = (tmp_path / "x").open("w")
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    with ConsoleReporter() as reporter:
        reporter.message("one")
        reporter.warning("two")
        reporter.progress("three", 1, 1)
    assert reporter.warnings == ["two"]  # to be repeated at the end on a stream that is open
    assert (tmp_path / "x").read_text() == ""
    monkeypatch.undo()
    assert "two" not in "".join(capsys.readouterr())


def test_escape_sequences_are_shown_and_not_obeyed():
    assert printable("a\x1b[31m\tb\nc \udcff") == "a\\x1b[31m b c \\udcff"


def test_sigterm_before_training_leaves_no_programs(tmp_path):
    """A bootstrap of many replicates is under way: its programs end with it, and the replicates are kept."""
    command = [sys.executable, "-m", "vbpi_mix", *_FIT[:2], "--bootstrap-replicates", "5000", "--threads", "2", "-q"]
    process = subprocess.Popen(
        [*command, "-o", str(tmp_path / "run")],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    kept = tmp_path / "run" / "bootstrap.tsv"
    end = time.monotonic() + 120
    while not (kept.exists() and kept.read_text().count("\n") > 3) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    assert b"Traceback" not in err
    time.sleep(0.3)
    assert not _group(process.pid)
    assert kept.read_text().count("\n") > 3
    assert not (tmp_path / "run" / "run.lock").exists()


@pytest.mark.parametrize("words", [("fit", str(ALIGNMENT)), ("export", "run"), ("sample", "run"), ("bench", "toy")])
def test_an_empty_output_is_refused(program, words):
    status, _, err = program(*words, "-o", "")
    assert status == 2
    assert err.startswith("error: ")
    assert "the output (--output, -o) is empty" in err


def _group(number: int) -> list[str]:
    """Processes of a process group that are alive."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == number and fields[0] != "Z" and int(stat.parent.name) != os.getpid():
            found.append(stat.parent.name)
    return found
