"""Arrays in `.npz` files: written atomically; read with every declared size checked before memory is taken."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from vbpi_mix.writing import atomic_write

_MOST_DEFLATED = 1040  # bytes that one byte of deflated data can stand for, and a little more
_HEADER = 1 << 16


def save_arrays(path: Path | str, arrays: Mapping[str, Any], *, compress: bool = True) -> None:
    """Write arrays; atomic.

    Arguments:
        path: the file.
        arrays: arrays by name.
        compress: make the file smaller, which takes some thirty times as long.

    Raises:
        InputError: the file cannot be written.
    """
    save = np.savez_compressed if compress else np.savez
    with atomic_write(path, "wb") as file:
        save(cast(IO[bytes], file), **arrays)


def load_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """All arrays of a file; no objects.

    Raises:
        ValueError, OSError and what else zip and NumPy raise: the file is damaged; see `damage.reading`.
    """
    with Path(path).open("rb") as file:
        return arrays_of(file, Path(path).stat().st_size)


def arrays_of(file: IO[bytes], size: int) -> dict[str, np.ndarray]:
    """The same of an open file of so many bytes."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > _MOST_DEFLATED * size + _HEADER:
            raise ValueError("it declares more data than it can hold")
        return {member.filename.removesuffix(".npy"): _load(archive, member) for member in members}


def _load(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member.filename} has the NumPy format {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        count = 1
        for length in shape:
            count *= int(length)
        if min(shape, default=0) < 0 or count * dtype.itemsize > member.file_size:
            raise ValueError(f"{member.filename} declares {count:,} values and holds {member.file_size:,} bytes")
        data = file.read()  # to the end, where its checksum is compared
        if len(data) != count * dtype.itemsize:
            raise ValueError(f"{member.filename} has {len(data):,} bytes of data for {count:,} values")
        flat = np.frombuffer(bytearray(data), dtype=dtype) if dtype.itemsize else np.empty(count, dtype=dtype)
        return cast(np.ndarray, flat.reshape(shape, order="F" if fortran else "C"))
