"""What the README shows works as it is written there."""

import re
import subprocess
import sys

import pytest


def blocks(repository, language):
    return re.findall(rf"```{language}\n(.*?)```", (repository / "README.md").read_text(), flags=re.DOTALL)


def test_python_blocks_run(repository):
    code = blocks(repository, "python")
    assert len(code) >= 1
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=repository, capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0, result.stderr
    found = re.search(r"marginal log-likelihood (-\d+\.\d+) \+- (\d+\.\d+)", result.stdout)
    assert float(found[1]) == pytest.approx(-6489.11, abs=0.1)  # primates, as the quick start prints it
    assert "Homo_sapiens" in result.stdout


def test_the_files_that_it_names_are_there(repository):
    text = (repository / "README.md").read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (repository / target).exists(), target
