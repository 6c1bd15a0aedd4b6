"""Exports read by the programs that they are for, where these are installed."""

import shutil
import subprocess

import pytest

from tests.batch.test_exports import batch  # noqa: F401  (a fixture)
from vbpi_mix.batch.exports import export_loci


@pytest.mark.external("wastral")
def test_weighted_astral_reads_the_trees(batch, tmp_path):  # noqa: F811
    export_loci(batch, tmp_path / "genes.nwk", "astral")
    program = shutil.which("wastral")
    # -B: supports are posterior probabilities, between 0.333 and 1
    command = [str(program), "-B", "-o", "species.nwk", "genes.nwk"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    species = (tmp_path / "species.nwk").read_text()
    assert all(f"t{i}" in species for i in range(8))


@pytest.mark.external("bucky")
def test_bucky_reads_the_counts(batch, tmp_path):  # noqa: F811
    files = export_loci(batch, tmp_path / "in", "bucky")[:1] * 2  # the same taxa in both loci
    command = [str(shutil.which("bucky")), "-n", "1000", "-o", "out", *map(str, files)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "t5" in (tmp_path / "out.concordance").read_text()
