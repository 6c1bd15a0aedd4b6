"""One process at a time writes into the folder of a run."""

import errno
import fcntl
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.io.notices import notice

LOCK = "run.lock"
_SCRATCH = re.compile(r"\.[0-9a-f]{12,16}\.tmp|.*\.partial|\..*\.[0-9a-f]{8}\.tmp")
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
# descriptors of the locks that this process holds, and how often, by device and number of the folder
_held: dict[tuple[int, int], int] = {}


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder that exists, for the time of the block.

    The system frees the lock when the process ends, however it ends, so none is ever left over. On network file
    systems it is a lock of all machines that mount the folder; where there are no locks, a notice says so. Within a
    process the lock may be taken again. Once it is held, scratch files that a killed process left behind are removed,
    and symbolic links among the files of the folder refused, as what is written would go elsewhere.

    Raises:
        ConfigError: another process holds it, or a file of the folder is a symbolic link.
        InputError: the lock cannot be made there.
    """
    about = folder.stat()
    key = about.st_dev, about.st_ino
    if key in _held:
        _held[key] += 1
        try:
            yield
        finally:
            _held[key] -= 1
        return
    descriptor = _take(folder / LOCK, folder)
    _held[key] = 1
    try:
        _refuse_links(folder)
        _clear(folder)
        yield
    finally:
        del _held[key]
        _let_go(folder, descriptor)


@contextmanager
def hold_if_within(folder: Path, *outputs: Path) -> Iterator[None]:
    """Hold the lock of a run's folder if one of the outputs is in it: reading a run needs no lock.

    Raises:
        ConfigError, InputError: see `hold`.
    """
    inside = folder.resolve()
    if any(path.resolve().is_relative_to(inside) for path in outputs):
        with hold(folder):
            yield
    else:
        yield


def _take(path: Path, folder: Path) -> int:
    """The descriptor of the lock file, locked, or not where there are no locks."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", errors="replace").strip()
            os.close(descriptor)
            raise ConfigError(
                f"{folder}: another process works on this run{f' ({holder})' if holder else ''}: wait until it has "
                "ended, or choose another folder"
            ) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise InputError(f"cannot lock {path}: {error.strerror}") from error
            notice(f"{folder}: its file system has no locks: make sure that no other process works on this run")
            return descriptor
        if _is_still(path, descriptor):
            _sign(descriptor)
            return descriptor
        os.close(descriptor)  # the one before removed it meanwhile


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _sign(descriptor: int) -> None:
    """Write who holds the lock, for the message of others; a full disk does not matter here."""
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    except OSError:
        return


def _let_go(folder: Path, descriptor: int) -> None:
    """Remove the lock file while it is locked, and close it."""
    (folder / LOCK).unlink(missing_ok=True)
    os.close(descriptor)


def _refuse_links(folder: Path) -> None:
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink():
            raise ConfigError(
                f"{entry} is a symbolic link, and the files of a run are not written through links: remove it"
            )


def _clear(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left."""
    for entry in folder.iterdir():
        if _SCRATCH.fullmatch(entry.name):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
