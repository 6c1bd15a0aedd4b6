"""The image benchmark from start to pictures, at a length of seconds."""

import csv
import dataclasses
import json
import os
import signal

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from tests.replication.images.examples import write_colour, write_grey
from vbpi_mix.errors import BackendError, ConfigError, InputError
from vbpi_mix.experiment.device import image_device
from vbpi_mix.experiment.reporter import Silent
from vbpi_mix.replication.images.config import make_images_config
from vbpi_mix.replication.images.results import load_image_groups, paired_difference
from vbpi_mix.replication.images.run import run_images
from vbpi_mix.replication.images.sets import load_image_set
from vbpi_mix.replication.images.train import prepare_data, train_image_model
from vbpi_mix.replication.render import render

ROWS = ["a2a:1:1", "s2a:1:3", "s2a:2:3", "s2s:2:3", "s2a:1:3:published", "a2a:2:2:semvae"]


def config_of(data="mnist", rows=ROWS, **other):
    made = make_images_config(data, rows=rows, **{"epochs": 2, "n_train": 40, "n_test": 4, **other})
    sizes = {"side": 7, "trunk_channels": (2, 2, 2, 2, 2)} if data != "cifar10" else {"side": 8, "n_train": 34}
    scale = dataclasses.replace(
        made.scale, n_latent=2, channels=2, n_layers=2, batch_size=20, n_draws=6, n_generated=35, **sizes
    )
    return dataclasses.replace(made, scale=scale)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    source = write_grey(folder / "source")
    outcome = run_images(config_of(n_seeds=2), folder / "out", source=source)
    return source, folder / "out", outcome


def results(folder):
    """Everything reproducible in the records: all but clocks and machine."""
    return {
        path.name: {k: v for k, v in json.loads(path.read_text())["result"].items() if not k.startswith("seconds")}
        for path in sorted((folder / "models").iterdir())
    }


def test_records(finished):
    _, folder, outcome = finished
    assert outcome.signal_number is None
    assert len(outcome.records) == len(list((folder / "models").iterdir())) == 12
    record = json.loads((folder / "models" / "mnist_s2a_1_3_published_seed2.json").read_text())
    assert (record["config"]["decoder"], record["config"]["seed"], record["config"]["epochs"]) == ("published", 2, 2)
    assert {"commit", "processor", "packages"} <= record["provenance"].keys()
    for mode in ("likelihood", "batch_statistics"):
        found = record["result"][mode]
        assert found["elbo"] <= found["published"] <= found["pooled"] < 0
        assert found["n_per_component"] == 2
        assert len(found["pooled_by_image"]) == 4
    assert len(record["result"]["curve"]) == 2
    assert record["result"]["title"].startswith("small: ")
    valid = json.loads((folder / "models" / "mnist_s2a_1_3_seed2.json").read_text())["result"]
    assert "batch_statistics" not in valid
    assert np.load(folder / "generated" / "mnist_a2a_1_1_seed1.npy").shape == (35, 1, 7, 7)
    real = np.load(folder / "generated" / "mnist_test.npy")
    assert real.shape == (4, 1, 7, 7)
    assert set(np.unique(real)) == {0, 255}


def test_a_second_call_trains_nothing(finished, monkeypatch):
    source, folder, _ = finished
    before = {path: path.read_bytes() for path in (folder / "models").iterdir()}
    monkeypatch.setattr("vbpi_mix.replication.images.run.train_image_model", None)
    run_images(config_of(n_seeds=2), folder, source=source)
    assert before == {path: path.read_bytes() for path in before}


def test_an_interrupted_call_goes_on_to_equal_results(finished, tmp_path):
    source, folder, _ = finished

    class Interrupts(Silent):
        def progress(self, stage, done, total, detail=""):  # noqa: ARG002
            if "s2a:2:3" in stage and "evaluation" not in stage and done == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    outcome = run_images(config_of(n_seeds=2), tmp_path, source=source, reporter=Interrupts())
    assert outcome.signal_number == signal.SIGTERM
    assert len(outcome.records) == 2
    run_images(config_of(n_seeds=2), tmp_path, source=source)
    assert results(tmp_path) == results(folder)


