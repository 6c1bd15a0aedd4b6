"""Constraints on topologies as text: Newick trees, and MrBayes's `constraint` command."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import read_text
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.io.newick import read_clades
from vbpi_mix.io.nexus import newick_label
from vbpi_mix.io.nexus_text import comment_end, unquote
from vbpi_mix.phylo.constraints import Constraint, Constraints

_MRBAYES = re.compile(
    r"constraint\s+('[^']*(?:''[^']*)*'|\S+?)\s*(?:\s(hard|partial|negative))?\s*(?:\s(-?[\d.]+))?\s*=\s*(.+)",
    re.I | re.S,
)
_STRUCTURE = re.compile(r"begin\s+mrbayes|end|endblock", re.I)
_WORD = re.compile(r"'(?:[^']|'')*'|\S+")


def constraint_statements(given: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    """The statements of files, or those given as text, one string each.

    A file holds one or more statements, each with a semicolon behind it:

    * a Newick tree, on all taxa or on some (a backbone), with multifurcations or without: its splits are required;
    * `not` and such a tree: topologies that display all of its splits are excluded;
    * `constraint NAME [hard | partial | negative] = TAXA [: TAXA]` as MrBayes has it, alone or in a block.

    Comments in square brackets are passed over.

    Arguments:
        given: paths; text where there is a bracket or a semicolon.

    Raises:
        InputError: no such file, or a statement of another kind, with the line.
    """
    every = [given] if isinstance(given, str | Path) else list(given)
    found: list[str] = []
    for item in every:
        text = str(item)
        inline = isinstance(item, str) and any(c in text for c in "(;")
        found += _split(text if inline else read_text(Path(text)), "constraint" if inline else text)
    return tuple(found)


def parse_constraints(statements: Sequence[str], taxa: Sequence[str]) -> Constraints:
    """The constraints of statements on taxa.

    Raises:
        InputError: an unknown or repeated taxon, a broken tree, or a statement without a split.
    """
    labels = TaxonLabels(taxa)
    return Constraints(taxa=labels.taxa, each=tuple(parse_constraint(s, labels) for s in statements))


def parse_constraint(statement: str, labels: TaxonLabels) -> Constraint:
    """The constraint of one statement; see `constraint_statements`.

    Arguments:
        statement: the text, with or without its semicolon.
        labels: the taxa.

    Raises:
        InputError: as `parse_constraints`.
    """
    text = statement.strip().rstrip(";").strip()
    match = _MRBAYES.fullmatch(text)
    if match is not None:
        return _mrbayes(match, labels)
    negative = text[:3].lower() == "not"
    tree = text[3:].strip() if negative else text
    where = f"constraint '{_short(text)}'"
    present, clades = read_clades(tree, labels, where)
    inside, outside = [], []
    for clade in clades:
        rest = set(present) - clade
        if min(len(clade), len(rest)) < 2:
            continue
        if any(a in (clade, rest) for a in inside):  # both sides of a root with two children
            continue
        inside.append(clade)
        outside.append(rest)
    if not inside:
        raise InputError(f"{where}: it has no split: give brackets round two taxa or more, and two or more outside")
    return _constraint(labels, inside, outside, negative, _short(text))


def _mrbayes(match: re.Match[str], labels: TaxonLabels) -> Constraint:
    name, kind = unquote(match[1]), (match[2] or "hard").lower()
    where = f"constraint {name}"
    sides = match[4].split(":")
    if len(sides) != (2 if kind == "partial" else 1):
        raise InputError(f"{where}: {kind} takes {'TAXA : TAXA' if kind == 'partial' else 'one list of taxa'}")
    each = [frozenset(_taxon(word, labels, where) for word in _WORD.findall(side)) for side in sides]
    outside = each[1] if kind == "partial" else frozenset(range(len(labels.taxa))) - each[0]
    if each[0] & outside:
        raise InputError(f"{where}: a taxon is on both sides")
    if min(len(each[0]), len(outside)) < 2:
        raise InputError(f"{where}: every tree has this split: give two taxa or more, with two or more outside")
    return _constraint(labels, [each[0]], [outside], kind == "negative", name)


def _taxon(word: str, labels: TaxonLabels, where: str) -> int:
    index = labels.find_written(word, {})
    if index is None and word.isdigit() and 1 <= int(word) <= len(labels.taxa):
        index = int(word) - 1  # MrBayes counts from 1
    if index is None:
        raise InputError(f"{where}: there is no taxon {unquote(word)!r}; taxa: {', '.join(labels.taxa)}")
    return index


def _constraint(
    labels: TaxonLabels, inside: Sequence[Iterable[int]], outside: Sequence[Iterable[int]], negative: bool, name: str
) -> Constraint:
    masks = np.zeros((2, len(inside), len(labels.taxa)), dtype=bool)
    for row, (a, b) in enumerate(zip(inside, outside, strict=True)):
        masks[0, row, list(a)] = masks[1, row, list(b)] = True
    return Constraint(taxa=labels.taxa, inside=masks[0], outside=masks[1], negative=negative, name=name)


def _split(text: str, where: str) -> list[str]:
    """The statements between semicolons, without comments."""
    found: list[str] = []
    line, begun, kept, quoted, position = 1, 1, "", False, 0
    while position < len(text):
        c = text[position]
        line += c == "\n"
        quoted ^= c == "'"
        if c == "[" and not quoted:
            end = comment_end(text, position)
            if end < 0:
                raise InputError(f"{where}, line {line}: a comment is never closed")
            line += text.count("\n", position, end)
            position = end
            continue
        if c == ";" and not quoted:
            _take(kept, f"{where}, line {begun}", found)
            kept = ""
        else:
            begun = begun if kept.strip() else line
            kept += c
        position += 1
    _take(kept, f"{where}, line {begun}", found)
    if not found:
        raise InputError(f"{where}: there is no constraint in it")
    return found


def _take(text: str, where: str, found: list[str]) -> None:
    plain = " ".join(text.split())
    if plain[:6].upper() == "#NEXUS":
        plain = plain[6:].strip()
    if not plain or _STRUCTURE.fullmatch(plain):
        return
    if not (_MRBAYES.fullmatch(plain) or plain[0] == "(" or re.match(r"not\s*\(", plain, re.I)):
        raise InputError(
            f"{where}: '{_short(plain)}' is no constraint: expected a Newick tree, 'not' and a Newick tree, or "
            "MrBayes's 'constraint NAME = TAXA'"
        )
    found.append(plain + ";")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def constraint_statement(constraint: Constraint) -> str:
    """A constraint as a statement that `parse_constraint` reads.

    Raises:
        InputError: its splits are on different taxa, so that no tree says them.
    """
    taxa = constraint.taxa
    sides = [
        (frozenset(np.flatnonzero(a).tolist()), frozenset(np.flatnonzero(b).tolist()))
        for a, b in zip(constraint.inside, constraint.outside, strict=True)
    ]
    present = sides[0][0] | sides[0][1]
    if any(a | b != present for a, b in sides):
        raise InputError(f"constraint {constraint.name!r}: its splits are on different taxa; state them one by one")
    first = min(present)
    clades = sorted({b if first in a else a for a, b in sides}, key=len)
    text = {taxon: newick_label(taxa[taxon]) for taxon in present}
    top = dict.fromkeys(sorted(present))  # representatives of what stands at the root so far
    for clade in clades:
        inside = [taxon for taxon in top if taxon in clade]
        text[inside[0]] = f"({','.join(text[taxon] for taxon in inside)})"
        for taxon in inside[1:]:
            del top[taxon]
    return f"{'not ' if constraint.negative else ''}({','.join(text[taxon] for taxon in top)});"
