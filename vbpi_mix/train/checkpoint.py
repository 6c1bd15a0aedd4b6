"""One file that holds everything a run needs to go on as if it had never stopped."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vbpi_mix.errors import CheckpointError

# 2: the optimiser's state is that of `train.adam.Adam`; 3: what changed since the run began (`changes`, `extra`);
# 4: what was found after training (`after`), which training itself does not write
FORMAT_VERSION = 4
_READABLE = (2, 3, 4)


def save_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint to a temporary name in the same folder, then rename it over the old one."""
    temporary = path.with_name(path.name + ".partial")
    try:
        torch.save({"format_version": FORMAT_VERSION, **content}, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
        identity: what the run is (hashes of taxa and support, ...); compared with what the file says.

    Raises:
        CheckpointError: no such file, not a checkpoint, another format version, or of another run.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no checkpoint there; start the run without --resume")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = content["format_version"]
    except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this program, or damaged ({error})") from error
    if version not in _READABLE:
        formats = f"{_READABLE[0]} to {_READABLE[-1]}"
        raise CheckpointError(f"{path}: checkpoint format {version}, this version reads formats {formats}")
    for key, expected in (identity or {}).items():
        found = content.get("identity", {}).get(key)
        if found != expected:
            raise CheckpointError(f"{path}: belongs to another run: its {key} is {found}, here it is {expected}")
    return content
