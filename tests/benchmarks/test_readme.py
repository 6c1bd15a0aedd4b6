"""The list of benchmarks names what is there, all of it, and nothing else."""

import re

import pytest


@pytest.fixture(scope="module")
def text(repository):
    return (repository / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_every_script_is_listed_and_is_there(repository, text):
    folder = repository / "benchmarks"
    scripts = {
        ".".join(path.relative_to(repository).with_suffix("").parts)
        for path in folder.rglob("*.py")
        if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
    }
    listed = set(re.findall(r"python -m (benchmarks[\w.]+)", text))
    assert listed - {"benchmarks.SUBJECT.SCRIPT"} == scripts


def test_results_that_are_named_are_there(repository, text):
    named = set(re.findall(r"`(results/[\w/.]+)`", text))
    assert len(named) > 10
    for name in named:
        assert (repository / "benchmarks" / name).exists(), name


def test_every_subject_of_the_results_is_named(repository, text):
    for folder in (repository / "benchmarks" / "results").iterdir():
        assert f"results/{folder.name}" in text or folder.name in ("report", "table3"), folder.name
