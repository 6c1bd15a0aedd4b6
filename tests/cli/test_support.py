"""`vbpi-mix support` as a user runs it."""

import json

import numpy as np
import pytest

from tests.experiment.simulated import write_example
from vbpi_mix.io.trees import read_trees
from vbpi_mix.support import load_support


@pytest.fixture
def example(tmp_path):
    return write_example(tmp_path)


def test_make_look_at_and_compare(program, example, tmp_path):
    alignment, trees = example
    path, weights = tmp_path / "support.npz", tmp_path / "weights.tsv"
    status, out, err = program("support", alignment, "--trees", trees, "-o", path, "--weights", weights, "--json")
    assert status == 0, err
    made = json.loads(out)
    assert made["missing_mass"] == 0
    assert made["n_weighed"] == 105  # everything there is
    assert made["peak_memory_mib"] > 1
    assert made["seconds"] > 0
    assert "round 1" in err

    saved = load_support(path)
    text = read_trees([weights], saved.sample.taxa)
    assert np.array_equal(text.topologies.children, saved.sample.topologies.children)
    assert text.probabilities() == pytest.approx(saved.sample.probabilities(), rel=1e-6)

    status, out, _ = program("support", "--load", path, "--coverage", weights, "--json")
    assert status == 0
    values = json.loads(out)
    assert values["mass_represented"] == pytest.approx(1)
    assert values["trees_represented"] == values["splits_represented"] == 1
    assert values["n_pcsps"] == made["n_pcsps"]
    assert values["n_rootsplits"] == made["n_rootsplits"]
    assert values["hash"] == made["hash"]

    status, out, _ = program("support", "--load", path, "--coverage", trees)
    assert status == 0
    shares = dict(line.split() for line in out.splitlines())
    assert 0 < float(shares["mass_represented"]) <= 1


def test_the_same_seed_gives_the_same_file(program, example, tmp_path):
    alignment, trees = example
    for name in ("a.npz", "b.npz"):
        assert program("support", alignment, "--trees", trees, "-o", tmp_path / name, "-q")[0] == 0
    a, b = load_support(tmp_path / "a.npz"), load_support(tmp_path / "b.npz")
    assert a.support == b.support
    assert np.array_equal(a.sample.weights, b.sample.weights)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give an alignment"),
        (("{alignment}", "--load", "x.npz"), "one of the two"),
        (("{alignment}",), "nothing to do"),
        (("--load", "nowhere.npz"), "not found"),
        (("--load", "{alignment}"), "damaged, or not a support file"),
        (("--load", "x.npz", "-o", "y.npz"), "leave them out"),
        (("{alignment}", "-o", "absent/y.npz"), "there is no folder absent"),
        (("{alignment}", "-o", "{folder}/y.npz", "--coverage", "nowhere.t"), "there is no such file"),
        (("{alignment}", "-o", "{folder}/y.npz", "--coverage", "{alignment}"), "no tree list"),
        (("{alignment}", "-o", "{folder}/y.npz", "--trees", "nowhere.t"), "there is no such file"),
        (("{alignment}", "-o", "{folder}/y.npz", "--trees", "{folder}"), "is this the folder of a run"),
    ],
)
def test_errors_say_what_to_do(program, example, tmp_path, arguments, says):
    status, out, err = program("support", "-q", *(a.format(alignment=example[0], folder=tmp_path) for a in arguments))
    assert not list(tmp_path.glob("y.npz*"))
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert says in err
