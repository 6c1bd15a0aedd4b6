"""Writing files so that nothing half-written is ever seen, and every failure is one message."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, cast

from vbpi_mix.errors import InputError

SCRATCH_ENDING = ".tmp"


@contextmanager
def atomic_write(path: Path | str, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Write a file under a temporary name in the same folder and rename it when the block ends well.

    Readers see the old file or the whole new one; after an error nothing is left behind and an old file is untouched.
    A symbolic link at `path` is replaced, not written through. Characters that UTF-8 cannot hold (of file names in
    another encoding) are written as escapes.

    Arguments:
        path: the file to write or replace; its folder must exist.
        mode: "w" for UTF-8 text, "wb" for bytes.

    Raises:
        InputError: the file cannot be written there, or the disk is full.
    """
    path = Path(path)
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise cannot_write(path, error) from error
    if is_folder:
        raise InputError(f"cannot write {path}: it is a folder")
    # not from the name of the file, which may have the longest length that a name can have
    temporary = path.with_name(f".{secrets.token_hex(8)}{SCRATCH_ENDING}")
    text: dict[str, Any] = {} if mode == "wb" else {"encoding": "utf-8", "errors": "backslashreplace", "newline": "\n"}
    try:
        file = temporary.open("xb" if mode == "wb" else "x", **text)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            yield cast(IO[Any], _Checked(file, path))
        finally:
            _close(file, path)
        _replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def append_line(path: Path, line: str) -> None:
    """Add a line to the end of a text file, which is made if need be; a symbolic link is not followed.

    Raises:
        InputError: it cannot be written, or the disk is full; then part of the line may be there.
    """
    append_bytes(path, (line + "\n").encode())


def append_bytes(path: Path, content: bytes) -> None:
    """The same for bytes."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        with os.fdopen(os.open(path, flags, 0o666), "ab") as file:
            file.write(content)
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> InputError:
    """The message for a file that cannot be written."""
    return InputError(f"cannot write {path}: {error.strerror or error}")


class _Checked:
    """A file whose errors of writing name the file that is meant, whoever writes."""

    def __init__(self, file: IO[Any], path: Path) -> None:
        self._file = file
        self._path = path

    def write(self, content: Any) -> int:
        try:
            return self._file.write(content)
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._file.flush()
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._file)


def _close(file: IO[Any], path: Path) -> None:
    try:
        file.close()
    except OSError as error:
        raise cannot_write(path, error) from error


def _replace(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from error
