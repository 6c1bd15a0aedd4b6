"""One error for every way in which a damaged file makes its reader fail."""

import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vbpi_mix.errors import VBPIError

# what zip, zlib, NumPy, pickle, torch, JSON and TOML raise for bytes that are not what they should be
_DAMAGE = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, RuntimeError, ArithmeticError,
    MemoryError, AssertionError, ImportError, SyntaxError, zipfile.BadZipFile, zlib.error, struct.error,
    pickle.UnpicklingError,
)  # fmt: skip


@contextmanager
def reading(path: Path | str, error: type[VBPIError], advice: str) -> Iterator[None]:
    """Turn whatever a damaged file raises in the block into one package error; those that name the file pass.

    Arguments:
        path: the file, for the message.
        error: the kind of error.
        advice: advice to the user.

    Raises:
        VBPIError: of the kind given.
    """
    try:
        yield
    except (VBPIError, *_DAMAGE) as cause:
        if isinstance(cause, error) or (isinstance(cause, VBPIError) and str(path) in str(cause)):
            raise
        what = " ".join(str(cause).split())[:200] or type(cause).__name__
        raise error(f"{path}: damaged, or not a file of this program ({what}): {advice}") from cause
