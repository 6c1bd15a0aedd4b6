"""Results of a long search on disk as they come, so that a search that is interrupted computes none of them again.

A binary file: a header line that names the search, then one record per result: its length, the CRC-32 of the rest, a
hash of what the result was computed from, and its arrays. A search that is done again from its beginning asks for the
same results in the same order, and comes to its end with the same bits, whenever it was interrupted.
"""

import binascii
import hashlib
import io
import os
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.damage import reading
from vbpi_mix.errors import CheckpointError, ConfigError
from vbpi_mix.io.arrays import arrays_of
from vbpi_mix.writing import append_bytes

_FORMAT = "vbpi-mix search 1"
_RECORD = struct.Struct("<QI")
_KEY = 16
_ADVICE = "delete it to begin the search anew"

Arrays = tuple[np.ndarray, ...]


class KeptResults:
    """The results of one search.

    Arguments:
        path: the file, made by the first result; None: nothing is kept, and everything is computed.
        identity: identity of everything that all results depend on besides the arguments of the call.

    Raises:
        ConfigError: the file belongs to another search.
        CheckpointError: it cannot be read.
    """

    def __init__(self, path: Path | None = None, identity: str = "") -> None:
        self.path = path
        self._header = f"{_FORMAT} {identity}\n".encode()
        self._kept = {} if path is None or not path.exists() else self._read(path)

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, what: str, given: Sequence[np.ndarray], compute: Callable[[], Arrays]) -> Arrays:
        """The result of `compute`, from the file if it is there, and kept there if not.

        Arguments:
            what: name of the computation.
            given: everything that it depends on and other computations of this name do not share.
            compute: gives the arrays; called at most once.
        """
        if self.path is None:
            return compute()
        key = _key(what, given)
        kept = self._kept.pop(key, None)  # in memory for its one use; it stays in the file
        if kept is not None:
            return _unpacked(kept, self.path)
        result = compute()
        self._append(self.path, key, result)
        return result

    def _append(self, path: Path, key: bytes, result: Arrays) -> None:
        content = io.BytesIO()
        np.savez(content, *result)
        payload = key + content.getvalue()
        record = _RECORD.pack(len(payload), binascii.crc32(payload)) + payload
        append_bytes(path, record if path.exists() else self._header + record)

    def _read(self, path: Path) -> dict[bytes, bytes]:
        """The whole records; a last one that was cut off is removed from the file, a damaged one with all after it."""
        found: dict[bytes, bytes] = {}
        with reading(path, CheckpointError, _ADVICE):
            content = path.read_bytes()
            if self._header.startswith(content):  # killed before the first record was written
                path.unlink()
                return found
            if not content.startswith(self._header):
                raise ConfigError(
                    f"{path}: holds the search of another fit (another alignment, model or version): delete the file, "
                    "or choose another output"
                )
            at = len(self._header)
            while len(content) - at >= _RECORD.size:
                length, check = _RECORD.unpack_from(content, at)
                payload = content[at + _RECORD.size : at + _RECORD.size + length]
                if length < _KEY or len(payload) != length or binascii.crc32(payload) != check:
                    break
                found[payload[:_KEY]] = payload[_KEY:]
                at += _RECORD.size + length
            if at < len(content):
                os.truncate(path, at)
        return found


def _unpacked(kept: bytes, path: Path) -> Arrays:
    with reading(path, CheckpointError, _ADVICE):
        arrays = arrays_of(io.BytesIO(kept), len(kept))
        return tuple(arrays[f"arr_{i}"] for i in range(len(arrays)))


def _key(what: str, given: Sequence[np.ndarray]) -> bytes:
    digest = hashlib.blake2b(what.encode(), digest_size=_KEY)
    for array in given:
        digest.update(f"\0{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
