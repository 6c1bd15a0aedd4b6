"""The DATA and CHARACTERS blocks of a NEXUS file: which one is read, and what its FORMAT command says."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_text import Block, Command, settings, unquote
from vbpi_mix.io.notices import listed, notice
from vbpi_mix.io.site_sets import parse_sites
from vbpi_mix.phylo.data_type import DataTypeName

_TYPES: dict[str, DataTypeName] = {
    "dna": "dna", "rna": "dna", "nucleotide": "dna", "protein": "protein", "standard": "standard",
}  # fmt: skip
_MIXED = re.compile(r"mixed\((.*)\)", re.IGNORECASE | re.DOTALL)
CHARACTER_BLOCKS = ("data", "characters")
OFF = ("no", "false", "off", "0")
# FORMAT options that change nothing for nucleotides
_HARMLESS = ("datatype", "gap", "missing", "matchchar", "interleave", "symbols", "labels", "respectcase", "nolabels")
_SYMBOLS = re.compile(r"[\s\"0-9A-Za-z~]*")
# charset NAME (CHARACTERS = TITLE) = ...
_OF_MATRIX = re.compile(r"[^=(]*\(\s*characters\s*=\s*('[^']*(?:''[^']*)*'|[^\s()]+)\s*\)", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\s*(?:'[^']*(?:''[^']*)*'|\"[^\"]*\"|\S+)")
_EQUATE = re.compile(r"([^\s=(){}])\s*=\s*(\{[^{}()]*\}|\([^{}()]*\)|[^\s=(){}])")
_EQUATES = re.compile(rf"(?:\s*{_EQUATE.pattern})+\s*")
_RANGE = re.compile(r"(\w)~(\w)")


@dataclass(frozen=True, kw_only=True)
class Characters:
    """The commands of a DATA or CHARACTERS block that are needed to read its matrix."""

    block: Block
    dimensions: dict[str, str]
    format: dict[str, str]
    matrix: Command


def only_matrix(blocks: Sequence[Block], source: str) -> Characters:
    """The only matrix, or the only one of nucleotides, with a notice of the others.

    Raises:
        InputError: there is no such matrix.
    """
    every = _matrices(blocks)
    chosen = chosen_matrix(blocks)
    if chosen is None:
        raise InputError(f"{source}: a NEXUS file with one DATA or CHARACTERS matrix is needed; it has {len(every)}")
    others = [f"line {matrix.block.line}" for matrix in every if matrix.matrix is not chosen.matrix]
    if others:
        notice(f"{source}: matrices of other data are passed over ({listed(others)})")
    return chosen


def chosen_matrix(blocks: Sequence[Block]) -> Characters | None:
    """The only matrix, or the only one of nucleotides; None: there is no such matrix."""
    every = _matrices(blocks)
    nucleotides = [matrix for matrix in every if type_words(matrix.format) == {"dna"}]
    candidates = nucleotides if len(every) > 1 else every
    return candidates[0] if len(candidates) == 1 else None


def without_other_matrices(blocks: Sequence[Block], matrix: Block) -> list[Block]:
    """The blocks without the other matrices, and without what is said to be of one of these.

    Programs with several matrices in a file name the one that sets and exclusions are of: `LINK CHARACTERS = TITLE;` in
    a block, `(CHARACTERS = TITLE)` in a command.

    Arguments:
        blocks: the blocks of the file.
        matrix: name of the matrix.
    """
    others = [
        block for block in blocks if block.name in CHARACTER_BLOCKS and block is not matrix and _has_matrix(block)
    ]
    titles = {block.title.lower() for block in others} - {"", matrix.title.lower()}
    return [
        replace(block, commands=[command for command in block.commands if _matrix_title(command) not in titles])
        for block in blocks
        if not any(block is other for other in others) and block.links.get("characters", "").lower() not in titles
    ]


def _matrices(blocks: Sequence[Block]) -> list[Characters]:
    matrices = []
    for block in blocks:
        if block.name not in CHARACTER_BLOCKS:
            continue
        dimensions: dict[str, str] = {}
        format_: dict[str, str] = {}
        for command in block.commands:
            if command.keyword == "dimensions":
                dimensions = settings(command.rest)
            elif command.keyword == "format":
                format_ = settings(command.rest)
            elif command.keyword == "matrix":
                typed = format_ if "datatype" in format_ else format_ | {"datatype": _by_default(format_, command)}
                matrices.append(Characters(block=block, dimensions=dimensions, format=typed, matrix=command))
    return matrices


def _by_default(options: dict[str, str], matrix: Command) -> str:
    """The data type of a block without DATATYPE: NEXUS's default is standard, but many files leave out DNA."""
    symbols = set(options.get("symbols", "").upper()) - set('" ')
    rows = "".join(_FIRST_WORD.sub("", line, count=1) for line in matrix.rest.split("\n"))
    digits = any(sign.isdigit() for sign in rows) and not any(sign.isalpha() for sign in rows)
    return "standard" if digits or symbols - set("ACGTU") else "dna"


