"""The package as it is used from Python: public names, their examples, what they print."""

import doctest
import inspect

import pytest

import vbpi_mix as vm
from tests.experiment.simulated import fitted_example, write_example
from vbpi_mix.evaluate import LearnedWeights


def test_dir_shows_the_public_names():
    assert dir(vm) == sorted(vm.__all__)
    assert {"fit", "load", "read_alignment"} <= set(dir(vm))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the run that examples load."""
    path = tmp_path_factory.mktemp("examples")
    few = {"bootstrap_replicates": 4, "iterations": 20, "components": 1, "start": "list", "finish": "importance"}
    vm.fit("primates", model="JC69", output=path / "primates_run", **few)
    return path


@pytest.mark.parametrize("name", sorted(name for name in vm.__all__ if not name.startswith("__")))
def test_examples_of_public_names_run(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    value = getattr(vm, name)
    assert inspect.getdoc(value)
    examples = doctest.DocTestFinder(recurse=False).find(value, name, globs={})
    assert sum(len(example.examples) for example in examples) > 0
    for example in examples:
        assert doctest.DocTestRunner().run(example).failed == 0


def test_a_fit_in_a_folder_and_back(tmp_path):
    alignment, trees = write_example(tmp_path)
    few = {"iterations": 20, "components": 2, "particles": 2, "finish": "importance"}
    run = vm.fit(alignment, model="JC69", output=tmp_path / "run", trees=(str(trees),), **few)
    assert (tmp_path / "run" / "report.html").is_file()
    again = vm.load(tmp_path / "run")
    assert repr(run) == repr(again)
    assert repr(run).startswith("Run of example.fasta: 6 taxa, model JC69, 2 components, 20 iterations, in ")
    assert "\n" not in repr(run.sample(10))


def test_alignments_by_name():
    alignment = vm.read_alignment("primates")
    assert (alignment.n_taxa, alignment.n_sites) == (12, 898)
    assert repr(alignment).startswith("Alignment: 12 taxa (")


def test_weights_are_those_of_a_copy():
    run = fitted_example()
    weights = [0.25, 0.75]
    learned = LearnedWeights.from_dict(
        {"weights": weights, "n_particles": 1, "gain": 0.1, "gain_se": 0.01, "kept": True},
    )
    other = run.with_weights(learned)
    assert run.problem.mixture.component_weights is None
    assert other.problem.mixture.component_weights.tolist() == pytest.approx(weights)
