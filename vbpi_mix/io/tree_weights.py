"""Weights of trees, as programs write them before and behind a tree."""

import re
from pathlib import Path

from vbpi_mix.io.notices import notice
from vbpi_mix.io.numbers import finite_number

# [&W 0.25] of MrBayes and PAUP, [&weight=0.9] of LogCombiner, alone or among other keys
_TAG = re.compile(rb"\[&(?:[^\[\]]*,)?\s*(?:w\s+|w\s*=|weight\s*=)\s*([^\[\],]+?)\s*[\],]", re.IGNORECASE)
# (A,(B,C),D)[0.2500]; of PHYLIP's consense and dnapars
_BEHIND = re.compile(rb"\[\s*([^\[\]]*?)\s*\]\s*\Z")
_NUMBER_IN_COMMENT = re.compile(
    rb"\[\s*[0-9][^\s\[\]]*\s*\]|\[[^\[\]]*\b(?:p|prob|probability|freq|frequency|count|weights?)\s*=\s*[0-9.][^\[\]]*\]",
    re.IGNORECASE,
)
_LONGEST = 64  # bytes looked at behind a tree


def parse_weight(text: bytes) -> float | None:
    """A finite weight >= 0 written as a number or as a fraction; None for anything else."""
    above, slash, below = text.decode("utf-8", errors="replace").strip().partition("/")
    numerator, denominator = finite_number(above.strip()), finite_number(below.strip()) if slash else 1.0
    if numerator is None or not denominator:
        return None
    value = numerator / denominator
    return value if 0 <= value < float("inf") else None


def tagged_weight(before: bytes) -> tuple[float | None, bytes]:
    """The weight in a comment before a tree and the comment; None and what stands there if that is no weight."""
    tag = _TAG.search(before) if b"&" in before else None
    return (None, b"") if tag is None else (parse_weight(tag[1]), tag.group())


def weight_behind(buffer: bytes, end: int) -> float | None:
    """The weight in the last comment of the tree that ends at `end`."""
    if buffer[end - 1 : end] not in (b"]", b" ", b"\n", b"\t", b"\r"):
        return None
    match = _BEHIND.search(buffer[max(0, end - _LONGEST) : end])
    return None if match is None else parse_weight(match[1])


def name_unread(path: Path, line: int, before: bytes, behind: bytes) -> None:
    """A notice of a number in the comments round an unweighted tree that looks like its weight."""
    for text in (before, behind):
        match = _NUMBER_IN_COMMENT.search(text)
        if match is not None:
            comment = match.group()[:40].decode("utf-8", errors="replace")
            notice(f"{path}, line {line}: the comment {comment!r} is not read as a weight: every tree counts once")
            return
