"""A start that several fits share gives what each would have found by itself."""

import json

import numpy as np
import pytest
import torch

from tests.experiment.simulated import write_example
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.experiment import Silent, fit_folder, make_config, start
from vbpi_mix.experiment.build import load_alignment
from vbpi_mix.experiment.start import make_start, shared_start
from vbpi_mix.model import PhyloModel
from vbpi_mix.start import WeightedTopologies
from vbpi_mix.train import load_checkpoint


def config(folder, n_taxa=6, **options):
    alignment, trees = write_example(folder, n_taxa)
    given = {"model": "JC69", "iterations": 60, "components": 2, "sampled": 1, "particles": 4, "seed": 5, **options}
    return make_config(alignment=str(alignment), **{"trees": (str(trees),), **given})


@pytest.mark.parametrize(
    "options", [{}, {"recipe": "paper"}, {"keep_candidates": True}, {"trees": (), "bootstrap_replicates": 5}]
)
def test_a_fit_from_a_file_is_bit_for_bit_the_fit_that_grows_by_itself(tmp_path, options):
    settings = config(tmp_path, 5, **options)  # all of 15 topologies are candidates, or what a bootstrap gives
    fit_folder(settings, tmp_path / "alone")
    made = shared_start(settings, tmp_path / "start.npz")
    read = shared_start(settings, tmp_path / "start.npz")
    assert isinstance(read.topologies, WeightedTopologies) == (settings.recipe == "default")
    assert (read.seconds, read.account, read.settings, read.made) == (
        made.seconds, made.account, made.settings, made.made,
    )  # fmt: skip
    fit_folder(settings, tmp_path / "shared", start=read)
    alone, shared = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("alone", "shared"))
    assert alone["identity"] == shared["identity"]
    assert all(torch.equal(alone["model"][name], shared["model"][name]) for name in alone["model"])
    names = [{p.name for p in (tmp_path / name).iterdir()} - {"bootstrap.tsv"} for name in ("alone", "shared")]
    assert names[0] == names[1]
    if settings.recipe == "default":
        grown = [json.loads((tmp_path / name / "growth.json").read_text()) for name in ("alone", "shared")]
        assert grown[0] == grown[1]
    told = json.loads((tmp_path / "shared" / "start.json").read_text())
    assert told["seconds"].keys() == {"candidates", "growth", "start"}
    assert told["made"] == json.loads(json.dumps(read.made))
    assert told["seconds"]["growth"] == read.seconds["growth"]


def test_a_start_does_not_depend_on_the_mixture(tmp_path):
    first = shared_start(config(tmp_path), tmp_path / "start.npz")
    again = shared_start(config(tmp_path, components=4, sampled=4, estimator="a2a"), tmp_path / "start.npz")
    assert np.array_equal(first.sample.weights, again.sample.weights)


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"seed": 6}, "seed = 5, .* 6"), ({"model": "K80{2.0}"}, "model = JC69"), ({"recipe": "paper"}, "grown")],
)
def test_a_start_of_other_settings_is_refused(tmp_path, options, expected):
    first = shared_start(config(tmp_path), tmp_path / "start.npz")
    with pytest.raises(InputError, match=expected):
        shared_start(config(tmp_path, **options), tmp_path / "start.npz")
    with pytest.raises(ConfigError, match="the start was made with"):
        fit_folder(config(tmp_path, **options), tmp_path / "run", start=first)
    assert not (tmp_path / "run").exists()


def test_topologies_are_weighed_where_the_device_says(tmp_path, monkeypatch):
    """The CPU with its compiled kernels stands for the device; parameters are fixed before the model is placed."""
    settings = config(tmp_path, model="K80", start="list")
    alignment = load_alignment(settings, Silent())
    asked, placed = [], []

    def device(word, model, reporter):
        del reporter
        asked.append((word, model.parameters.n_coordinates))
        return torch.device("cpu")

    def place(model, backend, device):
        placed.append((backend, device.type))
        return model

    on_the_cpu = make_start(settings, alignment, Silent())
    monkeypatch.setattr(start, "start_device", device)
    monkeypatch.setattr(PhyloModel, "placed", place)
    found = make_start(settings, alignment, Silent(), device="cuda")
    assert asked == [("cuda", 0)]
    assert placed == [("triton", "cpu")]
    np.testing.assert_array_equal(found.sample.weights, on_the_cpu.sample.weights)


def test_other_candidates_are_another_start(tmp_path):
    shared_start(config(tmp_path), tmp_path / "start.npz")
    trees = tmp_path / "candidates.nwk"
    fewer = config(tmp_path)
    trees.write_text("".join(trees.read_text().splitlines(keepends=True)[:20]))
    with pytest.raises(InputError, match="trees_sha256"):
        shared_start(fewer, tmp_path / "start.npz")
    (tmp_path / "run").mkdir()
    with pytest.raises(ConfigError, match="files of candidate trees"):
        shared_start(config(tmp_path, trees=(str(tmp_path / "run"),)), tmp_path / "other.npz")
