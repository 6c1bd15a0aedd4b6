"""Every signal that asks the program to end is answered alike, whatever the stage."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.experiment.simulated import write_example


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_fit_in_its_search_ends_with_one_line(number, tmp_path):
    alignment, _ = write_example(tmp_path, 12, 400)
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "vbpi_mix",
        "fit",
        str(alignment),
        "-o",
        str(run),
        "--bootstrap-replicates",
        "2000",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    begun = time.monotonic()
    while not (run / "config.toml").is_file() and time.monotonic() - begun < 120:
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert "the same command with --resume goes on" in err.splitlines()[-1]
    assert (out, "Traceback" in err) == ("", False)
