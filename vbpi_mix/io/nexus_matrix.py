"""The character matrix of a NEXUS file.

Biopython's NEXUS reader was tried and is the oracle of the tests where it works; it fails on sequences that go over
several lines, on sets of states where a match character is declared and on names with brackets, and blames ragged
rows on the number of taxa.
"""

import re
from dataclasses import dataclass

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_text import Command, commands, unquote, words

_NUCLEOTIDES = ("dna", "rna", "nucleotide")
_LABEL = re.compile(r"\s*('[^']*(?:''[^']*)*'|\"[^\"]*\"|\S+)(.*)\Z")
_STATE_SET = re.compile(r"\{([^{}()]*)\}|\(([^{}()]*)\)")
_CODE_OF = {
    "A": "A", "C": "C", "G": "G", "T": "T", "AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K",
    "ACG": "V", "ACT": "H", "AGT": "D", "CGT": "B", "ACGT": "N",
}  # fmt: skip
_MEANING = {code: states for states, code in _CODE_OF.items()} | {"U": "T"}


@dataclass(frozen=True, kw_only=True)
class NexusMatrix:
    """Rows of a matrix and the signs its FORMAT command declares.

    Arguments:
        rows: (name, sequence) as written; sets of states like {AG} are replaced by their code (R).
        gap, missing, match: the declared signs, None where there is none.
    """

    rows: list[tuple[str, str]]
    gap: str | None
    missing: str | None
    match: str | None


def parse_nexus_matrix(text: str, source: str) -> NexusMatrix:
    """The only DATA or CHARACTERS matrix of a NEXUS file; every other block is passed over.

    Arguments:
        text: the file.
        source: its name, for messages.

    Raises:
        InputError: no matrix or several, data other than nucleotides, NTAX or NCHAR that the rows do not have, an
            option (EQUATE, TRANSPOSE, NOLABELS) that is not read.
    """
    n_taxa: int | None = None
    n_sites: int | None = None
    settings: dict[str, str] = {}
    matrices: list[Command] = []
    for command in commands(text, source):
        if command.block not in ("data", "characters", "taxa"):
            continue
        if command.keyword == "dimensions":
            given = _settings(command.rest)
            n_taxa = _number(given, "ntax", source, n_taxa)
            if command.block != "taxa":
                n_sites = _number(given, "nchar", source, n_sites)
        elif command.keyword == "format":
            settings = _settings(command.rest)
        elif command.keyword == "matrix":
            if not command.ended:
                raise InputError(f"{source}: the MATRIX command has no closing semicolon; is the file cut off?")
            matrices.append(command)
    if len(matrices) != 1:
        raise InputError(f"{source}: a NEXUS file with one DATA or CHARACTERS matrix is needed; it has {len(matrices)}")
    _check(settings, source)
    interleaved = settings.get("interleave", "no").lower() not in ("no", "false")
    lines = [line for line in matrices[0].rest.split("\n") if line.strip()]
    if interleaved:
        rows = _by_name(lines)
    else:
        rows = [_row(line) for line in lines] if len(lines) == n_taxa else _by_length(lines, n_sites, source)
    if n_taxa is not None and len(rows) != n_taxa:
        raise InputError(f"{source}: NTAX is {n_taxa}, but the matrix has {len(rows)} rows")
    for name, sequence in rows:
        if n_sites is not None and len(sequence) != n_sites:
            raise InputError(f"{source}: taxon {name!r} has {len(sequence)} sites, but NCHAR is {n_sites}")
    return NexusMatrix(
        rows=rows, gap=settings.get("gap"), missing=settings.get("missing"), match=settings.get("matchchar")
    )


def _settings(text: str) -> dict[str, str]:
    """`key = value` pairs, keys in lower case; a key alone is "yes"."""
    found: dict[str, str] = {}
    parts = words(text)
    i = 0
    while i < len(parts):
        has_value = i + 2 < len(parts) and parts[i + 1] == "="
        found[parts[i].lower()] = unquote(parts[i + 2]) if has_value else "yes"
        i += 3 if has_value else 1
    return found


def _number(settings: dict[str, str], key: str, source: str, otherwise: int | None) -> int | None:
    value = settings.get(key)
    if value is None:
        return otherwise
    if not value.isdigit():
        raise InputError(f"{source}: DIMENSIONS {key.upper()} is {value!r}, not a number")
    return int(value)


def _check(settings: dict[str, str], source: str) -> None:
    datatype = settings.get("datatype", "dna").lower()
    if datatype not in _NUCLEOTIDES:
        raise InputError(f"{source}: the NEXUS data type is {datatype!r}; only nucleotides (DNA, RNA) are read")
    for option in ("equate", "transpose", "nolabels"):
        if option in settings:
            raise InputError(f"{source}: the NEXUS option {option.upper()} is not read; write the matrix without it")
    for sign in ("gap", "missing", "matchchar"):
        if len(settings.get(sign, "-")) != 1:
            raise InputError(f"{source}: {sign.upper()} must be one character, not {settings[sign]!r}")


def _row(line: str) -> tuple[str, str]:
    match = _LABEL.match(line)
    assert match is not None  # the line is not blank
    return unquote(match.group(1)), _sites(match.group(2))


def _sites(text: str) -> str:
    return _STATE_SET.sub(_code, "".join(text.split()))


def _code(match: re.Match[str]) -> str:
    """The code of a set of states; the set as it is, for the alignment reader to refuse, if it holds other signs."""
    inside = (match.group(1) or match.group(2) or "").upper().replace(",", "")
    if not inside or not all(symbol in _MEANING or symbol in "-?" for symbol in inside):
        return match.group()
    if any(symbol in "-?" for symbol in inside):
        return "N"
    return _CODE_OF["".join(sorted(set("".join(_MEANING[symbol] for symbol in inside))))]


def _by_name(lines: list[str]) -> list[tuple[str, str]]:
    """Interleaved: every line a name and some sites; lines of equal names go together."""
    rows: dict[str, list[str]] = {}
    for line in lines:
        name, sites = _row(line)
        rows.setdefault(name, []).append(sites)
    return [(name, "".join(parts)) for name, parts in rows.items()]


def _by_length(lines: list[str], n_sites: int | None, source: str) -> list[tuple[str, str]]:
    """Rows one after the other, each over as many lines as NCHAR sites need."""
    if n_sites is None:
        raise InputError(f"{source}: DIMENSIONS NCHAR is needed to read rows that go over several lines")
    rows: list[tuple[str, str]] = []
    open_row: tuple[str, str] | None = None
    for line in lines:
        name, sites = _row(line) if open_row is None else (open_row[0], open_row[1] + _sites(line))
        if len(sites) > n_sites:
            raise InputError(
                f"{source}: taxon {name!r} has more than NCHAR = {n_sites} sites, or a row before it has fewer; "
                "an interleaved matrix needs INTERLEAVE in the FORMAT command"
            )
        open_row = (name, sites)
        if len(sites) == n_sites:
            rows.append(open_row)
            open_row = None
    return rows if open_row is None else [*rows, open_row]
