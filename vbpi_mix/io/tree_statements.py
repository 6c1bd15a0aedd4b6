"""The bytes of a tree file in whole statements or whole lines, in time linear in their number."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.newick_kernels import split_statements

# no tree and no line is that long; more would only be kept to be refused
_LONGEST = 1 << 30
_BRACKET = re.compile(rb"[\[\]]")


@dataclass(frozen=True, kw_only=True)
class Statements:
    """Some statements of a file, in order.

    Arguments:
        buffer: text that holds them.
        spans: (S, 3) int64, begin, first opening bracket (-1: none) and semicolon of each.
        line: line of the file at which `buffer` begins.
        rest: text behind the last semicolon, at the end of the file.
    """

    buffer: bytes
    spans: np.ndarray
    line: int
    rest: bytes = b""


def first_line_and_more(chunks: Iterator[bytes], path: Path) -> bytes:
    """The beginning of a file, with the whole of the first line that is not blank.

    Raises:
        InputError: that line is endless.
    """
    head = next(chunks, b"")
    while b"\n" not in head.lstrip():
        wanted = 2 * len(head)
        chunk = b""
        while len(head) < wanted and (chunk := next(chunks, b"")):
            head += chunk
        if not chunk:
            return head
        if len(head) > _LONGEST:
            raise InputError(f"{path}: no line end within {_LONGEST:,} bytes; this is no list of trees")
    return head


def whole_statements(head: bytes, chunks: Iterator[bytes], path: Path) -> Iterator[Statements]:
    """The statements of a file, as many at a time as the text read so far holds.

    Arguments:
        head: the text that was read before.
        chunks: rest of the text.
        path: the file, for messages.

    Raises:
        InputError: text with a bracket is left without a semicolon at the end, or a statement is endless.
    """
    pending, line, wanted = head, 1, 0
    n_statements = 0
    while True:
        chunk = b""
        while len(pending) < wanted and (chunk := next(chunks, b"")):
            pending += chunk
        ended = not chunk and len(pending) < wanted
        spans = np.empty((pending.count(b";") + 1, 3), dtype=np.int64)
        count, rest = split_statements(np.frombuffer(pending, dtype=np.uint8), spans)
        n_statements += count
        left = pending[rest:]
        if count and not ended:
            yield Statements(buffer=pending, spans=spans[:count], line=line)
        if ended:
            yield Statements(buffer=pending, spans=spans[:count], line=line, rest=left)
            text = strip_comments(left).strip()
            if b"(" in text or (text and n_statements == 0):
                line += pending.count(b"\n", 0, len(pending) - len(left.lstrip()))
                raise InputError(
                    f"{path}, line {line}: the text from here to the end of the file has no closing semicolon: "
                    f"{text[:40].decode('utf-8', errors='replace')!r}; is the file cut off?"
                )
            return
        if len(left) > _LONGEST:
            raise InputError(f"{path}, line {line}: no semicolon within {_LONGEST:,} bytes; this is no list of trees")
        line += pending.count(b"\n", 0, rest)
        pending = left
        wanted = max(2 * len(left), len(left) + 1)  # twice the text, so that no statement is looked at often


def whole_lines(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Text that ends with a line end, or with the file.

    Raises:
        InputError: a line is endless.
    """
    parts: list[bytes] = []
    length = 0
    for chunk in chunks:
        whole, found, rest = chunk.rpartition(b"\n")
        if found:
            yield b"".join([*parts, whole, found])
            parts, length = [], 0
        parts.append(rest)
        length += len(rest)
        if length > _LONGEST:
            raise InputError(f"{path}: no line end within {_LONGEST:,} bytes; this is no list of trees")
    if length:
        yield b"".join(parts)


def strip_comments(text: bytes) -> bytes:
    """Text without its comments, nested ones too; a bracket that is never closed stays."""
    if b"[" not in text:
        return text
    kept: list[bytes] = []
    depth, start = 0, 0
    for match in _BRACKET.finditer(text):
        if match.group() == b"[":
            if depth == 0:
                kept.append(text[start : match.start()])
                start = match.start()
            depth += 1
        elif depth > 0:
            depth -= 1
            if depth == 0:
                start = match.end()
    kept.append(text[start:])
    return b"".join(kept)


def unexpected(path: Path, line: int, buffer: bytes, begin: int, statement: bytes, wanted: str) -> InputError:
    """The error for other text than is wanted at `begin` of a buffer that begins at `line`."""
    blank = len(buffer[begin:]) - len(buffer[begin:].lstrip())
    line += buffer.count(b"\n", 0, begin + blank)
    text = statement.strip()[:30].decode("utf-8", errors="replace")
    return InputError(f"{path}, line {line}: {text!r} where {wanted} should be")