def test_an_interrupted_evaluation_is_made_again(finished, tmp_path):
    source, folder, _ = finished

    class Interrupts(Silent):
        def progress(self, stage, done, total, detail=""):  # noqa: ARG002
            if "evaluation" in stage:
                os.kill(os.getpid(), signal.SIGTERM)

    config = config_of(rows=["s2a:1:3"])
    assert run_images(config, tmp_path, source=source, reporter=Interrupts()).signal_number == signal.SIGTERM
    assert not list((tmp_path / "models").iterdir())
    run_images(config, tmp_path, source=source)
    name = "mnist_s2a_1_3_seed1.json"
    assert results(tmp_path)[name] == results(folder)[name]


def test_training_on_a_device_is_that_of_the_cpu(finished, tmp_path):
    """With the CPU in the place of a GPU: networks and batches are moved, and PyTorch's Adam makes the updates."""
    source, *_ = finished
    config = config_of(rows=["s2a:2:3"])
    data = prepare_data(config, *load_image_set("mnist", source))
    (row,) = config.rows
    found = []
    for name, device in (("cpu", None), ("device", torch.device("cpu"))):
        model, training = train_image_model(config, row, 1, data, tmp_path / f"{name}.pt", device=device)
        found.append((training["curve"], torch.cat([p.detach().ravel() for p in model.parameters()])))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-5)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there(finished, tmp_path):
    source, *_ = finished
    for word, error, text in (("cuda", BackendError, "no CUDA device"), ("gpu", ConfigError, "cpu, cuda, auto")):
        with pytest.raises(error, match=text):
            run_images(config_of(), tmp_path / "out", source=source, device=word)
    assert not (tmp_path / "out").exists()
    told = []
    reporter = Silent()
    reporter.message = told.append
    assert image_device("auto", reporter) is None
    assert "training on the CPU" in told[0]


def test_other_settings_or_images_in_the_same_folder(finished, tmp_path):
    source, folder, _ = finished
    with pytest.raises(InputError, match=r"epochs = 2, .* 3"):
        run_images(config_of(epochs=3), folder, source=source)
    with pytest.raises(InputError, match="made with other images"):
        run_images(config_of(), folder, source=write_grey(tmp_path / "other", seed=2))


def test_too_few_images(finished, tmp_path):
    source, _, _ = finished
    with pytest.raises(InputError, match="40 and 50"):
        run_images(config_of(n_test=50), tmp_path, source=source)


def test_tables_and_pictures(finished, tmp_path):
    _, folder, _ = finished
    paths = render(folder, tmp_path)
    names = {path.name for path in paths}
    assert names == {"images.md", "images.csv", *(f"figure_{n}_mnist.png" for n in ("01", "04", "05", "13", "14"))}
    text = (tmp_path / "images.md").read_text()
    assert text.startswith("# mnist, small: ")
    assert "published NLL (Table 1)" in text
    assert "MISVAE S2A (A=800, S=1) 74.07. They are of whole images: no number above" in text
    assert "| does NLL fall with A at S = 1? | valid | MISVAE S2A S=1 A=3 | MISVAE A2A S=1 A=1 |" in text
    assert "| does S2S trail S2A? | valid | MISVAE S2S S=2 A=3 | MISVAE S2A S=2 A=3 |" in text
    assert "It is no FID" in text
    with (tmp_path / "images.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 12
    assert [bool(line["nll_batch_statistics"]) for line in lines].count(True) == 2
    for path in paths:
        if path.suffix == ".png":
            image = imread(path)
            assert min(image.shape[:2]) > 400
            assert image[..., :3].std() > 0.02


def test_differences_are_those_of_the_means(finished):
    _, folder, _ = finished
    groups = {group.row.word: group for group in load_image_groups(folder)}
    a, b = groups["s2a:1:3"], groups["a2a:1:1"]
    difference, error, n_seeds = paired_difference(a, b)
    assert difference == pytest.approx(a.nll() - b.nll(), abs=2e-3)
    assert (error > 0, n_seeds) == (True, 2)


def test_colour(tmp_path):
    source = write_colour(tmp_path / "source")
    run_images(config_of("cifar10", rows=["a2a:1:1", "s2a:1:3", "s2s:2:3"]), tmp_path / "out", source=source)
    names = {path.name for path in render(tmp_path / "out")}
    assert names == {"images.md", "images.csv", *(f"figure_{n}_cifar10.png" for n in ("01", "06", "14"))}
    text = (tmp_path / "out" / "images.md").read_text()
    assert "published bpd (Table 4)" in text
    assert "MISVAE S2A (A=4, S=2) 3.19" in text


def test_render_without_records(tmp_path):
    with pytest.raises(InputError):
        render(tmp_path)
