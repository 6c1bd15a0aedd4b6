r"""Partitions of the sites of an alignment: NEXUS sets and partitions, RAxML's lists.

Biopython's reader of charsets was tried and is the oracle of the tests where it works: it does not know `400-.` nor
MrBayes's `partition`, reads 6-1 as nothing and 0 as -1 without a word, needs the matrix in the same file, and its
errors name neither line nor site.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import read_text
from vbpi_mix.io.labels import first_repeated
from vbpi_mix.io.nexus_format import chosen_matrix, without_other_matrices
from vbpi_mix.io.nexus_obeyed import SET_BLOCKS, definition, ignored_commands, name_ignored
from vbpi_mix.io.nexus_text import Command, blocks, is_nexus, unquote
from vbpi_mix.io.notices import notice
from vbpi_mix.io.site_sets import parse_sites
from vbpi_mix.phylo.data_type import PROTEIN_MATRICES, STANDARD_MODELS, DataTypeName, type_of_model
from vbpi_mix.phylo.partition import Partition

_WORD = r"'[^']*(?:''[^']*)*'|[^\s=*(]+"
_CHOSEN = re.compile(rf"\bpartition\s*=\s*({_WORD})", re.IGNORECASE)
_TYPES: dict[str, DataTypeName] = {
    "DNA": "dna", "AA": "protein", "PROTEIN": "protein", "BIN": "standard", "MORPH": "standard", "MULTI": "standard",
}  # fmt: skip
_OTHER_TYPES = ("CODON", "NT2AA", "AUTO")
# RAxML: a protein matrix with frequencies that are counted (LGF) or optimised (LGX)
_WITH_FREQUENCIES = re.compile(rf"({'|'.join(PROTEIN_MATRICES)})([FX])", re.IGNORECASE)
_DATA_TYPE = re.compile(rf"\s*({'|'.join((*_TYPES, *_OTHER_TYPES))})\s*,", re.IGNORECASE)
_SIGN = re.compile(r"'[^']*(?:''[^']*)*'|\{[^{}]*\}|[:,]")
_TREE_LENGTH = re.compile(r"\{[^{}]*\}")
_MODEL = re.compile(
    r"(?:JC|JC69|F81|K80|K2P|HKY|HKY85|TN|TRN|TN93|TNE|TRNE|K81|K3P|K81U|TPM[123]?U?|TIM[123]?E?|TVME?|SYM|GTR)"
    rf"|{'|'.join((*PROTEIN_MATRICES, *STANDARD_MODELS, 'Poisson'))}|[0-9]{{6}}|.*[+{{].*",
    re.IGNORECASE | re.DOTALL,
)
_LISTED = 3


def read_partitions(path: Path | str, n_sites: int, *, excluded: np.ndarray | None = None) -> tuple[Partition, ...]:
    r"""Read how the sites are divided, from a NEXUS file (the alignment itself or another) or a RAxML-style list.

    NEXUS: `charset NAME = 1-300\3 305 400-. OTHER;` in a SETS, ASSUMPTIONS, MRBAYES or PAUP block, and one statement

    * `partition NAME = 2: first, second third;` (MrBayes: parts are made of charsets and ranges),
    * `charpartition NAME = one: first, two: 301-.;` (PAUP: what is before the colon names the part),
    * `charpartition NAME = HKY+G: first, GTR{1,2,3,4,5}+G: second;` (IQ-TREE: models; a tree length in braces behind a
      charset is passed over). A word before a colon is taken for a model where it is a model's name or has a + or {.

    Of several statements the one with a star counts, or that of MrBayes's `set partition=NAME`. Without a statement the
    charsets are the parts. Letters are read in any case.

    RAxML: a line `DNA, NAME = 1-300\3, 400-500` each, or `GTR+G, NAME = ...`; `#` begins a comment. In place of DNA
    there may be AA or PROTEIN (proteins), BIN, MORPH or MULTI (discrete characters), as in front of a charset's sites;
    LGF and LGX are LG+F and LG+FO, and so for other matrices.

    Commands beside these (`lset applyto=...`, `exclude`, ...) are named in a notice, as they are not obeyed.

    Arguments:
        path: the file.
        n_sites: sites of the alignment's file.
        excluded: (n_sites,) bool, sites that the alignment leaves out; they need be in no part, and parts count the
            sites that are left. None: all sites are there.

    Returns:
        The parts in the order of the file, which together have every site that is left once.

    Raises:
        InputError: a site in two parts or in none or beyond the end, an empty part, a charset that is not defined
            above its use, a malformed range or statement, two parts of one name, several statements and no choice, no
            charset at all; with file, line, and what to do.
    """
    source = str(path)
    text = read_text(path)
    parts = _nexus(text, n_sites, source) if is_nexus(text) else _raxml(text, n_sites, source)
    kept = np.ones(n_sites, dtype=bool) if excluded is None else ~excluded
    _check(parts, kept, source)
    place = np.cumsum(kept) - 1
    return tuple(
        Partition(name=part.name, sites=place[part.sites[kept[part.sites]]], model=part.model, data_type=part.data_type)
        for part in parts
    )


def partition_types(path: Path | str, n_sites: int) -> list[tuple[DataTypeName | None, np.ndarray]]:
    """The kinds of data that a file of partitions says its parts have, and their columns in the alignment's file.

    Raises:
        InputError: as `read_partitions`, but for sites in no part or in two.
    """
    source = str(path)
    text = read_text(path)
    parts = _nexus(text, n_sites, source, quiet=True) if is_nexus(text) else _raxml(text, n_sites, source)
    return [(part.data_type, part.sites) for part in parts]


@dataclass(frozen=True, kw_only=True)
class _Part:
    name: str
    sites: np.ndarray
    model: str | None = None
    word: DataTypeName | None = None
    line: int

    @property
    def data_type(self) -> DataTypeName | None:
        """Data type declared for the part, or the one that its model belongs to."""
        return self.word or (None if self.model is None else type_of_model(self.model))


@dataclass(kw_only=True)
class _Statements:
    """Statements read from a NEXUS file so far."""

    sets: dict[str, np.ndarray] = field(default_factory=dict)
    charsets: list[_Part] = field(default_factory=list)
    words: dict[str, DataTypeName | None] = field(default_factory=dict)
    partitions: dict[str, Command] = field(default_factory=dict)
    chosen: str | None = None
    chosen_line: int = 0


def _nexus(text: str, n_sites: int, source: str, *, quiet: bool = False) -> list[_Part]:
    found = _Statements()
    file = blocks(text, source)
    if (chosen := chosen_matrix(file)) is not None:
        file = without_other_matrices(file, chosen.block)
    for command in (command for block in file if block.name in SET_BLOCKS for command in block.commands):
        if command.keyword == "charset":
            _add_charset(command, found, n_sites, source)
        elif command.keyword in ("charpartition", "partition"):
            star, name, _ = definition(command, source)
            if name.lower() in found.partitions:
                raise InputError(f"{source}, line {command.line}: a second partition {name!r}; give it another name")
            found.partitions[name.lower()] = command
            if star:
                found.chosen, found.chosen_line = name, command.line
        elif command.keyword == "set" and (match := _CHOSEN.search(command.rest)):
            found.chosen, found.chosen_line = unquote(match[1]), command.line
    has_matrix = any(command.keyword == "matrix" for block in file for command in block.commands)
    # what the alignment's own file leaves out was obeyed when the alignment was read
    if not quiet:
        name_ignored(ignored_commands(file, with_exclusions=not has_matrix), source)
    if not found.partitions:
        if not found.charsets:
            raise InputError(
                f"{source}: no charset and no partition; add a block such as "
                "'begin sets; charset first = 1-300; charset second = 301-.; end;', or give the file that has it"
            )
        return found.charsets
    return _divide(_choose(found, source), found, n_sites, source)


def _add_charset(command: Command, statements: _Statements, n_sites: int, source: str) -> None:
    _, name, text = definition(command, source)
    where = f"{source}, line {command.line}, charset {name!r}"
    if name.lower() in statements.sets:
        raise InputError(f"{where}: a second charset of this name; rename one of them")
    if re.fullmatch(r"[0-9.]+", name) or name.lower() in ("all", "remainder"):
        raise InputError(f"{where}: this name would be read as sites; choose another")
    if ":" in text:
        raise InputError(f"{where}: it names an alignment file before the colon; only sites of one alignment are read")
    word = None
    if kind := _DATA_TYPE.match(text):
        word = _type(kind[1], where)
        text = text[kind.end() :]
    sites = parse_sites(text, n_sites, where, statements.sets)
    statements.sets[name.lower()] = sites
    statements.words[name.lower()] = word
    statements.charsets.append(_Part(name=name, sites=sites, word=word, line=command.line))


def _choose(statements: _Statements, source: str) -> Command:
    if statements.chosen is not None:
        if statements.chosen.lower() not in statements.partitions:
            raise InputError(
                f"{source}, line {statements.chosen_line}: there is no partition {statements.chosen!r}; "
                f"defined are {', '.join(statements.partitions)}"
            )
        return statements.partitions[statements.chosen.lower()]
    if len(statements.partitions) > 1:
        lines = ", ".join(str(command.line) for command in statements.partitions.values())
        raise InputError(
            f"{source}: {len(statements.partitions)} partitions (lines {lines}); leave one, or mark it with a star: "
            f"charpartition * NAME = ..."
        )
    return next(iter(statements.partitions.values()))


def _divide(command: Command, statements: _Statements, n_sites: int, source: str) -> list[_Part]:
    """The parts of a partition statement of any form."""
    sets = statements.sets
    _, title, text = definition(command, source)
    where = f"{source}, line {command.line}, partition {title!r}"
    divisions = _split(text)
    if len(divisions) > 1 and not divisions[-1].strip():
        del divisions[-1]  # a comma behind the last part
    labels: list[str | None] = []
    for i, division in enumerate(divisions):
        label, divisions[i] = _label(division)
        labels.append(label)
    first, others = labels[0], labels[1:]
    counted = first is not None and first.isdecimal() and all(label is None for label in others)
    # a part of PAUP's may be named by a number; MrBayes has the number of parts there
    if counted and (others or first == "1" or command.keyword == "partition"):
        if first != str(len(divisions)):
            raise InputError(f"{where}: it says {first} parts, but has {len(divisions)}; correct the number")
        labels = [None] * len(divisions)
    elif None in labels:
        raise InputError(
            f"{where}: part {labels.index(None) + 1} has no name before a colon; write 'partition NAME = 2: first, "
            "second;' or 'charpartition NAME = one: first, two: second;'"
        )
    parts: list[_Part] = []
    left = np.ones(n_sites, dtype=bool)
    for number, (label, division) in enumerate(zip(labels, divisions, strict=True), start=1):
        inside = _TREE_LENGTH.sub(" ", division)
        sites = parse_sites(inside, n_sites, f"{where}, part {number}", sets, rest=left)
        left[sites] = False
        only = unquote(inside.strip())
        name, model = (only if only.lower() in sets else f"part{number}"), None
        if label is not None and not label.startswith("'") and _MODEL.fullmatch(label):
            model = "".join(label.split())
        elif label is not None:
            name = unquote(label)
        words: list[DataTypeName] = []
        for item in inside.split():
            named = statements.words.get(item.lower())
            if named is not None and named not in words:
                words.append(named)
        if len(words) > 1:
            raise InputError(f"{where}, part {number}: charsets of several data types in one part")
        word = words[0] if words else None
        parts.append(_Part(name=name, sites=sites, model=model, word=word, line=command.line))
    return parts


def _signs(text: str, sign: str) -> list[int]:
    """Positions of colons and commas outside quotes and braces."""
    return [match.start() for match in _SIGN.finditer(text) if match[0] == sign]


def _split(text: str) -> list[str]:
    """The text between such commas."""
    ends = [-1, *_signs(text, ","), len(text)]
    return [text[before + 1 : after] for before, after in pairwise(ends)]


def _label(division: str) -> tuple[str | None, str]:
    """Text before the first such colon, if there is one, and the rest."""
    colons = _signs(division, ":")
    if not colons:
        return None, division
    return division[: colons[0]].strip() or None, division[colons[0] + 1 :]


def _raxml(text: str, n_sites: int, source: str) -> list[_Part]:
    parts = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#", 1)[0].strip()
        if not line:
            continue
        before, *_ = _split(line)
        name, equals, inside = line[len(before) + 1 :].partition("=")
        word, name = before.strip(), name.strip()
        if not (word and name and equals) or "," in name:
            raise InputError(
                f"{source}, line {number}: neither NEXUS (#NEXUS) nor a part such as 'DNA, first = 1-300\\3, 400-500'"
            )
        where = f"{source}, line {number}, part {name!r}"
        if word.upper() == "DNAX":
            notice(f"{source}: DNAX is read as DNA; whether frequencies are inferred is a matter of the model")
            word = "DNA"
        if matrix := _WITH_FREQUENCIES.fullmatch(word):
            word = matrix[1] + {"F": "+F", "X": "+FO"}[matrix[2].upper()]
        kind = _type(word, where)
        sites = parse_sites(inside, n_sites, where, {})
        model = None if kind is not None else "".join(word.split())
        parts.append(_Part(name=name, sites=sites, model=model, word=kind, line=number))
    if not parts:
        raise InputError(f"{source}: no part in it; write lines such as 'DNA, first = 1-300\\3, 400-500'")
    return parts


def _type(word: str, where: str) -> DataTypeName | None:
    """The kind of data that a word is; None: it is a model."""
    if word.upper() in _OTHER_TYPES:
        raise InputError(f"{where}: the data type is {word!r}; read are {', '.join(_TYPES)}")
    return _TYPES.get(word.upper())


def _check(parts: Sequence[_Part], kept: np.ndarray, source: str) -> None:
    """Every site that is left is in one part, every part has such sites, and names differ."""
    repeated = first_repeated(part.name for part in parts)
    if repeated is not None:
        line = [part.line for part in parts if part.name == repeated][1]
        raise InputError(f"{source}, line {line}: two parts are named {repeated!r}; names must differ")
    owner = np.where(kept, -1, -2)
    for number, part in enumerate(parts):
        sites = part.sites[kept[part.sites]]
        if not len(sites):
            raise InputError(
                f"{source}, line {part.line}: all sites of the part {part.name!r} are left out of the alignment; "
                "leave the part out too"
            )
        taken = sites[owner[sites] >= 0]
        if len(taken):
            other = parts[int(owner[taken[0]])].name
            raise InputError(
                f"{source}, line {part.line}: {_sites(taken)} in the parts {other!r} and {part.name!r}; "
                "each site goes into one part" + _hint(parts)
            )
        owner[sites] = number
    free = np.flatnonzero(owner == -1)
    if len(free):
        raise InputError(
            f"{source}, line {parts[-1].line}: {_sites(free)} in no part; add a part for what is left" + _hint(parts)
        )


def _hint(parts: Sequence[_Part]) -> str:
    """Charsets taken as parts stand on lines of their own."""
    distinct = len({part.line for part in parts}) == len(parts) > 1
    return ", or a statement that says which charsets are the parts" if distinct else ""


def _sites(columns: np.ndarray) -> str:
    first = ", ".join(str(i + 1) for i in columns[:_LISTED].tolist())
    more = len(columns) - _LISTED
    if len(columns) == 1:
        return f"site {first} is"
    return f"sites {first} and {more} more are" if more > 0 else f"sites {first} are"
