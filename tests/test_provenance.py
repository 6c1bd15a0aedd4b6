import json
import platform
import subprocess
from datetime import datetime, timedelta, timezone

import numpy as np
import torch

from vbpi_mix import provenance


def test_versions_are_those_that_are_imported():
    versions = provenance.package_versions()
    assert versions["numpy"] == np.__version__
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert "vbpi-mix" in versions


def test_absent_packages_are_left_out():
    assert set(provenance.package_versions(("numpy", "no-such-package-at-all"))) == {"numpy"}


def test_description_is_ready_for_json():
    description = provenance.describe()
    assert json.loads(json.dumps(description)) == description
    assert description["python"] == platform.python_version()
    assert description["processor"]
    age = datetime.now(timezone.utc) - datetime.fromisoformat(description["time"])
    assert timedelta(seconds=-1) <= age < timedelta(minutes=1)


def in_checkout(monkeypatch, tmp_path):
    """A repository with one commit, from which the module seems to run."""
    package = tmp_path / "vbpi_mix"
    package.mkdir()
    (package / "provenance.py").write_text("x = 1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def test_commit_of_a_checkout(monkeypatch, tmp_path):
    commit = in_checkout(monkeypatch, tmp_path)
    assert provenance.source_commit() == commit
    (tmp_path / "notes.txt").write_text("not tracked")
    assert provenance.source_commit() == commit
    (tmp_path / "vbpi_mix" / "provenance.py").write_text("x = 2\n")
    assert provenance.source_commit() == f"{commit}+changes"


def test_no_commit_outside_a_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "vbpi_mix" / "provenance.py"))
    assert provenance.source_commit() is None


def test_no_commit_without_git(monkeypatch, tmp_path):
    in_checkout(monkeypatch, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.source_commit() is None


def test_processor_without_proc(monkeypatch):
    monkeypatch.setattr(provenance, "Path", lambda _: _Missing())
    assert provenance.processor_name()


class _Missing:
    def is_file(self):
        return False
