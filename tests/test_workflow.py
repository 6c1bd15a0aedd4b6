"""Table 3 as a workflow: its jobs, and a tiny run of it."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.experiment.simulated import write_example

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("snakemake") is None,
    reason="snakemake is not installed: pip install 'vbpi_mix[sweeps]', Python 3.11 or later",
)
MODELS = [f"example_A{a}_S1_{estimator}_seed2_default_identity" for a, estimator in ((1, "a2a"), (2, "s2a"))]


@pytest.fixture
def workflow(repository, tmp_path):
    """Run snakemake with a profile; returns what it printed."""
    alignment, trees = write_example(tmp_path)
    program = tmp_path / "bin" / "vbpi-mix"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom vbpi_mix.cli.main import main\n\nmain()\n")
    program.chmod(0o755)
    settings = {
        "data": alignment, "trees": trees, "rows": "1,1,A2A;2,1,S2A", "seeds": 1, "first_seed": 2, "flow": "identity",
        "iterations": 60, "repeats": 2, "threads": 1, "set": "particles=4 rate_base=0.003", "output": "table",
    }  # fmt: skip

    def run(profile, *options, status=0, **given):
        folder = repository / "benchmarks" / "table3"
        profile = folder / "profiles" / profile
        result = subprocess.run(
            [
                sys.executable, "-m", "snakemake", "-s", folder / "Snakefile", "--profile", profile,
                *options, "--config", *(f"{name}={value}" for name, value in {**settings, **given}.items()),
            ],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=600,
        )  # fmt: skip
        assert (result.returncode == 0) == (status == 0), result.stdout + result.stderr
        return result.stdout + result.stderr

    return run


def test_one_job_for_each_model_and_start(workflow):
    said = workflow("local", "--dry-run", rows="all", seeds=2)
    counts = dict(line.split() for line in said.splitlines() if line.split()[:1] in (["start"], ["model"], ["render"]))
    assert counts == {"start": "2", "model": "32", "render": "1"}
    assert "--rows 4,3,S2S --seeds 1 --first-seed 3 --recipe default --flow identity --iterations 60" in said
    assert "--set particles=4 --set rate_base=0.003" in said
    assert "--starts-only" in said


@pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_slurm") is None,
    reason="snakemake-executor-plugin-slurm is not installed: pip install 'vbpi_mix[sweeps]'",
)
def test_the_profile_of_a_cluster_has_the_same_jobs(workflow):
    said = workflow("slurm", "--dry-run")
    assert "mem_mb=4000" in said
    assert "runtime=1440" in said
    assert "total         5" in said


def test_mistakes_are_found_before_any_job(workflow):
    assert "Table 3 has no row 9,1,S2A" in workflow("local", "--dry-run", rows="9,1,S2A", status=1)
    assert "unknown setting 'colour'" in workflow("local", "--dry-run", colour="red", status=1)


def test_a_tiny_table(workflow, tmp_path):
    workflow("local", "--cores", "1")
    table = tmp_path / "table"
    assert [path.stem for path in sorted(table.glob("models/*.json"))] == MODELS
    for name in MODELS:
        record = json.loads((table / "models" / f"{name}.json").read_text())
        assert (record["config"]["seed"], record["config"]["particles"], record["result"]["iterations"]) == (2, 4, 60)
    assert [path.name for path in table.glob("starts/*.npz")] == ["example_seed2.npz"]
    assert "| S2A | 2 | 1 |" in (table / "table3.md").read_text()
    assert "Nothing to be done" in workflow("local", "--cores", "1")
    said = workflow("local", "--dry-run", rows="1,1,A2A;2,1,S2A;2,1,S2S")  # one more row later
    assert "example_A2_S1_s2s_seed2" in said
    assert "--rows 1,1,A2A" not in said
