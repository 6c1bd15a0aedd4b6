"""Alignment files as state sets; FASTA out."""

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path

import numpy as np
from Bio.SeqIO.FastaIO import SimpleFastaParser

from vbpi_mix.errors import InputError
from vbpi_mix.io.datasets import catalogue, where
from vbpi_mix.io.files import atomic_write, read_text
from vbpi_mix.io.labels import first_repeated
from vbpi_mix.io.nexus_matrix import parse_nexus_matrix
from vbpi_mix.io.phylip import is_phylip, parse_phylip
from vbpi_mix.phylo.alignment import IUPAC, Alignment

_FEWEST_TAXA = 4
_LINE = 60
# amino acids whose letters are no nucleotide codes
_PROTEIN_ONLY = frozenset("EFILPQZJ*")
_UNKNOWN = 255
# one code per state set, for writing; everything that may be any state becomes a gap
_CODES = "?ACMGRSVTWYHKDB-"


def read_alignment(path: Path | str) -> Alignment:
    """Read aligned nucleotides from FASTA, PHYLIP or NEXUS, gzipped or not; the format is found from the content.

    All IUPAC codes are read, in either case, U as T; `-`, `?`, `N`, `X`, `O` and the gap and missing signs that a
    NEXUS file declares may be any state. A `.` repeats the first row's character in PHYLIP and where a NEXUS file
    declares it as its match character, and is an error elsewhere. Equal sequences are kept.

    Taxon names are those of the file: in FASTA the whole header line without the white space at its ends, in NEXUS
    and PHYLIP see `parse_nexus_matrix` and `parse_phylip`. (Programs that use only the first word of a FASTA header
    write that word in their trees; `TaxonLabels` finds the taxon all the same.)

    Arguments:
        path: the file, or the name of a data set.

    Returns:
        N >= 4 rows; `symbol_counts` counts the characters as written, in upper case.

    Raises:
        InputError: rows of different lengths, repeated or empty names, fewer than 4 taxa, no sites, protein data,
            characters that are no code (with taxon and column, from 1), an unknown format.
    """
    if not Path(path).exists() and str(path) in catalogue():
        path = where(str(path))
    source = str(path)
    text = read_text(path)
    start = text.lstrip()
    replaced: dict[str, str] = {}
    match: str | None = None
    if start.startswith(">"):
        rows = [(name.strip(), sequence) for name, sequence in SimpleFastaParser(StringIO(start))]
        rows = [(name, "".join(sequence.split())) for name, sequence in rows]
    elif start[:6].upper() == "#NEXUS":
        matrix = parse_nexus_matrix(text, source)
        rows, match = matrix.rows, matrix.match
        replaced = {sign.upper(): "?" for sign in (matrix.gap, matrix.missing) if sign is not None}
    elif is_phylip(text):
        rows, match = parse_phylip(text, source), "."
    else:
        raise InputError(
            f"{source}: unknown alignment format: it begins with {start.splitlines()[0][:30]!r}; FASTA (>), NEXUS "
            "(#NEXUS) and PHYLIP (two numbers) are read"
        )
    _check_rows(rows, source)
    symbols = np.array([_upper(sequence) for _, sequence in rows]).view("U1").reshape(len(rows), -1)
    counted, counts = np.unique(symbols, return_counts=True)
    taxa = tuple(name for name, _ in rows)
    return Alignment(
        taxa=taxa,
        state_sets=_state_sets(symbols, taxa, replaced, match, source),
        symbol_counts=dict(zip(counted.tolist(), counts.tolist(), strict=True)),
        source=source,
    )


def write_fasta(alignment: Alignment, path: Path | str) -> None:
    """Write state sets as IUPAC codes, 60 columns a line; sites that may be any state become gaps.

    Raises:
        InputError: the file cannot be written there.
    """
    letters = np.array(list(_CODES))[alignment.state_sets]
    with atomic_write(path) as file:
        for name, row in zip(alignment.taxa, letters, strict=True):
            file.writelines(fasta_lines(name, "".join(row)))


def fasta_lines(name: str, sequence: str) -> Iterator[str]:
    """A header line and the sequence in lines of 60 columns."""
    yield f">{name}\n"
    for start in range(0, len(sequence), _LINE):
        yield sequence[start : start + _LINE] + "\n"


def _check_rows(rows: list[tuple[str, str]], source: str) -> None:
    for number, (name, _) in enumerate(rows, start=1):
        if not name:
            raise InputError(f"{source}: row {number} has no name")
    repeated = first_repeated(name for name, _ in rows)
    if repeated is not None:
        raise InputError(f"{source}: two rows are named {repeated!r}; names must differ")
    if len(rows) < _FEWEST_TAXA:
        raise InputError(f"{source}: {len(rows)} taxa; at least {_FEWEST_TAXA} are needed for a tree to be inferred")
    first, sequence = rows[0]
    for name, other in rows:
        if len(other) != len(sequence):
            raise InputError(
                f"{source}: taxon {name!r} has {len(other)} sites, but {first!r} has {len(sequence)}: the rows are not "
                f"aligned (they part at column {min(len(other), len(sequence)) + 1})"
            )
    if not sequence:
        raise InputError(f"{source}: the sequences have no sites")


def _upper(sequence: str) -> str:
    """Upper case without a change of length, which some letters beyond ASCII would make."""
    return sequence.upper() if sequence.isascii() else "".join(c.upper() if c.isascii() else c for c in sequence)


def _state_sets(
    symbols: np.ndarray, taxa: tuple[str, ...], replaced: Mapping[str, str], match: str | None, source: str
) -> np.ndarray:
    """(N, L) uint8 state sets of (N, L) upper-case characters."""
    table = {symbol: IUPAC.get(replaced.get(symbol, symbol), _UNKNOWN) for symbol in np.unique(symbols).tolist()}
    sets = np.full(symbols.shape, _UNKNOWN, dtype=np.uint8)
    for symbol, states in table.items():
        sets[symbols == symbol] = states
    if match is not None:
        if (symbols[0] == match).any():
            column = int(np.argmax(symbols[0] == match)) + 1
            raise InputError(
                f"{source}: taxon {taxa[0]!r} has the match character {match!r} at column {column}, but it "
                "is the first row: there is nothing to match"
            )
        sets = np.where(symbols == match, sets[0], sets)
    unknown = np.argwhere(sets == _UNKNOWN)
    if len(unknown):
        raise InputError(_unknown_symbol(symbols, taxa, unknown, source))
    return np.ascontiguousarray(sets)


def _unknown_symbol(symbols: np.ndarray, taxa: tuple[str, ...], unknown: np.ndarray, source: str) -> str:
    row, column = unknown[0].tolist()
    symbol = str(symbols[row, column])
    found = sorted({str(symbols[i, j]) for i, j in unknown.tolist()} & _PROTEIN_ONLY)
    where = f"{source}: taxon {taxa[row]!r} has {symbol!r} at column {column + 1}"
    if len(found) > 1:
        return f"{where}; it looks like protein data (it has {', '.join(found)}), and only nucleotides are read"
    if symbol == ".":
        return f"{where}, which means nothing in this format; write the character that it stands for, or - or ?"
    return f"{where}, which is no nucleotide code (IUPAC codes, - and ? are read)"
