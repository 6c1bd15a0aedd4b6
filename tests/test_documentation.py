"""The README and the documentation: their commands work as they are written, what they name is there.

The line before a block of shell commands says what is done with it: `<!-- run with: FILES -->`, here, with trainings
cut short, in a folder with an alignment `my.fasta` and what else is named; `<!-- ci:NAME -->`, by .ci/run; `<!--
example: STEP -->`, by examples/run; `<!-- not run: WHY -->`. Options of commands that are not run are looked up all
the same. Blocks of Python (`python`) run, those of a page one after the other; `py` blocks are marked like those of the
shell. Blocks of R after `<!-- run with R: PACKAGES -->` run behind the page's shell commands where R has them.
"""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from Bio import SeqIO

import vbpi_mix as vm
from tests.pages import Shell, short_config, short_fit
from vbpi_mix.cli.main import app
from vbpi_mix.evaluate.diagnostics import thresholds

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.md"))
PAGES = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md")), *EXAMPLES]
TAXA = {"Homo_sapiens": "Homo", "Pan": "Pan", "Pongo": "Pongo", "Lemur_catta": "Lemur", "Tarsius_syrichta": "Tarsius"}
TREE = "(Homo:0.04,Pan:0.05,(Pongo:0.1,(Lemur:0.2,Tarsius:0.2):0.1):0.05);"


@dataclass(frozen=True, kw_only=True)
class Block:
    language: str
    mark: str
    text: str


