"""Sites and taxa that the commands of a NEXUS file leave out, and a warning about commands that are not obeyed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_format import CHARACTER_BLOCKS
from vbpi_mix.io.nexus_text import Block, Command, settings, unquote, words
from vbpi_mix.io.notices import listed, notice
from vbpi_mix.io.site_sets import parse_sites

SET_BLOCKS = ("sets", "assumptions", "mrbayes", "paup", "codons")
_WORD = r"'[^']*(?:''[^']*)*'|[^\s=*(]+"
_DEFINITION = re.compile(rf"\s*(\*?)\s*({_WORD})\s*(\*?)\s*(?:\(([^)]*)\))?\s*=(.*)\Z", re.DOTALL)
# settings of MrBayes that say nothing about the data
_HARMLESS_SETTINGS = frozenset({"partition", "autoclose", "nowarnings", "nowarn", "quitonerror"})
_ONLY = re.compile(r"/\s*only\s*\Z", re.IGNORECASE)
_RANGE = re.compile(r"([0-9]+)\s*-\s*([0-9]+|\.)(?:\s*\\\s*([0-9]+))?")
# how a matrix is laid out, and words that say nothing about the data
_LAYOUT = ("title", "link", "id", "dimensions", "format", "matrix", "taxlabels", "charstatelabels", "charlabels",
           "statelabels", "text")  # fmt: skip
_OBEYED_ELSEWHERE = ("charset", "partition", "charpartition")
# commands that would change the data, in blocks that are otherwise of no concern
_CHANGES = ("exclude", "exset", "exchar", "extaxa", "delete", "delset", "wtset", "weights", "eliminate")


@dataclass(kw_only=True)
class _Left:
    """Sites and taxa left out so far, and the sets known by name."""

    excluded: np.ndarray
    deleted: set[int] = field(default_factory=set)
    sites: dict[str, np.ndarray] = field(default_factory=dict)
    taxa: dict[str, list[int]] = field(default_factory=dict)
    by: list[str] = field(default_factory=list)


def definition(command: Command, source: str) -> tuple[bool, str, str]:
    """Whether there is a star, the name, and what follows the equals sign of `keyword [*] NAME [(form)] = ...`.

    Raises:
        InputError: it has another form, or is a VECTOR.
    """
    match = _DEFINITION.match(command.rest)
    if match is None or (match[4] or "").strip().lower() == "vector":
        form = "a VECTOR is not read" if match else f"malformed {command.keyword}"
        raise InputError(
            f"{source}, line {command.line}: {form}; it is written "
            f"{command.keyword} NAME = {'2: first, second' if 'partition' in command.keyword else '1-300'};"
        )
    return bool(match[1] or match[3]), unquote(match[2]), match[5]


def left_out(
    blocks: Sequence[Block], taxa: Sequence[str], n_sites: int, source: str
) -> tuple[np.ndarray, frozenset[str]]:
    """Sites and taxa that a file leaves out of its own matrix, with a notice of them and of what is not obeyed.

    Arguments:
        blocks: the blocks of the file.
        taxa: names by number.
        n_sites: L of the matrix.
        source: the file, for messages.

    Returns:
        (L,) bool, true for sites left out, and names of the taxa left out.

    Raises:
        InputError: sites or taxa that the matrix does not have, or nothing would be left.
    """
    left = _Left(excluded=np.zeros(n_sites, dtype=bool))
    ignored: list[Command] = []
    for block in blocks:
        for command in block.commands:
            if block.name in (*SET_BLOCKS, *CHARACTER_BLOCKS):
                if not _obey(command, left, taxa, n_sites, source):
                    ignored.append(command)
            elif command.keyword in _CHANGES:
                ignored.append(command)
    names = frozenset(taxa[i] for i in left.deleted)
    if n_sites and left.excluded.all():
        raise InputError(f"{source}: all sites are left out ({listed(left.by)})")
    if left.excluded.any() or names:
        parts = [f"{int(left.excluded.sum())} of {n_sites} sites"] if left.excluded.any() else []
        parts += [f"taxon {name!r}" for name in sorted(names)]
        notice(f"{source}: {listed(parts)} left out, as {listed(left.by)} {'say' if len(left.by) > 1 else 'says'}")
    name_ignored(ignored, source)
    return left.excluded, names


def ignored_commands(blocks: Sequence[Block], *, with_exclusions: bool) -> list[Command]:
    """Commands that nothing here obeys; those that leave out sites or taxa among them or not."""
    return [
        command
        for block in blocks
        if block.name in SET_BLOCKS
        for command in block.commands
        if not _is_layout(command)
        and (with_exclusions or command.keyword not in ("exset", "exclude", "include", "delete", "restore", "delset"))
    ]


def name_ignored(commands: Sequence[Command], source: str) -> None:
    """One notice of the commands that are not obeyed, with their lines."""
    lines: dict[str, list[str]] = {}
    for command in commands:
        lines.setdefault(command.keyword, []).append(str(command.line))
    if lines:
        named = [f"{keyword} (line {listed(where, 3)})" for keyword, where in lines.items()]
        notice(f"{source}: not obeyed: {listed(named)}; models and settings are options of the command")


def nexus_name(name: str) -> str:
    """Canonical form of a NEXUS name: case does not matter, and blanks are underscores."""
    return name.lower().replace(" ", "_")


def _is_layout(command: Command) -> bool:
    return (
        command.keyword in (*_LAYOUT, *_OBEYED_ELSEWHERE)
        or (command.keyword == "set" and settings(command.rest).keys() <= _HARMLESS_SETTINGS)
    )  # fmt: skip


def _obey(command: Command, left: _Left, taxa: Sequence[str], n_sites: int, source: str) -> bool:
    """Obey one command; False: it is of those that are not obeyed."""
    where = f"{source}, line {command.line}, {command.keyword}"
    keyword = command.keyword
    if keyword in ("charset", "exset", "taxset", "delset"):
        return _define(command, left, taxa, n_sites, source)
    if keyword in ("exclude", "include", "eliminate"):
        text, only = _without_only(command.rest)
        try:
            sites = parse_sites(text, n_sites, where, left.sites)
        except InputError:
            if re.search(r"[0-9]", command.rest):
                raise
            return False  # PAUP's exclude constant, uninf, ...
        if only:
            left.excluded[:] = keyword == "include"
        left.excluded[sites] = keyword != "include"
        left.by.append(f"{keyword} (line {command.line})")
        return True
    if keyword in ("delete", "restore", "undelete"):
        text, only = _without_only(command.rest)
        numbers = _taxa(text, taxa, left.taxa, where)
        if only:
            left.deleted = set() if keyword == "delete" else set(range(len(taxa)))
        left.deleted = left.deleted | numbers if keyword == "delete" else left.deleted - numbers
        left.by.append(f"{keyword} (line {command.line})")
        return True
    return _is_layout(command)


def _without_only(text: str) -> tuple[str, bool]:
    """PAUP's `exclude 1-30 / only;`: what is before the option, and whether it is there."""
    match = _ONLY.search(text)
    return (text, False) if match is None else (text[: match.start()], True)


