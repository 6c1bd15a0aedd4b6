"""Several files that appear together or not at all."""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from vbpi_mix.errors import InputError
from vbpi_mix.writing import SCRATCH_ENDING

_OWNER = "owner"


@contextmanager
def written_together(folder: Path, names: Sequence[str], *, overwrite: bool = False) -> Iterator[tuple[Path, Path]]:
    """Give a folder to write named files into, and move them to their place when the block ends well.

    A new folder appears at once with all its files; into one that is there they are moved one after the other, after
    all are complete. After an error, or Ctrl-C, in the block nothing is left behind; what a killed
    process left is removed by the next that writes to the same folder.

    Arguments:
        folder: folder for the files; made if it is not there, but not its parents.
        names: names of the files that the block must write.
        overwrite: replace files of the same names.

    Yields:
        The folder to write into, and one for what is only needed meanwhile; both on the same disk as `folder`.

    Raises:
        InputError: the folder is a file, has no parent, cannot be written, or holds such files already.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder to write into")
    if not folder.exists() and not folder.parent.is_dir():
        raise InputError(f"{folder.parent}: no such folder to make {folder.name} in")
    there = [name for name in names if (folder / name).exists()]
    if there and not overwrite:
        raise InputError(f"{folder / there[0]}: is there already; choose another folder, or give --overwrite")
    place = folder if folder.is_dir() else folder.parent
    _clear(place, folder)
    scratch = place / f".{_mark(folder)}{secrets.token_hex(4)}{SCRATCH_ENDING}"
    files = scratch / "files"
    try:
        files.mkdir(parents=True)
        owner = os.open(scratch / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise InputError(f"cannot write into {scratch.parent}: {error.strerror}") from error
    try:
        with suppress(OSError):  # a file system without locks: what is left after a kill stays there
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield files, scratch
        _move(files, folder, names)
    finally:
        os.close(owner)
        shutil.rmtree(scratch, ignore_errors=True)


def _mark(folder: Path) -> str:
    """Eight letters that the scratch folders of one target have in common."""
    return hashlib.blake2b(os.fsencode(folder.absolute()), digest_size=4).hexdigest()


def _clear(place: Path, folder: Path) -> None:
    """Remove what a process that was killed while it wrote to the same folder has left; a living one holds its lock."""
    for left in place.glob(f".{_mark(folder)}*{SCRATCH_ENDING}"):
        try:
            owner = os.open(left / _OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            shutil.rmtree(left, ignore_errors=True)
        finally:
            os.close(owner)


def _move(source: Path, folder: Path, names: Sequence[str]) -> None:
    try:
        if not folder.exists():
            source.rename(folder)
            return
        for name in names:
            (source / name).replace(folder / name)
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}") from error