def blocks(page, language):
    marked = r"(?:<!-- ((?:(?!-->).)*) -->\n)?^```(\w*)\n(.*?)^```$"
    found = re.findall(marked, page.read_text(), flags=re.DOTALL | re.MULTILINE)
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
def test_python_runs(page, tmp_path, monkeypatch, capsys):
    (tmp_path / "data").symlink_to(REPOSITORY / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(vm, "fit", short_fit)
    monkeypatch.setattr(vm, "make_config", short_config)
    code = "\n".join(block.text for block in blocks(page, "python"))
    exec(compile(code, page.name, "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out
    if page.stem in ("README", "python"):
        assert "Homo_sapiens" in printed
    if page.stem == "python":  # primates under JC69
        value = re.search(r"marginal log-likelihood (-\d+\.\d+) \+- (\d+\.\d+)", printed)[1]
        assert float(value) == pytest.approx(-6489.11, abs=0.1)


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    return Shell(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def run_commands(shell, folder, program, monkeypatch):
    monkeypatch.chdir(folder)

    def run(page):
        marked = [block.text for block in blocks(page, "bash") if block.mark.startswith("run with")]
        return shell.run("\n".join(marked), folder, program)

    return run


@pytest.mark.parametrize("page", with_blocks("bash", "run with"))
def test_commands_run(page, run_commands):
    assert run_commands(page) > 0


def r_has(packages):
    if shutil.which("Rscript") is None:
        return False
    code = "; ".join(f"library({package})" for package in packages)
    return subprocess.run(["Rscript", "-e", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("page", with_blocks("r"))
def test_r_runs(page, folder, run_commands):
    usable = [block for block in blocks(page, "r") if r_has(block.mark.partition(": ")[2].split())]
    if not usable:
        pytest.skip("needs Rscript with the packages that the page names")
    run_commands(page)
    for block in usable:
        result = subprocess.run(["Rscript", "-e", block.text], cwd=folder, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_run_or_said_not_to_be(page):
    ci = (REPOSITORY / ".ci" / "run").read_text()
    assert not blocks(page, ""), "a block without a language"
    for block in blocks(page, "bash"):
        kind, _, rest = block.mark.partition(":")
        assert kind in ("run with", "not run", "ci", "example"), f"no mark before\n{block.text}"
        assert rest, block.mark
        assert kind != "ci" or re.search(rf"run_command \S+ {rest}$", ci, flags=re.MULTILINE), f".ci/run: {block.mark}"
    for block in blocks(page, "py"):
        assert block.mark.startswith(("not run: ", "example: ")), f"no mark before\n{block.text}"
    for block in blocks(page, "r"):
        assert block.mark.startswith("run with R: "), f"no mark before\n{block.text}"


def find_command(words):
    """The command that words after `vbpi-mix` begin with, and the words that follow it."""
    command, rest = typer.main.get_command(app), list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    return command, rest


def options_of(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_and_options_that_it_shows_exist(page):
    text = page.read_text()
    shown = [line for block in blocks(page, "bash") for line in block.text.splitlines()]
    shown += re.findall(r"`(vbpi-mix [^`\n]+)`", text)
    for line in shown:
        words = re.sub(r"\s#.*|\s&&.*", "", line).split()
        if not words or words[0] != "vbpi-mix" or words[1] in ("COMMAND", "--version"):
            continue
        command, rest = find_command(words[1:])
        assert command.name != "vbpi-mix", f"no such command: {line}"
        for word in rest:
            name = word.partition("=")[0].rstrip(",.")
            if name.startswith("-") and not re.match(r"-\d", name):
                assert name in options_of(command), f"{line}: no option {name}"


def test_options_beside_those_of_other_programs_exist(repository):
    every = {name for command in find_command([])[0].commands.values() for name in options_of(command)}
    lines = (repository / "docs" / "coming.md").read_text().splitlines()
    cells = [line.rsplit("|", 2)[1] for line in lines if line.startswith("|")]
    named = {name for cell in cells for name in re.findall(r"`(--[a-z-]+)", cell)}
    assert len(named) > 10
    assert named <= every


def test_places_named_for_contributors_are_there(repository):
    """Folders of the list, modules of the table, and steps that the table leads to."""
    text = (repository / "CONTRIBUTING.md").read_text(encoding="utf-8")
    package = repository / "vbpi_mix"
    section = {part.partition("\n")[0]: part for part in text.split("\n## ")}
    listed = re.findall(r"`([\w/.]+)`", "".join(re.findall(r"^\| (`.*?) \|", section["The folders"], re.MULTILINE)))
    assert set(listed) == {
        *(f"{path.name}/" for path in package.iterdir() if (path / "__init__.py").is_file()),
        *(path.name for path in package.glob("*.py") if not path.name.startswith("_")),
    }
    rows = section["Where things are"]
    places = re.findall(r"`(\w+/[\w/.]*)`", rows.replace("below `vbpi_mix/`", ""))
    assert len(places) > 20
    assert [name for name in places if not any((folder / name).exists() for folder in (package, repository))] == []
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^### (.*)", text, re.MULTILINE)}
    assert set(re.findall(r"\(#([\w-]+)\)", rows)) <= titles


def test_the_page_on_the_report_has_every_number_with_its_thresholds(repository):
    text = (repository / "docs" / "report.md").read_text()
    for source in (repository / "vbpi_mix" / "evaluate" / "diagnostics").glob("*.py"):
        for label in re.findall(r'^ +label="(.+)"', source.read_text(), flags=re.MULTILINE):
            assert f"| {label} |" in text or f"| {label.removesuffix(' of the weights')} |" in text, label
    for label, threshold in {
        "Approximation gap": thresholds.GAP,
        "Topologies not yet drawn": thresholds.UNSEEN_TOPOLOGIES,
        "Missed by the candidate search": thresholds.LEFT_BY_THE_SEARCH,
        "Outside the support": thresholds.UNSUPPORTED_NEIGHBOURS,
        "Parameters of the model": thresholds.EFFECTIVE_DRAWS,
        "Training at its end": thresholds.BOUND_RISE,
        "Modes of the parameters": thresholds.MISSED_MODES,
        "Agreement of split frequencies": thresholds.ASDSF,
        "Largest difference of a split": thresholds.SPLIT_DIFFERENCE,
        "R-hat of the chains": thresholds.R_HAT,
        "First particles left": thresholds.ANCESTORS_LEFT,
        "ASDSF between runs": thresholds.ASDSF,
        "Largest split difference": thresholds.SPLIT_DIFFERENCE,
        "Marginal likelihood between runs": thresholds.LOG_ML_DIFFERENCE,
        "Parameters between runs": thresholds.PARAMETER_DIFFERENCE,
    }.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
        for value in (threshold.good, threshold.fair):
            assert re.search(rf"\b{re.escape(format(value, threshold.form))}(?!\d)", row), (label, value)


def test_the_reference_has_every_public_name(repository):
    named = re.findall(r"^::: vbpi_mix\.(\w+)$", (repository / "docs" / "api.md").read_text(), flags=re.MULTILINE)
    assert sorted(named) == sorted(name for name in vm.__all__ if name != "__version__")


@pytest.mark.parametrize("page", EXAMPLES, ids=lambda page: page.stem)
def test_examples_are_filled_in_from_their_steps(page):
    text = page.read_text()
    steps = set(re.findall(r"<!-- example: (\S+) -->\n```(?:bash|py)\n", text))
    assert len(steps) == len(re.findall(r"<!-- example: ", text))
    outputs = re.findall(r"<!-- output: (\S+).*-->\n```text\n((?:.*\n)*?)```\n", text)
    assert len(outputs) == len(re.findall(r"<!-- output: ", text))
    assert all(step in steps and output.strip() for step, output in outputs)
    assert len(re.findall(r"<!-- picture: \S+ -->\n!\[[^]]+\]\(", text)) == len(re.findall("<!-- picture: ", text))
    table = re.search(r"<!-- times -->\n\n(\|.*\n)*", text)
    assert not steps or steps == set(re.findall(r"^\| (\S+) \| [0-9]", table[0], flags=re.MULTILINE))


def test_a_command_draws_every_picture():
    marked = {
        page.parent / target
        for page in EXAMPLES
        for target in re.findall(r"<!-- picture: \S+ -->\n!\[[^]]+\]\(([^)]+)\)", page.read_text())
    }
    drawn = re.findall(r'figures\["(\w+)"\] = ', (DOCS / "pictures.py").read_text())
    pictures = {path for path in DOCS.rglob("*") if path.suffix in (".svg", ".png", ".jpg")}
    assert pictures == marked | {DOCS / "method" / f"{name}.svg" for name in drawn}


def load(name):
    specification = importlib.util.spec_from_file_location(name, REPOSITORY / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_findings_are_listed(repository):
    pytest.importorskip("mkdocs")
    scripts = sorted((repository / "findings").glob("*.sh"))
    items = load("hooks").findings().splitlines()
    assert [f"- `findings/{script.name}`" for script in scripts] == [item.partition(":")[0] for item in items]
    assert "<!-- findings: " in (repository / "docs" / "findings.md").read_text()


def test_sentences_are_short():
    readability = load("readability")
    for name, texts in readability.measure().items():
        long = [text for text in texts if readability.n_words(text) > readability.LONG]
        assert len(long) <= 0.05 * len(texts), f"{name}: {long}"


def test_sentences_are_told_apart():
    readability = load("readability")
    assert readability.sentences("As in Hotti et al. (2024). It is 0.7 nats! Code ends? No.") == [
        "As in Hotti et al. (2024).", "It is 0.7 nats!", "Code ends?", "No."
    ]  # fmt: skip
    page = "# Title\n\nOne `a b c` and\n[two](x.md).\n\n- three\n- four\n\n| a | b |\n\n```bash\nls\n```\n"
    assert [text.split() for text in readability.markdown_texts(page)] == [
        ["One", "Code", "and", "two."], ["three"], ["four"]
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_that_it_names_are_there(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_first_page_is_short(repository):
    assert (repository / "README.md").stat().st_size <= 6_000
