"""From tree files of all formats to batches of Newick text with weights, a few megabytes at a time."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import read_chunks
from vbpi_mix.io.nexus_trees import TreeBlocks
from vbpi_mix.io.notices import notice
from vbpi_mix.io.tree_statements import (
    Statements,
    first_line_and_more,
    strip_comments,
    unexpected,
    whole_lines,
    whole_statements,
)
from vbpi_mix.io.tree_weights import name_unread, parse_weight, tagged_weight, weight_behind

NEWICK_COLUMNS = ("newick", "tree")
WEIGHT_COLUMNS = ("mean_prob", "weight", "probability", "count")

_TREE = re.compile(rb"\s*u?tree\b", re.IGNORECASE)
_REMARKS = re.compile(rb"(?:\s*#(?!nexus)[^\n]*\n)+", re.IGNORECASE)
_TREE_CELL = re.compile(rb"\s*\"?\s*(?:\[[^\[\]]*\]\s*)*\(")
# SplitsTree numbers the trees: [1] tree x = ...
_NUMBERING = re.compile(rb"\A\s*(?:\[[^\[\]=]*\]\s*)+(?=u?tree\b)", re.IGNORECASE)
_END = re.compile(rb"\s*end(?:block)?\s*\Z", re.IGNORECASE)
# the number of trees in the first line of PHYLIP's lists, with that of taxa before it in PAML's
_COUNT_LINE = re.compile(rb"\s*(?P<first>\d+)(?:[ \t]+(?P<trees>\d+))?[ \t]*\r?\n\s*\Z")


@dataclass(frozen=True, kw_only=True)
class TreeBatch:
    """Some trees of a file, in order.

    Arguments:
        buffer: text that holds the trees.
        spans: (T, 2) int64, first bracket and end of each tree in it, without the semicolon.
        weights: (T,) float64; None where the file gives none.
        translate: labels as written, by token without quotes.
        first_line: line of the file at which `buffer` begins.
    """

    buffer: bytes
    spans: np.ndarray
    weights: np.ndarray | None
    translate: Mapping[str, str] = field(default_factory=dict)
    first_line: int

    @cached_property
    def _line_ends(self) -> np.ndarray:
        return np.flatnonzero(np.frombuffer(self.buffer, dtype=np.uint8) == ord("\n"))

    def line(self, tree: int) -> int:
        """The line of the file at which a tree begins."""
        return self.first_line + int(np.searchsorted(self._line_ends, self.spans[tree, 0]))

    def text(self, tree: int) -> str:
        """One tree, from its first bracket to its end, without the semicolon."""
        begin, end = self.spans[tree].tolist()
        return self.buffer[begin:end].decode("utf-8", errors="replace")


def read_batches(path: Path) -> Iterator[TreeBatch]:
    """The trees of a file whose format is found from its content, see `trees.read_trees`.

    Raises:
        InputError: the file holds something else than a tree list, or ends within a tree.
    """
    chunks = read_chunks(path)
    head = _without_remarks(first_line_and_more(chunks, path))
    first_line = head.lstrip().split(b"\n", 1)[0].rstrip(b"\r")
    columns = first_line.decode("utf-8", errors="replace").lower().split("\t")
    if first_line[:6].upper() == b"#NEXUS":
        start = len(head) - len(head.lstrip())
        return _nexus(whole_statements(head[:start] + head[start + 6 :], chunks, path), path)
    column = None if b"(" in first_line else _tree_column(head, columns)
    if column is not None:
        return _table(head, chunks, columns, column, path)
    if head.lstrip()[:1] in b"([.0123456789":
        return _newick(whole_statements(head, chunks, path), path)
    raise InputError(
        f"{path} is no tree list: it begins with {first_line[:30].decode('utf-8', errors='replace')!r}, not with "
        "#NEXUS, a Newick tree, a weight and a tree, or a table with a column of trees"
    )


def _newick(parts: Iterator[Statements], path: Path) -> Iterator[TreeBatch]:
    weighted: bool | None = None
    first = True
    declared, n_trees, rest = b"", 0, b""
    for part in parts:
        buffer, line = part.buffer, part.line
        rows = part.spans.tolist()
        weights: list[float | None] = []
        for index, (begin, bracket, end) in enumerate(rows):
            before = buffer[begin : bracket if bracket >= 0 else end]
            weight = None
            if first and _is_count(before, buffer, rows[index + 1 :]):
                match = _COUNT_LINE.match(before)
                declared = b"" if match is None else match["trees"] or match["first"]
            elif before and not before.isspace():
                weight, tag = tagged_weight(before)
                number = strip_comments(before).strip()
                if number:
                    weight = parse_weight(number)
                if ((number or tag) and weight is None) or bracket < 0:
                    raise unexpected(path, line, buffer, begin, before, "a tree or a weight and a tree")
            if bracket < 0:
                raise unexpected(path, line, buffer, begin, b";", "a tree")
            if weight is None:
                weight = weight_behind(buffer, end)
            if first and weight is None:
                name_unread(path, line, before, buffer[max(bracket, end - 40) : end])
            first = False
            weighted = _same_kind(weighted, weight is not None, path, line, buffer, bracket)
            weights.append(weight)
        n_trees += len(weights)
        if weights:
            yield _batch(buffer, part.spans[:, 1:], weights if weighted else None, {}, line)
        rest = strip_comments(part.rest).strip()
    if rest:
        shown = rest[:30].decode("utf-8", errors="replace")
        notice(f"{path}: text behind the last tree is passed over: {shown!r}")
    if declared and int(declared[:18]) != n_trees:
        notice(f"{path}: line 1 says {int(declared[:18]):,} trees, but there are {n_trees:,}: the file may be cut off")


def _is_count(before: bytes, buffer: bytes, following: list[list[int]]) -> bool:
    """Whether what stands before the first tree is a line with the number of trees, and no weight."""
    match = _COUNT_LINE.match(before)
    if match is None or match["trees"]:
        return match is not None
    if not following:
        return True
    begin, bracket, end = following[0]
    after = strip_comments(buffer[begin : bracket if bracket >= 0 else end]).strip()
    return not after and weight_behind(buffer, end) is None


def _nexus(parts: Iterator[Statements], path: Path) -> Iterator[TreeBatch]:
    state = TreeBlocks(path)
    weighted: bool | None = None
    rest = b""
    for part in parts:
        buffer, line = part.buffer, part.line
        spans: list[tuple[int, int]] = []
        weights: list[float | None] = []
        for begin, bracket, end in part.spans.tolist():
            before = buffer[begin : bracket if bracket >= 0 else end]
            command = before if _TREE.match(before) else strip_comments(before)
            if bracket >= 0 and _TREE.match(command):
                weight, tag = tagged_weight(before)
                if tag and weight is None:
                    raise unexpected(path, line, buffer, begin, tag, "a weight like [&W 0.25] or [&W 1/4]")
                if weighted is None and weight is None:
                    text = _NUMBERING.sub(b"", before)
                    name_unread(
                        path, line + buffer.count(b"\n", 0, bracket), text, buffer[max(bracket, end - 40) : end]
                    )
                weighted = _same_kind(weighted, weight is not None, path, line, buffer, bracket)
                spans.append((bracket, end))
                weights.append(weight)
                continue
            if spans:
                yield _batch(buffer, np.array(spans), weights if weighted else None, state.table(), line)
                spans, weights = [], []
            if command.strip():
                state.read(buffer[begin:end].decode("utf-8", errors="replace"))
        if spans:
            yield _batch(buffer, np.array(spans), weights if weighted else None, state.table(), line)
        rest = part.rest
    if state.open_block and not _END.match(strip_comments(rest)):
        notice(f"{path}: the block {state.open_block.upper()} has no END: the file may be cut off, or still be written")


def _without_remarks(head: bytes) -> bytes:
    """The beginning of a file with the lines of a table's remarks, which begin with #, made blank."""
    match = _REMARKS.match(head)
    return head if match is None else b"\n" * match.group().count(b"\n") + head[match.end() :]


