"""Alignment files as state sets; FASTA out."""

import re
import string
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import numpy as np
from Bio.SeqIO.FastaIO import SimpleFastaParser

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignment_checks import check_number, check_rows, tell
from vbpi_mix.io.data_types import Signs, recognise, state_sets
from vbpi_mix.io.datasets import catalogue, where
from vbpi_mix.io.files import atomic_write, read_text
from vbpi_mix.io.nexus_matrix import parse_nexus_matrix
from vbpi_mix.io.nexus_text import is_nexus
from vbpi_mix.io.notices import notice
from vbpi_mix.io.partitions import partition_types
from vbpi_mix.io.phylip import is_phylip, parse_phylip
from vbpi_mix.phylo.alignment import Alignment, Section
from vbpi_mix.phylo.data_type import DataType, DataTypeName

_LINE = 60
# codes of NBRF/PIR for kinds of sequences
_PIR = re.compile(r"(?:[PFDRN][0-9LC]|XX);")
Types = tuple[tuple[DataTypeName, np.ndarray], ...]


def read_alignment(
    path: Path | str, data_type: DataTypeName | None = None, *, partitions: Path | str | None = None
) -> Alignment:
    """Read aligned sequences from FASTA, PHYLIP or NEXUS, gzipped or not; the format is found from the content.

    The kind of data is what `data_type` says, else what a NEXUS file says, else what `data_types.recognise` finds. Of
    nucleotides all IUPAC codes are read, U as T; of proteins the 20 amino acids, B, Z and J for two of them, U, O, X
    and `*` for any; of standard data the states 0 to 9 and A to V. Letters may have either case; `-`, `?`, for
    nucleotides `N`, `X` and `O`, `~` (a gap, with a notice) and the gap and missing signs that a NEXUS file declares
    may be any state. NEXUS files may mix kinds of data and have sets of states in braces. A `.` repeats the first
    row's character in PHYLIP and where a NEXUS file declares it as its match character, and is an error elsewhere.
    Equal sequences are kept.

    Taxon names are those of the file: in FASTA, where lines that begin with ; are comments, the whole header line
    without the white space at its ends, in NEXUS and PHYLIP see `parse_nexus_matrix` and `parse_phylip`. (Programs
    that use only the first word of a FASTA header write that word in their trees; `TaxonLabels` finds the taxon all
    the same.)

    Sites and taxa that a NEXUS file leaves out by its own commands are left out, see `parse_nexus_matrix`. Notices name
    taxa without data, and names that many programs cannot tell apart.

    Arguments:
        path: The file, or the name of a data set.
        data_type: Data type of the file's data; None: as it says, or as they look.
        partitions: A file of partitions (`io.partitions`) that may say what kinds of data the sites are.

    Returns:
        N >= 4 rows; `symbol_counts` counts the characters as written, in upper case.

    Raises:
        InputError: Rows of different lengths, repeated or empty names, fewer than 4 taxa, no sites, characters that are
            no code (with taxon and column, from 1), an unknown format.

    Examples:
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
    types: Types = ()
    sets: dict[str, str] = {}
    declared = ""
    excluded, deleted = np.zeros(0, dtype=bool), frozenset()
    if (fasta := _fasta(start, source)) is not None:
        rows = fasta
    elif is_nexus(text):
        matrix = parse_nexus_matrix(text, source)
        rows, match, excluded, deleted = matrix.rows, matrix.match, matrix.excluded, matrix.deleted
        types, sets, declared = matrix.types, matrix.sets, matrix.symbols
        replaced |= {sign.upper(): "?" for sign in (matrix.gap, matrix.missing) if sign is not None}
    elif is_phylip(text):
        rows, match = parse_phylip(text, source, digits=data_type == "standard"), "."
    else:
        raise InputError(
            f"{source}: unknown alignment format: it begins with {start.splitlines()[0][:30]!r}; FASTA (>), NEXUS "
            "(#NEXUS) and PHYLIP (two numbers) are read"
        )
    rows = check_rows(rows, source, "".join([*replaced, *sets, *string.digits]))
    symbols = np.array([_upper(sequence) for _, sequence in rows]).view("U1").reshape(len(rows), -1)
    types = _types(symbols, types, data_type, source, partitions)
    signs = Signs(replaced=replaced, match=match, sets=sets, symbols=declared)
    all_sets, kinds = _read(symbols, [name for name, _ in rows], types, signs, source)
    here = np.array([name not in deleted for name, _ in rows])
    sites = ~excluded if excluded.any() else np.ones(symbols.shape[1], dtype=bool)
    taxa = tuple(name for name, _ in rows if name not in deleted)
    check_number(len(taxa), source)
    counted, counts = np.unique(symbols[here][:, sites], return_counts=True)
    alignment = Alignment(
        taxa=taxa,
        state_sets=np.ascontiguousarray(all_sets[here][:, sites]),
        symbol_counts=dict(zip(counted.tolist(), counts.tolist(), strict=True)),
        source=source,
        excluded=excluded if excluded.any() else None,
        data_type=kinds[0],
        sections=_sections(kinds, types, sites),
    )
    tell(alignment)
    return alignment


def _fasta(text: str, source: str) -> list[tuple[str, str]] | None:
    """The rows of FASTA, whose lines that begin with ; are comments; None: it is another format."""
    if text[:1] not in (">", ";"):
        return None
    if text.startswith(";") or "\n;" in text:
        text = "\n".join(line for line in text.split("\n") if not line.startswith(";")).lstrip()
    if not text.startswith(">"):
        return None
    rows = [(name.strip(), "".join(sequence.split())) for name, sequence in SimpleFastaParser(StringIO(text))]
    if all(_PIR.match(name) for name, _ in rows):
        raise InputError(
            f"{source}: headers such as {rows[0][0][:30]!r} are those of NBRF/PIR, where a title follows that is no "
            "sequence; write FASTA"
        )
    return rows


def _types(
    symbols: np.ndarray,
    types: Types,
    data_type: DataTypeName | None,
    source: str,
    partitions: Path | str | None = None,
) -> Types:
    """Kinds of data and their columns: as asked for, as the file or the partitions say, or as they look."""
    every = np.arange(symbols.shape[1])
    declared = " and ".join(name for name, _ in types)
    if data_type is not None:
        if types and declared != data_type:
            notice(f"{source}: the file says that its data are {declared}; read as {data_type}, as asked")
        return ((data_type, every),)
    if partitions is not None and len(types) < 2:
        parts = partition_types(partitions, len(every))
        if any(name is not None for name, _ in parts):
            owner: dict[DataTypeName, list[np.ndarray]] = {}
            for name, sites in parts:
                owner.setdefault(name or recognise(symbols[:, sites]), []).append(sites)
            found: Types = tuple((name, np.unique(np.concatenate(sites))) for name, sites in owner.items())
            if sum(len(sites) for _, sites in found) == len(every):  # else the reader of partitions says what is wrong
                return found
    return types or ((recognise(symbols), every),)


def _read(
    symbols: np.ndarray, taxa: list[str], types: Types, signs: Signs, source: str
) -> tuple[np.ndarray, list[DataType]]:
    """State sets of all columns, and the data type of each kind."""
    if len(types) == 1:
        sets, kind = state_sets(symbols, taxa, types[0][0], signs, source)
        return sets, [kind]
    found = [state_sets(symbols[:, sites], taxa, name, signs, source, sites) for name, sites in types]
    kinds = [kind for _, kind in found]
    together = np.zeros(symbols.shape, dtype=max((kind.dtype for kind in kinds), key=lambda t: np.dtype(t).itemsize))
    for (_, sites), (sets, _) in zip(types, found, strict=True):
        together[:, sites] = sets
    return together, kinds


def _sections(kinds: list[DataType], types: Types, kept: np.ndarray) -> tuple[Section, ...]:
    """Sections of an alignment with several kinds of data, counted by the columns that are kept."""
    if len(kinds) == 1:
        return ()
    place = np.cumsum(kept) - 1
    left = [(kind, place[sites[kept[sites]]]) for kind, (_, sites) in zip(kinds, types, strict=True)]
    return tuple(Section(data_type=kind, sites=sites) for kind, sites in left if len(sites))


def write_fasta(alignment: Alignment, path: Path | str) -> None:
    """Write state sets as their codes, 60 columns a line; sites that may be any state become gaps.

    Raises:
        InputError: the file cannot be written there, several kinds of data, or a set of states without a code.
    """
    data_type = alignment.type_of()
    try:
        letters = data_type.characters(alignment.state_sets, missing="-")
    except InputError as error:
        raise InputError(f"{alignment.source}: {error}") from None
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
