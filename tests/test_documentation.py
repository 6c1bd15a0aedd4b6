"""The README and the documentation: their commands work as they are written, their links lead somewhere.

The line before a block of shell commands says what is done with it: `<!-- run with: FILES -->`, here, with trainings
cut short, in a folder with an alignment `my.fasta` and what else is named; `<!-- ci:NAME -->`, by .ci/run; `<!-- not
run: WHY -->`. Blocks of Python run, those of a page one after the other.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from Bio import SeqIO

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
TAXA = {"Homo_sapiens": "Homo", "Pan": "Pan", "Pongo": "Pongo", "Lemur_catta": "Lemur", "Tarsius_syrichta": "Tarsius"}
TREE = "(Homo:0.04,Pan:0.05,(Pongo:0.1,(Lemur:0.2,Tarsius:0.2):0.1):0.05);"


SHORT = """\
#!/bin/sh
case "$1" in fit | models) set -- "$@" --iterations 200 ;; esac
exec "{program}" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Block:
    language: str
    mark: str
    text: str


def blocks(page, language):
    found = re.findall(r"(?:<!-- (.*?) -->\n)?^```(\w*)\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    every = [Block(language=language, mark=mark, text=text) for mark, language, text in found]
    return [block for block in every if block.language == language]


def with_blocks(language, mark=""):
    return [
        pytest.param(page, id=page.stem)
        for page in PAGES
        if any(block.mark.startswith(mark) for block in blocks(page, language))
    ]


@pytest.fixture
def folder(tmp_path):
    """An alignment of one's own, a tree, and the partition file that the page on models shows."""
    records = SeqIO.to_dict(SeqIO.parse(REPOSITORY / "data" / "examples" / "primates.fasta", "fasta"))
    (tmp_path / "my.fasta").write_text("".join(f">{new}\n{records[old].seq}\n" for old, new in TAXA.items()))
    (tmp_path / "my.nwk").write_text(TREE + "\n")
    (tmp_path / "parts.nex").write_text(blocks(REPOSITORY / "docs" / "models.md", "nexus")[0].text)
    return tmp_path


@pytest.mark.parametrize("page", with_blocks("python"))
def test_python_runs(page, repository):
    code = "\n".join(block.text for block in blocks(page, "python"))
    result = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    if page.stem in ("README", "python"):
        assert "Homo_sapiens" in result.stdout
    if page.stem == "python":  # primates, as the quick start prints it
        value = re.search(r"marginal log-likelihood (-\d+\.\d+) \+- (\d+\.\d+)", result.stdout)[1]
        assert float(value) == pytest.approx(-6489.11, abs=0.1)


@pytest.mark.parametrize("page", with_blocks("bash", "run with"))
def test_commands_run(page, folder):
    commands = "\n".join(block.text for block in blocks(page, "bash") if block.mark.startswith("run with"))
    program = folder / "bin" / "vbpi-mix"
    program.parent.mkdir()
    program.write_text(SHORT.format(program=Path(sys.executable).parent / "vbpi-mix"))
    program.chmod(0o755)
    environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    script = ["bash", "-euxo", "pipefail", "-c", commands]
    result = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-4000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_run_or_said_not_to_be(page):
    ci = (REPOSITORY / ".ci" / "run").read_text()
    assert not blocks(page, ""), "a block without a language"
    for block in blocks(page, "bash"):
        kind, _, rest = block.mark.partition(":")
        assert kind in ("run with", "not run", "ci"), f"no mark before\n{block.text}"
        assert rest, block.mark
        assert kind != "ci" or re.search(rf"run_command \S+ {rest}$", ci, flags=re.MULTILINE), f".ci/run: {block.mark}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_that_it_names_are_there(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_first_page_is_short(repository):
    assert (repository / "README.md").stat().st_size <= 6_000
