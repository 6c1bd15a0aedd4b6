"""Locks of processes that share a folder of results."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from vbpi_mix.errors import InputError

LockState = Literal["mine", "taken", "unknown"]


@contextmanager
def hold_lock(path: Path, *, wait: bool = False) -> Iterator[LockState]:
    """Hold a lock on a file, which is made if need be and stays; the system frees it when the process ends, however.

    Gives "taken" if another process holds it, and "unknown" on file systems that have no locks.

    Arguments:
        path: the file; its folder must exist.
        wait: until the other process lets go, in place of "taken".

    Raises:
        InputError: the file cannot be opened.
    """
    try:
        file = path.open("a")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield "taken"
        except OSError:
            yield "unknown"
        else:
            yield "mine"
