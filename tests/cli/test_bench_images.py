"""`vbpi-mix bench mnist`, `fashion`, `cifar10` as a user runs them."""

import dataclasses

import pytest

from tests.replication.images.examples import write_colour, write_grey
from vbpi_mix.replication.images.config import SCALES


def test_train_and_render(program, tmp_path, monkeypatch):
    key = ("grey", "small")
    monkeypatch.setitem(SCALES, key, dataclasses.replace(SCALES[key], n_generated=40, n_draws=4))
    source = write_grey(tmp_path / "source", n=110)
    arguments = ("--data", source, "-o", tmp_path / "out", "--epochs", 1, "--train", 100, "--test", 2)
    status, out, err = program("bench", "fashion", *arguments, "--rows", "s2a:1:2", "--rows", "a2a:1:1")
    assert status == 0, err
    assert out.startswith("2 models have their record: small: 14 x 14 pixels, 100 training images, 1 epoch\n")
    assert "fashion-mnist s2a:1:2, seed 1: 1 of 1" in err
    status, out, err = program("bench", "render", tmp_path / "out")
    assert status == 0, err
    assert "images.md" in out
    assert (tmp_path / "out" / "figure_04_fashion-mnist.png").is_file()
    assert (tmp_path / "out" / "images.md").read_text().startswith("# fashion-mnist, small: ")


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("mnist", (), "--output"),
        ("mnist", ("-o", "{}/x", "--data", "{}/absent"), "there is no file or folder"),
        ("mnist", ("-o", "{}/x", "--data", "{}/bad.csv"), "not a square image"),
        ("mnist", ("-o", "{}/x", "--data", "{}/grey", "--rows", "s2a"), "ESTIMATOR:S:A"),
        ("mnist", ("-o", "{}/x", "--data", "{}/grey", "--scale", "huge"), "small, published"),
        ("mnist", ("-o", "{}/x", "--data", "{}/grey"), "too few"),
        ("fashion", ("-o", "{}/x", "--data", "{}/colour"), "train-images-idx3-ubyte"),
        ("cifar10", ("-o", "{}/x", "--data", "{}/grey"), "data_batch"),
        ("cifar10", ("-o", "{}/x", "--data", "{}/colour", "--rows", "a2a:2:2:semvae"), "mnist and fashion only"),
    ],
)
def test_mistakes_are_one_line(program, tmp_path, command, arguments, expected):
    (tmp_path / "bad.csv").write_text("1,2,3\n")
    write_grey(tmp_path / "grey")
    write_colour(tmp_path / "colour", n=2)
    status, out, err = program("bench", command, *(str(a).replace("{}", str(tmp_path)) for a in arguments))
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert expected in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()
