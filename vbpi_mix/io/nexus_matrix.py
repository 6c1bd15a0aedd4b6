"""The character matrix of a NEXUS file.

Biopython's NEXUS reader was tried and is the oracle of the tests where it works; it fails on sequences that go over
several lines, on sets of states where a match character is declared and on names with brackets, and blames ragged
rows on the number of taxa.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.labels import first_repeated
from vbpi_mix.io.nexus_format import (
    OFF,
    check_format,
    column_types,
    declared_number,
    declared_symbols,
    equates,
    only_matrix,
    type_words,
    without_other_matrices,
)
from vbpi_mix.io.nexus_obeyed import left_out, nexus_name
from vbpi_mix.io.nexus_taxa import taxa_block
from vbpi_mix.io.nexus_text import Command, blocks, unquote
from vbpi_mix.io.notices import listed, notice
from vbpi_mix.phylo.data_type import DataTypeName

_FIRST_PRIVATE = 0xE000  # characters that stand for sets of states without a code
_WORD = r"'[^']*(?:''[^']*)*'|\"[^\"]*\"|\S+"
_LABEL = re.compile(rf"\s*({_WORD})")
_LINE = re.compile(rf"\s*({_WORD})(.*)\Z")
_PIECE = re.compile(r"\s*((?:[^\s{}()]|\{[^{}()]*\}|\([^{}()]*\)|[{}()])+)")
_STATE_SET = re.compile(r"\{([^{}()]*)\}|\(([^{}()]*)\)")
_CODE_OF = {
    "A": "A", "C": "C", "G": "G", "T": "T", "AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K",
    "ACG": "V", "ACT": "H", "AGT": "D", "CGT": "B", "ACGT": "N",
}  # fmt: skip
_MEANING = {code: states for states, code in _CODE_OF.items()} | {"U": "T"}

Rows = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class NexusMatrix:
    """Rows of a matrix and the signs its FORMAT command declares.

    Arguments:
        rows: (name, sequence) as written; sets of states like {AG} are replaced by their code (R), or by a character
            of `sets`.
        gap, missing, match: the declared signs, None where there is none.
        types: data types and their columns (from 0); one of all columns where the data are not mixed.
        sets: symbols that a character stands for.
        symbols: the symbols of the states of standard data in their order, in upper case; "" if not declared.
        excluded: (L,) bool, sites that the file leaves out.
        deleted: names of taxa that the file leaves out.
    """

    rows: Rows
    gap: str | None
    missing: str | None
    match: str | None
    types: tuple[tuple[DataTypeName, np.ndarray], ...]
    sets: dict[str, str] = field(default_factory=dict)
    symbols: str = ""
    excluded: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    deleted: frozenset[str] = frozenset()


def parse_nexus_matrix(text: str, source: str) -> NexusMatrix:
    """The character matrix of a NEXUS file, and what its other blocks leave out of it.

    MATRIX is a stream of tokens: a name, then as many signs as NCHAR says. With INTERLEAVE it is read by lines, as it
    is without NCHAR. Taxa may be named by their number in the TAXA block. Obeyed are ELIMINATE, `exset *`, `delset *`,
    MrBayes's and PAUP's `exclude`, `include`, `delete` and `restore`; what is not obeyed is named in a notice.

    Arguments:
        text: the file.
        source: name of the source, for messages.

    Raises:
        InputError: no matrix or several, data of other types than DNA, protein and standard, NTAX or NCHAR that the
            rows do not have, an option (TRANSPOSE, TOKENS) that is not read, a file that is cut off.
    """
    found = blocks(text, source)
    characters = only_matrix(found, source)
    taxlabels, n_taxa = taxa_block(found, source, title=characters.block.links.get("taxa"), before=characters.block)
    options = characters.format
    check_format(options, source)
    # NTAX and the labels of the block itself, where it has them, come before those of a TAXA block
    n_taxa = declared_number(characters.dimensions, "ntax", source, n_taxa)
    n_sites = declared_number(characters.dimensions, "nchar", source, None)
    words = type_words(options)
    sites = _Sites(plain=words == {"dna"}, equates=equates(options, source))
    rows = _rows(characters.matrix, options, taxlabels, n_taxa, n_sites, source, sites)
    if n_taxa is not None and len(rows) != n_taxa:
        hint = ""
        if options.get("interleave", "no").lower() not in OFF:
            hint = " (INTERLEAVE: every line begins with the name of its taxon)"
        raise InputError(f"{source}: NTAX is {n_taxa}, but the matrix has {len(rows)} rows{hint}")
    for name, sequence in rows:
        if n_sites is not None and len(sequence) != n_sites:
            raise InputError(f"{source}: taxon {name!r} has {len(sequence)} sites, but NCHAR is {n_sites}")
    if n_taxa is None or len(taxlabels) == len(rows):
        rows = _by_number(rows, taxlabels)
    names = [name for name, _ in rows]
    n_columns = len(rows[0][1]) if rows else 0
    excluded, deleted = left_out(without_other_matrices(found, characters.block), taxlabels or names, n_columns, source)
    name_of = {nexus_name(name): name for name in names} | {name: name for name in names}
    absent = [label for label in taxlabels if label not in name_of and nexus_name(label) not in name_of]
    if absent:
        notice(f"{source}: TAXLABELS has {listed(list(map(repr, absent)), 3)}, but the matrix has no such row")
    return NexusMatrix(
        rows=rows,
        gap=options.get("gap"),
        missing=options.get("missing"),
        match=options.get("matchchar"),
        types=column_types(options, n_columns, source),
        sets=sites.sets,
        symbols=declared_symbols(options, source) if "standard" in words else "",
        excluded=excluded,
        deleted=frozenset(name_of.get(name, name_of.get(nexus_name(name), name)) for name in deleted),
    )


def _rows(
    matrix: Command,
    options: dict[str, str],
    taxlabels: Sequence[str],
    n_taxa: int | None,
    n_sites: int | None,
    source: str,
    sites: "_Sites",
) -> Rows:
    lines = [line for line in matrix.rest.split("\n") if line.strip()]
    interleaved = options.get("interleave", "no").lower() not in OFF
    if options.get("nolabels", "no").lower() not in OFF or options.get("labels", "left").lower() in OFF:
        return _without_names(matrix.rest, lines, taxlabels, n_sites, source, sites, interleaved=interleaved)
    if interleaved:
        return _by_name(lines, sites)
    if n_sites is not None:
        rows, whole = _stream(matrix.rest, n_sites, sites)
        if whole and n_taxa in (None, len(rows)) and first_repeated(name for name, _ in rows) is None:
            return rows
    if len(lines) == n_taxa:
        return [_row(line, sites) for line in lines]
    return _by_length(lines, n_sites, source, sites)


def _stream(text: str, n_sites: int, sites: "_Sites") -> tuple[Rows, bool]:
    """Names and sequences, one after the other whatever the lines are, and whether all have NCHAR sites."""
    rows: Rows = []
    at = 0
    while label := _LABEL.match(text, at):
        at = label.end()
        pieces: list[str] = []
        count = 0
        while count < n_sites:
            piece = _PIECE.match(text, at)
            if piece is None:
                return rows, False
            pieces.append(sites(piece[1]))
            count += len(pieces[-1])
            at = piece.end()
        rows.append((unquote(label[1]), "".join(pieces)))
        if count > n_sites:
            return rows, False
    return rows, True


def _without_names(
    text: str,
    lines: list[str],
    taxlabels: Sequence[str],
    n_sites: int | None,
    source: str,
    sites: "_Sites",
    *,
    interleaved: bool,
) -> Rows:
    """Rows that have the names of the TAXA block, in its order."""
    n = len(taxlabels)
    if not n:
        raise InputError(f"{source}: the matrix has no names (NOLABELS), and there is no TAXA block with TAXLABELS")
    if interleaved:
        return [(name, "".join(sites(line) for line in lines[i::n])) for i, name in enumerate(taxlabels)]
    signs = sites(text)
    length = n_sites if n_sites is not None else len(signs) // n
    if len(signs) != n * length:
        raise InputError(f"{source}: the matrix has {len(signs)} signs, not {n} rows of {length}")
    return [(name, signs[i * length : (i + 1) * length]) for i, name in enumerate(taxlabels)]


def _by_number(rows: Rows, taxlabels: Sequence[str]) -> Rows:
    """Rows that are named by the number of a taxon get its name, where no taxon is called so."""
    known = set(taxlabels)
    named = []
    for name, sequence in rows:
        number = int(name) if name.isdecimal() and len(name) < 10 and name not in known else 0
        named.append((taxlabels[number - 1] if 0 < number <= len(taxlabels) else name, sequence))
    return named


def _row(line: str, sites: "_Sites") -> tuple[str, str]:
    match = _LINE.match(line)
    assert match is not None  # the line is not blank
    return unquote(match.group(1)), sites(match.group(2))


class _Sites:
    """Turns text of the matrix into one character for each site.

    Arguments:
        plain: whether all data are nucleotides, whose sets of states have codes.
        equates: signs that stand for others or for sets of states.

    Attributes:
        sets: symbols of the sets without a code, by the character that stands for them.
    """

    def __init__(self, *, plain: bool, equates: Mapping[str, str]) -> None:
        self._equates = str.maketrans(dict(equates))
        self._replace = _code if plain else self._private
        self.sets: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        joined = "".join("".join(text.split()).translate(self._equates).split())
        return _STATE_SET.sub(self._replace, joined) if "{" in joined or "(" in joined else joined

    def _private(self, match: re.Match[str]) -> str:
        inside = (match.group(1) or match.group(2) or "").upper().replace(",", "")
        if not inside:
            return match.group()
        if inside not in self._known:
            self._known[inside] = chr(_FIRST_PRIVATE + len(self.sets))
            self.sets[self._known[inside]] = inside
        return self._known[inside]


def _code(match: re.Match[str]) -> str:
    """The code of a set of states; the set as it is, for the alignment reader to refuse, if it holds other signs."""
    inside = (match.group(1) or match.group(2) or "").upper().replace(",", "")
    if not inside or not all(symbol in _MEANING or symbol in "-?" for symbol in inside):
        return match.group()
    if any(symbol in "-?" for symbol in inside):
        return "N"
    return _CODE_OF["".join(sorted(set("".join(_MEANING[symbol] for symbol in inside))))]


def _by_name(lines: list[str], sites: "_Sites") -> Rows:
    """Interleaved: every line a name and some sites; lines of equal names go together."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        name, part = _row(line, sites)
        rows.setdefault(name, []).append(part)
    return [(name, "".join(parts)) for name, parts in rows.items()]


def _by_length(lines: list[str], n_sites: int | None, source: str, sites: "_Sites") -> Rows:
    """Rows over several lines that do not fit: the message says which is the first."""
    if n_sites is None:
        raise InputError(f"{source}: DIMENSIONS NCHAR is needed to read rows that go over several lines")
    rows: Rows = []
    open_row: tuple[str, str] | None = None
    for line in lines:
        name, signs = _row(line, sites) if open_row is None else (open_row[0], open_row[1] + sites(line))
        if len(signs) > n_sites:
            raise InputError(
                f"{source}: taxon {name!r} has more than NCHAR = {n_sites} sites, or a row before it has fewer; "
                "an interleaved matrix needs INTERLEAVE in the FORMAT command"
            )
        open_row = (name, signs)
        if len(signs) == n_sites:
            rows.append(open_row)
            open_row = None
    return rows if open_row is None else [*rows, open_row]
