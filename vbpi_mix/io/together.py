"""Several files that appear together or not at all."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from vbpi_mix.errors import InputError


@contextmanager
def written_together(folder: Path, names: Sequence[str], *, overwrite: bool = False) -> Iterator[tuple[Path, Path]]:
    """Give a folder to write named files into, and move them to their place when the block ends well.

    A new folder appears at once with all its files; into one that is there they are moved one after the other, after
    all are complete. After an error, or Ctrl-C, in the block nothing is left behind.

    Arguments:
        folder: where the files shall be; made if it is not there, but not its parents.
        names: of the files that the block must write.
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
    scratch = (folder if folder.is_dir() else folder.parent) / f".{secrets.token_hex(6)}.tmp"
    files = scratch / "files"
    try:
        files.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"cannot write into {scratch.parent}: {error.strerror}") from error
    try:
        yield files, scratch
        _move(files, folder, names)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _move(source: Path, folder: Path, names: Sequence[str]) -> None:
    try:
        if not folder.exists():
            source.rename(folder)
            return
        for name in names:
            (source / name).replace(folder / name)
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {error.strerror}") from error
