"""Opening what a user gave."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from vbpi_mix.errors import InputError
from vbpi_mix.io.notices import notice
from vbpi_mix.writing import atomic_write as atomic_write

_GZIP_MAGIC = b"\x1f\x8b"
# what the first bytes of text never hold: NUL (binary files, UTF-16 and UTF-32 text)
_BINARY_MARK = b"\x00"
_DOS_END = "\x1a"
# of a file that is read as a whole, unpacked: a packed one may hold a thousand times its size
LARGEST_TEXT = 1 << 31


@contextmanager
def open_bytes(path: Path | str) -> Iterator[BinaryIO]:
    """Open a file, unpacked where its first bytes say gzip; errors in the block while unpacking name the file.

    Raises:
        InputError: the file is absent, a folder, unreadable, empty, not text, or damaged gzip data.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file")
    try:
        raw = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    with raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        file = cast(BinaryIO, io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw)
        try:
            start = cast(io.BufferedReader, file).peek(4096)
            if not start:
                raise InputError(f"{path} is empty")
            if _BINARY_MARK in start:
                raise InputError(f"{path} is not a text file (it holds zero bytes; UTF-8 text is read)")
            yield file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(f"{path}: the gzip data is damaged or cut off ({error})") from error


@contextmanager
def open_text(path: Path | str) -> Iterator[TextIO]:
    """Open a UTF-8 text file, gzipped or not, for reading; a byte order mark is dropped.

    Raises:
        InputError: as `open_bytes`, or the bytes read in the block are not UTF-8.
    """
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as text:
        try:
            yield text
        except UnicodeDecodeError as error:
            raise InputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error


def read_text(path: Path | str, *, largest: int = LARGEST_TEXT) -> str:
    """The whole of a text file, with every kind of line end read as a newline.

    Arguments:
        path: the file.
        largest: Most characters that are read.

    Raises:
        InputError: as `open_text`, or there is nothing but white space, or more than `largest` characters.
    """
    with open_text(path) as file:
        text = file.read(largest + 1)
    if len(text) > largest:
        raise InputError(f"{path}: more than {largest:,} characters of text; that is more than can be used")
    if text.rstrip().endswith(_DOS_END):
        text = text.rstrip()[:-1]
        notice(f"{path}: the DOS end-of-file character (Ctrl-Z) at its end is passed over")
    if not text.strip():
        raise InputError(f"{path} is empty")
    return text


def read_chunks(path: Path | str, size: int = 1 << 22) -> Iterator[bytes]:
    """The bytes of a file in pieces of about `size`, unpacked, without a byte order mark.

    Raises:
        InputError: as `open_bytes`.
    """
    with open_bytes(path) as file:
        chunk = file.read(max(size, len(codecs.BOM_UTF8))).removeprefix(codecs.BOM_UTF8)
        while chunk:
            yield chunk
            chunk = file.read(size)
