"""From tree files of all formats to batches of Newick text with weights, a few megabytes at a time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import read_chunks
from vbpi_mix.io.newick_kernels import split_statements
from vbpi_mix.io.nexus_text import commands

NEWICK_COLUMNS = ("newick", "tree")
WEIGHT_COLUMNS = ("mean_prob", "weight", "probability", "count")

_TREE = re.compile(rb"\s*u?tree\b", re.IGNORECASE)
_TRANSLATE = re.compile(rb"\s*translate\b", re.IGNORECASE)
_COMMENT = re.compile(rb"\[[^\[\]]*\]")
_WEIGHT = re.compile(rb"\[&w\s+([^\]]+?)\s*\]", re.IGNORECASE)
_TRANSLATE_WORD = re.compile(r"'[^']*(?:''[^']*)*'|\"[^\"]*\"|,|[^\s,]+")


@dataclass(frozen=True, kw_only=True)
class TreeBatch:
    """Some trees of a file, in order.

    Arguments:
        buffer: text that holds the trees.
        spans: (T, 2) int64, first bracket and end of each tree in it, without the semicolon.
        weights: (T,) float64; None where the file gives none.
        translate: NEXUS TRANSLATE table, token to label as written.
        first_line: line of the file at which `buffer` begins.
    """

    buffer: bytes
    spans: np.ndarray
    weights: np.ndarray | None
    translate: Mapping[str, str] = field(default_factory=dict)
    first_line: int

    def line(self, tree: int) -> int:
        """The line of the file at which a tree begins."""
        return self.first_line + self.buffer.count(b"\n", 0, int(self.spans[tree, 0]))


def read_batches(path: Path) -> Iterator[TreeBatch]:
    """The trees of a file whose format is found from its content, see `trees.read_trees`.

    Raises:
        InputError: the file holds something else than a tree list, or ends within a tree.
    """
    chunks = read_chunks(path)
    head = next(chunks)
    while b"\n" not in head.lstrip() and (more := next(chunks, b"")):
        head += more
    first_line = head.lstrip().split(b"\n", 1)[0].rstrip(b"\r")
    columns = first_line.decode("utf-8", errors="replace").lower().split("\t")
    if first_line[:6].upper() == b"#NEXUS":
        start = len(head) - len(head.lstrip())
        return _nexus(_whole_statements(head[:start] + head[start + 6 :], chunks, path), path)
    if b"(" not in first_line and any(name in columns for name in NEWICK_COLUMNS):
        return _table(head, chunks, columns, path)
    if head.lstrip()[:1] in b"([.0123456789":
        return _newick(_whole_statements(head, chunks, path), path)
    raise InputError(
        f"{path} is no tree list: it begins with {first_line[:30].decode('utf-8', errors='replace')!r}, not with "
        "#NEXUS, a Newick tree, a weight and a tree, or a header with a column 'newick'"
    )


def _whole_statements(head: bytes, chunks: Iterator[bytes], path: Path) -> Iterator[tuple[bytes, np.ndarray, int]]:
    """(text, (S, 3) begin, first bracket and end of its statements, first line) until the file ends."""
    pending, line = head, 1
    while pending:
        statements = np.empty((pending.count(b";") + 1, 3), dtype=np.int64)
        count, rest = split_statements(np.frombuffer(pending, dtype=np.uint8), statements)
        if count:
            yield pending, statements[:count], line
        chunk = next(chunks, b"")
        if not chunk:
            left = _COMMENT.sub(b"", pending[rest:]).strip()
            if b"(" in left or (left and count == 0 and line == 1):
                line += pending.count(b"\n", 0, len(pending) - len(pending[rest:].lstrip()))
                raise InputError(
                    f"{path}, line {line}: the text from here to the end of the file has no closing semicolon: "
                    f"{left[:40].decode('utf-8', errors='replace')!r}; is the file cut off?"
                )
            return
        line += pending.count(b"\n", 0, rest)
        pending = pending[rest:] + chunk


def _newick(parts: Iterator[tuple[bytes, np.ndarray, int]], path: Path) -> Iterator[TreeBatch]:
    weighted: bool | None = None
    for buffer, statements, line in parts:
        weights = []
        for begin, bracket, end in statements.tolist():
            before = buffer[begin : bracket if bracket >= 0 else end]
            if not before or before.isspace():
                weight = None
            else:
                tag = _WEIGHT.search(before)
                number = _COMMENT.sub(b"", before).strip()
                written = number or (tag.group(1) if tag else b"")
                weight = _weight(written) if written else None
                if (written and weight is None) or bracket < 0:
                    raise _unexpected(path, line, buffer, begin, before, "a tree or a weight and a tree")
            if bracket < 0:
                raise _unexpected(path, line, buffer, begin, b";", "a tree")
            weighted = _same_kind(weighted, weight is not None, path, line, buffer, begin)
            weights.append(weight)
        yield _batch(buffer, statements[:, 1:], weights if weighted else None, {}, line)


def _nexus(parts: Iterator[tuple[bytes, np.ndarray, int]], path: Path) -> Iterator[TreeBatch]:
    translate: dict[str, str] = {}
    weighted: bool | None = None
    for buffer, statements, line in parts:
        spans: list[tuple[int, int]] = []
        weights: list[float | None] = []
        for begin, bracket, end in statements.tolist():
            before = buffer[begin : bracket if bracket >= 0 else end]
            command = before if _TREE.match(before) else _strip_comments(before)
            if bracket >= 0 and _TREE.match(command):
                tag = _WEIGHT.search(before)
                weight = _weight(tag.group(1)) if tag else None
                if tag and weight is None:
                    raise _unexpected(path, line, buffer, begin, tag.group(), "a weight like [&W 0.25] or [&W 1/4]")
                weighted = _same_kind(weighted, weight is not None, path, line, buffer, begin)
                spans.append((bracket, end))
                weights.append(weight)
            elif _TRANSLATE.match(command):
                if spans:
                    yield _batch(buffer, np.array(spans), weights if weighted else None, translate, line)
                    spans, weights = [], []
                translate = _translate_table(buffer[begin:end], path)
        if spans:
            yield _batch(buffer, np.array(spans), weights if weighted else None, translate, line)


def _table(head: bytes, chunks: Iterator[bytes], columns: list[str], path: Path) -> Iterator[TreeBatch]:
    column = next(columns.index(name) for name in NEWICK_COLUMNS if name in columns)
    weight_column = next((columns.index(name) for name in WEIGHT_COLUMNS if name in columns), None)
    header_end = len(head) - len(head.lstrip()) + (head.lstrip() + b"\n").index(b"\n") + 1
    pending, line = head[header_end:], head.count(b"\n", 0, header_end) + 1
    while True:
        chunk = next(chunks, b"")
        whole, _, rest = (pending + chunk).rpartition(b"\n") if chunk else (pending, b"", b"")
        newicks, weights, ends = [], [], []
        for number, row in enumerate(whole.split(b"\n") if whole else []):
            fields = row.rstrip(b"\r").split(b"\t") if row.strip() else [b""] * len(columns)
            if len(fields) != len(columns):
                raise InputError(
                    f"{path}, line {line + number}: {len(fields)} columns, where the header has {len(columns)}"
                )
            newick = fields[column].strip().strip(b'"')
            newicks.append(newick)
            ends.append(len(newick.rstrip(b";")))
            if newick and weight_column is not None:
                weights.append(_weight(fields[weight_column]))
                if weights[-1] is None:
                    raise InputError(
                        f"{path}, line {line + number}: {fields[weight_column].decode('utf-8', 'replace')!r} in column "
                        f"{columns[weight_column]!r} is no weight"
                    )
        begins = np.cumsum([0, *(len(newick) + 1 for newick in newicks)], dtype=np.int64)[:-1]
        spans = np.stack([begins, begins + np.array(ends, dtype=np.int64)], axis=1)[[bool(x) for x in newicks]]
        if len(spans):
            yield _batch(b"\n".join(newicks), spans, None if weight_column is None else weights, {}, line)
        if not chunk:
            return
        line += len(newicks)
        pending = rest


def _batch(
    buffer: bytes, spans: np.ndarray, weights: list[float | None] | None, translate: dict[str, str], line: int
) -> TreeBatch:
    return TreeBatch(
        buffer=buffer,
        spans=np.ascontiguousarray(spans, dtype=np.int64),
        weights=None if weights is None else np.array(weights, dtype=np.float64),
        translate=translate,
        first_line=line,
    )


def _weight(text: bytes) -> float | None:
    """A finite weight >= 0 written as a number or as a fraction; None for anything else."""
    above, slash, below = text.partition(b"/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        return None
    return value if 0 <= value < float("inf") else None


def _translate_table(text: bytes, path: Path) -> dict[str, str]:
    command = next(commands(text.decode("utf-8", errors="replace") + ";", str(path)))
    table: dict[str, str] = {}
    entry: list[str] = []
    for word in [*_TRANSLATE_WORD.findall(command.rest), ","]:
        if word != ",":
            entry.append(word)
        elif entry:
            if len(entry) == 1:
                raise InputError(f"{path}: the TRANSLATE table has a token without a taxon: {entry[0]!r}")
            table[entry[0]] = " ".join(entry[1:])
            entry = []
    return table


def _strip_comments(text: bytes) -> bytes:
    shorter = _COMMENT.sub(b"", text)
    while shorter != text:  # nested comments go from the inside out
        text, shorter = shorter, _COMMENT.sub(b"", shorter)
    return text


def _same_kind(known: bool | None, weighted: bool, path: Path, line: int, buffer: bytes, begin: int) -> bool:
    if known is not None and known != weighted:
        line += buffer.count(b"\n", 0, begin + 1)
        raise InputError(f"{path}, near line {line}: some trees have a weight and others have none")
    return weighted


def _unexpected(path: Path, line: int, buffer: bytes, begin: int, found: bytes, wanted: str) -> InputError:
    blank = len(buffer[begin:]) - len(buffer[begin:].lstrip())
    line += buffer.count(b"\n", 0, begin + blank)
    text = found.strip()[:30].decode("utf-8", errors="replace")
    return InputError(f"{path}, line {line}: {text!r} where {wanted} should be")
