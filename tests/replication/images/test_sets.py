"""Where images are looked for."""

import gzip

import numpy as np
import pytest

from tests.replication.images.test_formats import cifar, idx
from vbpi_mix.errors import InputError
from vbpi_mix.io import datasets
from vbpi_mix.replication.images.sets import load_image_set

STEMS = [f"{part}-{kind}" for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]


def write_set(folder, *, prefix="", suffix="", pack=bytes, n=4):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    for stem in STEMS:
        shape = (n, 8, 8) if "images" in stem else (n,)
        (folder / f"{prefix}{stem}{suffix}").write_bytes(pack(idx(rng.integers(0, 10, shape, dtype=np.uint8))))


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setenv(datasets.CACHE_VARIABLE, str(tmp_path / "cache"))


def test_a_folder(tmp_path):
    write_set(tmp_path / "plain")
    write_set(tmp_path / "packed", suffix=".gz", pack=gzip.compress)
    for name in ("plain", "packed"):
        train, test = load_image_set("mnist", tmp_path / name)
        assert train.images.shape == test.images.shape == (4, 1, 8, 8)


def test_fetched_files_come_before_those_of_the_system(tmp_path):
    folders = {"fashion-mnist": tmp_path / "system"}
    write_set(tmp_path / "system", n=3)
    assert len(load_image_set("fashion-mnist", system_folders=folders)[0].images) == 3
    write_set(tmp_path / "cache", prefix="fashion-mnist-", suffix=".gz", pack=gzip.compress, n=5)
    assert len(load_image_set("fashion-mnist", system_folders=folders)[0].images) == 5


def test_cifar(tmp_path):
    for name in ("data_batch_1.bin", "test_batch.bin"):
        (tmp_path / name).write_bytes(cifar(3).tobytes())
    train, test = load_image_set("cifar10", tmp_path)
    assert train.images.shape == test.images.shape == (3, 3, 32, 32)


def test_a_csv_file_has_no_test_images(tmp_path):
    (tmp_path / "x.csv").write_text("1,2,3,4,0\n")
    train, test = load_image_set("mnist", tmp_path / "x.csv")
    assert (train.images.shape, test) == ((1, 1, 2, 2), None)


def test_mistakes(tmp_path):
    with pytest.raises(InputError, match="vbpi-mix data fetch mnist"):
        load_image_set("mnist")
    with pytest.raises(InputError, match="no file or folder"):
        load_image_set("mnist", tmp_path / "absent")
    with pytest.raises(InputError, match="has no train-images-idx3-ubyte"):
        load_image_set("mnist", tmp_path)
    with pytest.raises(InputError, match="there are mnist, fashion-mnist, cifar10"):
        load_image_set("digits")