def _define(command: Command, left: _Left, taxa: Sequence[str], n_sites: int, source: str) -> bool:
    """Remember a set; obey one with a star that leaves out."""
    where = f"{source}, line {command.line}, {command.keyword}"
    try:
        star, name, text = definition(command, source)
        if command.keyword in ("taxset", "delset"):
            left.taxa[name.lower()] = sorted(_taxa(text, taxa, left.taxa, where))
        elif command.keyword == "exset" and not text.strip():
            left.sites[name.lower()] = np.zeros(0, dtype=np.int64)
        else:
            left.sites[name.lower()] = parse_sites(text, n_sites, where, left.sites)
    except InputError:
        if command.keyword in ("charset", "taxset"):
            return command.keyword == "charset"  # an error where it is used
        raise
    if command.keyword == "charset":
        return True
    if not star or command.keyword == "taxset":
        return False
    if command.keyword == "delset":
        left.deleted |= set(left.taxa[name.lower()])
    else:
        left.excluded[left.sites[name.lower()]] = True
    left.by.append(f"{command.keyword} * {name} (line {command.line})")
    return True


def _taxa(text: str, taxa: Sequence[str], known: dict[str, list[int]], where: str) -> set[int]:
    """Numbers from 0 of the taxa that a list of names, numbers, ranges and sets means."""
    by_name = {nexus_name(name): i for i, name in enumerate(taxa)}
    found: set[int] = set()
    for word in words(re.sub(r"\s*-\s*(?=[0-9.])", "-", text)):
        name = nexus_name(unquote(word))
        if word == ",":
            continue
        match = _RANGE.fullmatch(word)
        if name in by_name:
            found.add(by_name[name])
        elif name in known:
            found |= set(known[name])
        elif name == "all":
            found |= set(range(len(taxa)))
        elif word.isdecimal() and len(word) < 10 and 1 <= int(word) <= len(taxa):
            found.add(int(word) - 1)
        elif match and len(word) < 30 and int(match[1]) >= 1:
            last = len(taxa) if match[2] == "." else min(int(match[2]), len(taxa))
            found |= set(range(int(match[1]) - 1, last, max(1, int(match[3] or 1))))
        else:
            raise InputError(f"{where}: {word[:40]!r} is no taxon of the matrix and no taxset defined above")
    return found