def _has_matrix(block: Block) -> bool:
    return any(command.keyword == "matrix" for command in block.commands)


def _matrix_title(command: Command) -> str:
    """Title of the matrix that a command says it is of, in lower case; "" without one."""
    match = _OF_MATRIX.match(command.rest)
    return "" if match is None else unquote(match[1]).lower()


def _mixed(options: dict[str, str]) -> list[tuple[str, str]]:
    """(word, sites) of the parts of mixed data; of others the word alone."""
    datatype = "".join(options["datatype"].lower().split())
    mixed = _MIXED.fullmatch(datatype)
    if mixed is None:
        return [(datatype, "")]
    parts = [part.partition(":") for part in re.split(r",(?=[a-z])", mixed[1])]
    return [(word, sites) for word, _, sites in parts]


def type_words(options: dict[str, str]) -> set[str]:
    """Data types, those that are not read as they are written."""
    return {_TYPES.get(word, word) for word, _ in _mixed(options)}


def column_types(options: dict[str, str], n_sites: int, source: str) -> tuple[tuple[DataTypeName, np.ndarray], ...]:
    """Data types and their columns, those of one type together.

    Raises:
        InputError: mixed data whose parts do not have every site once.
    """
    parts = _mixed(options)
    if len(type_words(options)) == 1:
        return ((_TYPES[parts[0][0]], np.arange(n_sites)),)
    where = f"{source}: the parts of mixed data"
    owner: np.ndarray = np.full(n_sites, -1)
    names: list[DataTypeName] = list(dict.fromkeys(_TYPES[word] for word, _ in parts))
    for word, text in parts:
        sites = parse_sites(text, n_sites, where, {})
        if (owner[sites] >= 0).any():
            raise InputError(f"{where}: site {int(sites[owner[sites] >= 0][0]) + 1} is in two of them")
        owner[sites] = names.index(_TYPES[word])
    if (owner < 0).any():
        raise InputError(f"{where}: site {int(np.argmin(owner)) + 1} is in none of them")
    found: list[tuple[DataTypeName, np.ndarray]] = [(name, np.flatnonzero(owner == i)) for i, name in enumerate(names)]
    return tuple(found)


def declared_number(options: dict[str, str], key: str, source: str, otherwise: int | None) -> int | None:
    value = options.get(key)
    if value is None:
        return otherwise
    if not value.isdecimal() or len(value) > 12:
        raise InputError(f"{source}: DIMENSIONS {key.upper()} is {value!r}, not a number")
    return int(value)


def check_format(options: dict[str, str], source: str) -> None:
    if not type_words(options) <= set(_TYPES.values()):
        raise InputError(
            f"{source}: the NEXUS data type is {options['datatype'].lower()!r}; nucleotides (DNA, RNA), proteins and "
            "standard data are read"
        )
    if "standard" in type_words(options) and not _SYMBOLS.fullmatch(options.get("symbols", "")):
        raise InputError(f"{source}: SYMBOLS are {options['symbols'][:40]!r}; digits and letters are read")
    equates(options, source)
    for option in ("transpose", "tokens"):
        if options.get(option, "no").lower() not in OFF:
            raise InputError(f"{source}: the NEXUS option {option.upper()} is not read; write the matrix without it")
    if options.get("labels", "left").lower() == "right":
        raise InputError(f"{source}: the NEXUS option LABELS=RIGHT is not read; write the names on the left")
    for sign in ("gap", "missing", "matchchar"):
        if len(options.get(sign, "-")) != 1:
            raise InputError(f"{source}: {sign.upper()} must be one character, not {options[sign]!r}")
    known = (*_HARMLESS, "equate", "transpose", "tokens")
    others = [key.upper() for key, value in options.items() if key not in known and value.lower() not in OFF]
    if others:
        notice(f"{source}: options of FORMAT that are not obeyed: {listed(others)}")


def declared_symbols(options: dict[str, str], source: str) -> str:
    """The declared symbols, ranges such as 0~3 written out.

    Raises:
        InputError: letters that differ in case only.
    """
    text = "".join(options.get("symbols", "").replace('"', "").split())
    whole = _RANGE.sub(lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))), text)
    if len(set(whole)) != len(set(whole.upper())):
        raise InputError(f"{source}: SYMBOLS {text[:40]!r} differ in case only; use others")
    return "".join(dict.fromkeys(whole.upper()))


def equates(options: dict[str, str], source: str) -> dict[str, str]:
    """Signs of the matrix and what EQUATE says that they stand for: `EQUATE="x={AG} n=?"`; their case matters.

    Raises:
        InputError: another form.
    """
    text = options.get("equate", "no").strip()
    if text.lower() in OFF:
        return {}
    if not _EQUATES.fullmatch(text):
        raise InputError(f'{source}: EQUATE is {text[:40]!r}; it is written EQUATE="x={{AG}} n=?"')
    return dict(_EQUATE.findall(text))
