"""One file that holds everything a run needs to go on as if it had never stopped."""

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError
from vbpi_mix.writing import atomic_write

# 2: the optimiser's state is that of `train.adam.Adam`; 3: what changed since the run began (`changes`, `extra`);
# 4: what was found after training (`after`), which training itself does not write; 5: a checksum
FORMAT_VERSION = 5
_READABLE = (2, 3, 4, 5)
_FIRST_WITH_CHECKSUM = 5
_MARK = b"sha256:"
_COMMENT = len(_MARK) + 64
_ADVICE = "restore the file, or fit again into another folder"


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint under a temporary name in the same folder, then rename it over the old one.

    The file is what `torch.save` writes, a zip archive, with the SHA-256 of all that as the archive's comment.

    Raises:
        InputError: it cannot be written, or the disk is full; an old checkpoint is untouched.
    """
    buffer = io.BytesIO()
    torch.save({"format_version": FORMAT_VERSION, **content}, buffer)
    data = buffer.getvalue()
    with atomic_write(path, "wb") as file:
        file.write(data[:-2] + _COMMENT.to_bytes(2, "little") + _comment(data))


def _comment(data: bytes) -> bytes:
    return _MARK + hashlib.sha256(data).hexdigest().encode()


def _checked(data: bytes) -> tuple[bytes, bool]:
    """The archive without its comment, and whether it had one; the checksum is that of its content."""
    comment = data[-_COMMENT:]
    if not comment.startswith(_MARK):
        return data, False
    archive = data[: -_COMMENT - 2] + b"\0\0"
    if data[-_COMMENT - 2 : -_COMMENT] != _COMMENT.to_bytes(2, "little") or comment != _comment(archive):
        raise ValueError("its content does not have its checksum")
    return archive, True


def add_to_checkpoint(path: Path, after: Mapping[str, Any]) -> None:
    """Put what was found after training into a checkpoint, under `after`, in place of what may be there.

    Raises:
        CheckpointError: see `load_checkpoint`.
    """
    content = load_checkpoint(path)
    del content["format_version"]
    save_checkpoint(path, {**content, "after": dict(after)})


def load_checkpoint(path: Path, *, identity: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read a checkpoint.

    Arguments:
        path: the file.
        identity: identity of the run (hashes of taxa and support, ...); compared with what the file says.

    Raises:
        CheckpointError: no such file, not a checkpoint, another format version, or of another run.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no checkpoint there; start the run without --resume")
    with reading(path, CheckpointError, _ADVICE):
        archive, has_checksum = _checked(path.read_bytes())
        content = torch.load(io.BytesIO(archive), map_location="cpu", weights_only=True)
        version = int(content["format_version"])
        if version >= _FIRST_WITH_CHECKSUM and not has_checksum:
            raise ValueError("its checksum is missing")
    if version not in _READABLE:
        formats = f"{_READABLE[0]} to {_READABLE[-1]}"
        raise CheckpointError(f"{path}: checkpoint format {version}, this version reads formats {formats}")
    for key, expected in (identity or {}).items():
        found = content.get("identity", {}).get(key)
        if found != expected:
            raise CheckpointError(f"{path}: belongs to another run: its {key} is {found}, here it is {expected}")
    return content
