"""Folders and files whose names are no UTF-8."""

import os
import subprocess
import sys

from tests.faults.kills import ALIGNMENT

_FEW = ("--components", "2", "--threads", "1", "--bootstrap-replicates", "3", "--iterations", "100", "--model", "JC69")


def test_a_fit_in_a_folder_that_is_not_utf8_keeps_its_report(tmp_path):
    folder = os.fsencode(tmp_path) + b"/f\xff\xe9"
    os.mkdir(folder)  # noqa: PTH102
    with open(folder + b"/my\xe9.fasta", "wb") as file:  # noqa: PTH123
        file.write(ALIGNMENT.read_bytes())
    words = [sys.executable, "-m", "vbpi_mix", "fit", b"my\xe9.fasta", "-o", b"run\xe9", *_FEW]
    run = subprocess.run(words, cwd=folder, capture_output=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
    made = set(os.listdir(folder + b"/run\xe9"))  # noqa: PTH208
    assert {b"report.html", b"evaluation.json", b"posterior", b"checkpoint.pt"} <= made
    with open(folder + b"/run\xe9/report.html", encoding="utf-8") as file:  # noqa: PTH123
        assert "my\\xe9.fasta" in file.read()
