"""Alignment files as state sets; FASTA out."""

from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from Bio.SeqIO.FastaIO import SimpleFastaParser

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignment_checks import check_number, check_rows, tell, unknown_sign
from vbpi_mix.io.datasets import catalogue, where
from vbpi_mix.io.files import atomic_write, read_text
from vbpi_mix.io.nexus_matrix import parse_nexus_matrix
from vbpi_mix.io.nexus_text import is_nexus
from vbpi_mix.io.phylip import is_phylip, parse_phylip
from vbpi_mix.phylo.alignment import IUPAC, Alignment

_LINE = 60
_UNKNOWN = 255
# one code per state set, for writing; everything that may be any state becomes a gap
_CODES = "?ACMGRSVTWYHKDB-"


def read_alignment(path: Path | str) -> Alignment:
    """Read aligned nucleotides from FASTA, PHYLIP or NEXUS, gzipped or not; the format is found from the content.

    All IUPAC codes are read, in either case, U as T; `-`, `?`, `N`, `X`, `O`, `~` (a gap, with a notice) and the gap
    and missing signs that a NEXUS file declares may be any state. A `.` repeats the first row's character in PHYLIP
    and where a NEXUS file declares it as its match character, and is an error elsewhere. Equal sequences are kept.

    Taxon names are those of the file: in FASTA the whole header line without the white space at its ends, in NEXUS
    and PHYLIP see `parse_nexus_matrix` and `parse_phylip`. (Programs that use only the first word of a FASTA header
    write that word in their trees; `TaxonLabels` finds the taxon all the same.)

    Sites and taxa that a NEXUS file leaves out by its own commands are left out, see `parse_nexus_matrix`. Notices name
    taxa without data, and names that many programs cannot tell apart.

    Arguments:
        path: the file, or the name of a data set.

    Returns:
        N >= 4 rows; `symbol_counts` counts the characters as written, in upper case.

    Raises:
        InputError: rows of different lengths, repeated or empty names, fewer than 4 taxa, no sites, protein data,
            characters that are no code (with taxon and column, from 1), an unknown format.

    Example:
        >>> import vbpi_mix as vm
        >>> alignment = vm.read_alignment("primates")
        >>> alignment.n_taxa, alignment.n_sites, alignment.taxa[:2]
        (12, 898, ('Tarsius_syrichta', 'Lemur_catta'))
    """
    if not Path(path).exists() and str(path) in catalogue():
        path = where(str(path))
    source = str(path)
    text = read_text(path)
    start = text.lstrip()
    replaced: dict[str, str] = {"~": "-"}
    match: str | None = None
    excluded, deleted = np.zeros(0, dtype=bool), frozenset()
    if start.startswith(">"):
        rows = [(name.strip(), "".join(sequence.split())) for name, sequence in SimpleFastaParser(StringIO(start))]
    elif is_nexus(text):
        matrix = parse_nexus_matrix(text, source)
        rows, match, excluded, deleted = matrix.rows, matrix.match, matrix.excluded, matrix.deleted
        replaced |= {sign.upper(): "?" for sign in (matrix.gap, matrix.missing) if sign is not None}
    elif is_phylip(text):
        rows, match = parse_phylip(text, source), "."
    else:
        raise InputError(
            f"{source}: unknown alignment format: it begins with {start.splitlines()[0][:30]!r}; FASTA (>), NEXUS "
            "(#NEXUS) and PHYLIP (two numbers) are read"
        )
    rows = check_rows(rows, source, "".join(replaced))
    symbols = np.array([_upper(sequence) for _, sequence in rows]).view("U1").reshape(len(rows), -1)
    state_sets = _state_sets(symbols, [name for name, _ in rows], replaced, match, source)
    here = np.array([name not in deleted for name, _ in rows])
    sites = ~excluded if excluded.any() else np.ones(symbols.shape[1], dtype=bool)
    taxa = tuple(name for name, _ in rows if name not in deleted)
    check_number(len(taxa), source)
    counted, counts = np.unique(symbols[here][:, sites], return_counts=True)
    alignment = Alignment(
        taxa=taxa,
        state_sets=np.ascontiguousarray(state_sets[here][:, sites]),
        symbol_counts=dict(zip(counted.tolist(), counts.tolist(), strict=True)),
        source=source,
        excluded=excluded if excluded.any() else None,
    )
    tell(alignment)
    return alignment


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


def _upper(sequence: str) -> str:
    """Upper case without a change of length, which some letters beyond ASCII would make."""
    return sequence.upper() if sequence.isascii() else "".join(c.upper() if c.isascii() else c for c in sequence)


def _state_sets(
    symbols: np.ndarray, taxa: Sequence[str], replaced: Mapping[str, str], match: str | None, source: str
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
    unknown = sets == _UNKNOWN
    if unknown.any():
        row, column = np.argwhere(unknown)[0].tolist()
        others = np.unique(symbols[unknown]).tolist()
        raise InputError(unknown_sign(taxa[int(row)], int(column), str(symbols[row, column]), others, source))
    return np.ascontiguousarray(sets)
