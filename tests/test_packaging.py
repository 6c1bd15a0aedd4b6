"""The conda recipe and the Nextflow module agree with the package: version, dependencies, options, files."""

import re

import pytest
import typer

import vbpi_mix as vm
from vbpi_mix.cli.main import app

yaml = pytest.importorskip("yaml")

CONDA_NAMES = {"pytorch": "torch", "matplotlib-base": "matplotlib"}
# of other Pythons than those that the recipe allows
ELSEWHERE = {"legacy-cgi", "arviz", "tomli"}


def names(requirements):
    return {re.match(r"[\w-]+", text)[0].lower().replace("_", "-"): text for text in requirements}


def test_the_conda_recipe_has_the_dependencies_and_the_version(repository):
    recipe = yaml.safe_load((repository / "packaging" / "conda" / "recipe.yaml").read_text())
    assert recipe["context"]["version"] == vm.__version__
    text = (repository / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", text, flags=re.DOTALL | re.MULTILINE)[1]
    ours = names(re.findall(r'^    "([^";]+)', listed, flags=re.MULTILINE))
    conda = names(recipe["requirements"]["run"])
    conda.pop("python")
    conda = {CONDA_NAMES.get(name, name): text for name, text in conda.items()}
    assert set(conda) == set(ours) - ELSEWHERE
    for name, requirement in conda.items():
        assert requirement.partition(" ")[2] == re.sub(r"^[\w-]+", "", ours[name]), name


def test_the_nextflow_module_names_options_and_files_that_are_there(repository):
    folder = repository / "packaging" / "nf-core" / "vbpimix" / "fit"
    module, meta = (folder / "main.nf").read_text(), yaml.safe_load((folder / "meta.yml").read_text())
    fit = typer.main.get_command(app).commands["fit"]
    known = {name for parameter in fit.params for name in parameter.opts}
    assert set(re.findall(r"--[a-z]+", module)) <= known | {"--version"}
    emitted = dict(re.findall(r'path\("?(.*?)"?\) *, emit: (\w+)', module))
    described = {next(iter(item)): list(next(iter(item.values()))[-1]) for item in meta["output"]}
    described = {name: files[0] for name, files in described.items()}
    assert {name: file for file, name in emitted.items()} == {n: f for n, f in described.items() if n != "versions"}
    stub = module.partition("stub:")[2]
    assert all(file in stub for file in emitted)
    assert (folder / "environment.yml").read_text().count(f"vbpi-mix={vm.__version__}") == 1
