"""Random damage to files: bits, bytes, pieces, numbers, words of the formats."""

import random
import re
from collections.abc import Callable

_WORDS = [
    b"(", b")", b"[", b"]", b"{", b"}", b"<a=b>", b"'", b"''", b'"', b";", b":", b",", b"=", b"\\3", b"-", b"/", b"*",
    b"\n", b"\r\n", b"\t", b" ", b"\x00", b"\x1a", b"\x1b[31m", b"\xff", b"\xc2\xa0", b"\xe2\x80\xae", b"\xef\xbb\xbf",
    b"#NEXUS", b"begin data;", b"begin trees;", b"end;", b"end", b"matrix", b"translate", b"tree a = ", b"charset a = ",
    b"exclude 1-3;", b"delete A;", b"exset * x = 1;", b"link taxa = y;", b"dimensions ntax=3 nchar=9;", b"interleave",
    b"nolabels", b"datatype=mixed(DNA:1-2,Protein:3)", b"[&W 0.5]", b"[&weight=0.5]", b"[0.5]", b"[&R]", b"nan",
    b">A\n",
    b"inf", b"-1", b"0", b"1e999", b"1_0", b"99999999999999999999", b"1000000000", b"0.5", b"remainder",
    b"all", b".", b"+F", b"+FO{", b"+R2{", b"+G4", b"{1,2}", b"{1/2}", b"null", b"true", b"\"\"", b"DNA, a = ",
    b"PK\x03\x04", b"\x80\x02",
]  # fmt: skip
_NUMBER = re.compile(rb"[0-9]+")
_LONGEST = 20_000


def mutate(data: bytes, others: list[bytes], generator: random.Random) -> bytes:
    """The data with one to five random changes.

    Arguments:
        data: a file.
        others: files of the same kind, for pieces.
        generator: of the changes.
    """
    for _ in range(generator.choice((1, 1, 1, 2, 3, 5))):
        data = generator.choice(_CHANGES)(data, others, generator)
    return data[:_LONGEST]


def _bit(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _byte(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    at = generator.randrange(len(data) + 1)
    return data[:at] + bytes([generator.randrange(256)]) + data[at + generator.randrange(2) :]


def _word(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    at = generator.randrange(len(data) + 1)
    return data[:at] + generator.choice(_WORDS) + data[at + generator.choice((0, 0, 1, 4)) :]


def _cut(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    return data[: generator.randrange(len(data) + 1)]


def _delete(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    at = generator.randrange(len(data) + 1)
    return data[:at] + data[at + generator.choice((1, 2, 8, 40)) :]


def _repeat(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    at = generator.randrange(len(data) + 1)
    piece = data[at : at + generator.choice((1, 3, 20, 200))]
    return data[:at] + piece * generator.choice((2, 2, 5, 50)) + data[at:]


def _splice(data: bytes, others: list[bytes], generator: random.Random) -> bytes:
    other = generator.choice(others)
    at, there = generator.randrange(len(data) + 1), generator.randrange(len(other) + 1)
    if generator.random() < 0.5:
        return data[:at] + other[there:]
    return data[:at] + other[there : there + 40] + data[at:]


def _line(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    lines = data.split(b"\n")
    i, j = generator.randrange(len(lines)), generator.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    if generator.random() < 0.3:
        del lines[i]
    return b"\n".join(lines)


def _number(data: bytes, _: list[bytes], generator: random.Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    match = generator.choice(found)
    value = generator.choice((b"0", b"-1", b"2", b"7", b"1e9", b"1e400", b"999999999999", b"0.5", b"", b"nan"))
    return data[: match.start()] + value + data[match.end() :]


_CHANGES: tuple[Callable[[bytes, list[bytes], random.Random], bytes], ...] = (
    _bit,
    _byte,
    _word,
    _word,
    _cut,
    _delete,
    _repeat,
    _splice,
    _line,
    _number,
)