def _tree_column(head: bytes, columns: list[str]) -> int | None:
    """The column of a table that holds trees, by its name or else by the first row (in RevBayes users name it)."""
    named = next((columns.index(name) for name in NEWICK_COLUMNS if name in columns), None)
    if named is not None or len(columns) == 1:
        return named
    rows = head.lstrip().split(b"\n", 2)
    cells = rows[1].split(b"\t") if len(rows) > 1 else []
    trees = [i for i, cell in enumerate(cells) if _TREE_CELL.match(cell)]
    return trees[0] if len(trees) == 1 and len(cells) == len(columns) else None


def _table(head: bytes, chunks: Iterator[bytes], columns: list[str], column: int, path: Path) -> Iterator[TreeBatch]:
    weight_column = next((columns.index(name) for name in WEIGHT_COLUMNS if name in columns), None)
    header_end = len(head) - len(head.lstrip()) + (head.lstrip() + b"\n").index(b"\n") + 1
    line = head.count(b"\n", 0, header_end) + 1
    for whole in whole_lines(_chain(head[header_end:], chunks), path):
        newicks, weights, ends = [], [], []
        for number, row in enumerate(whole.removesuffix(b"\n").split(b"\n")):
            fields = row.rstrip(b"\r").split(b"\t") if row.strip() else [b""] * len(columns)
            if len(fields) != len(columns):
                raise InputError(
                    f"{path}, line {line + number}: {len(fields)} columns, where the header has {len(columns)}"
                )
            newick = fields[column].strip().strip(b'"') if fields[column][:1] == b'"' else fields[column].strip()
            newicks.append(newick)
            ends.append(len(newick.rstrip(b";")))
            if newick and weight_column is not None:
                weights.append(parse_weight(fields[weight_column]))
                if weights[-1] is None:
                    raise InputError(
                        f"{path}, line {line + number}: {fields[weight_column].decode('utf-8', 'replace')!r} in column "
                        f"{columns[weight_column]!r} is no weight"
                    )
        begins = np.cumsum([0, *(len(newick) + 1 for newick in newicks)], dtype=np.int64)[:-1]
        spans = np.stack([begins, begins + np.array(ends, dtype=np.int64)], axis=1)[[bool(x) for x in newicks]]
        if len(spans):
            yield _batch(b"\n".join(newicks), spans, None if weight_column is None else weights, {}, line)
        line += len(newicks)


def _chain(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from others


def _batch(
    buffer: bytes, spans: np.ndarray, weights: list[float | None] | None, translate: Mapping[str, str], line: int
) -> TreeBatch:
    return TreeBatch(
        buffer=buffer,
        spans=np.ascontiguousarray(spans, dtype=np.int64),
        weights=None if weights is None else np.array(weights, dtype=np.float64),
        translate=translate,
        first_line=line,
    )


def _same_kind(known: bool | None, weighted: bool, path: Path, line: int, buffer: bytes, begin: int) -> bool:
    if known is not None and known != weighted:
        line += buffer.count(b"\n", 0, begin + 1)
        raise InputError(f"{path}, near line {line}: some trees have a weight and others have none")
    return weighted
