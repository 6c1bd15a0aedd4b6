"""Checks of the rows of an alignment, and warnings about them."""

from collections.abc import Sequence

from vbpi_mix.errors import InputError
from vbpi_mix.io.labels import first_repeated, plain_name
from vbpi_mix.io.notices import listed, notice
from vbpi_mix.phylo.alignment import IUPAC, Alignment
from vbpi_mix.phylo.data_type import DataTypeName

_FEWEST_TAXA = 4
# amino acids whose letters are no nucleotide codes
_PROTEIN_ONLY = frozenset("EFILPQZJ*")

Rows = list[tuple[str, str]]


def check_rows(rows: Rows, source: str, signs: str = "") -> Rows:
    """The rows with names in which white space is blanks only.

    Arguments:
        rows: (name, sequence) as read.
        source: the file, for messages.
        signs: characters beside the IUPAC codes that have a meaning in the file.

    Raises:
        InputError: a name that is empty, repeated or not printable, too few taxa, rows of different lengths, no sites.
    """
    for number, (name, _) in enumerate(rows, start=1):
        if not name:
            raise InputError(f"{source}: row {number} has no name")
    rows = [(plain_name(name, source), sequence) for name, sequence in rows]
    repeated = first_repeated(name for name, _ in rows)
    if repeated is not None:
        raise InputError(f"{source}: two rows are named {repeated!r}; names must differ")
    check_number(len(rows), source)
    first, sequence = rows[0]
    for name, other in rows:
        if len(other) != len(sequence):
            column = min(len(other), len(sequence))
            for row, text in ((name, other), (first, sequence)):
                strange = next((i for i, c in enumerate(text) if not c.isalpha() and c not in "-?.~*" + signs), None)
                if strange is not None:
                    raise InputError(unknown_sign(row, strange, text[strange], (), source))
            raise InputError(
                f"{source}: taxon {name!r} has {len(other)} sites, but {first!r} has {len(sequence)}: the rows are not "
                f"aligned (they part at column {column + 1})"
            )
    if not sequence:
        raise InputError(f"{source}: the sequences have no sites")
    return rows


def check_number(n_taxa: int, source: str) -> None:
    """Raise InputError for fewer taxa than a tree needs."""
    if n_taxa < _FEWEST_TAXA:
        raise InputError(f"{source}: {n_taxa} taxa; at least {_FEWEST_TAXA} are needed for a tree to be inferred")


def unknown_sign(
    taxon: str, column: int, symbol: str, others: Sequence[str], source: str, name: DataTypeName = "dna"
) -> str:
    """The message for a character that is no code.

    Arguments:
        taxon: taxon of the row.
        column: number of the column, from 0.
        symbol: the character.
        others: all such characters of the alignment.
        source: the file.
        name: kind of the data.
    """
    where = f"{source}: taxon {taxon!r} has {symbol!r} at column {column + 1}"
    protein = sorted(set(others) & _PROTEIN_ONLY)
    if len(protein) > 1 and name == "dna":
        return (
            f"{where}, which is no nucleotide code; the file has {', '.join(protein)}, too: if these are amino acids, "
            "say --data-type protein"
        )
    if symbol == ".":
        return f"{where}, which means nothing in this format; write the character that it stands for, or - or ?"
    if symbol in "{}()":
        return f"{where}; sets of states in brackets are read in NEXUS files only; write the IUPAC code, R for {{AG}}"
    if name == "protein":
        return f"{where}, which is no amino acid (the 20, B, Z, J, X, U, O, *, - and ? are read)"
    if name == "standard":
        return f"{where}, which is no state of discrete characters (0 to 9, A to V, - and ? are read)"
    return f"{where}, which is no nucleotide code (IUPAC codes, - and ? are read)"


def tell(alignment: Alignment) -> None:
    """Notices of taxa without data, and of names that other programs take for one."""
    source = alignment.source
    empty = alignment.taxa_without_data()
    if empty:
        names = listed([repr(name) for name in empty])
        notice(f"{source}: no data (gaps and unknown states only) for {names}: any place in the tree fits equally well")
    alike: dict[str, list[str]] = {}
    for name in alignment.taxa:
        alike.setdefault(name.lower().replace("_", " "), []).append(name)
    groups = [" and ".join(map(repr, names)) for names in alike.values() if len(names) > 1]
    if groups:
        notice(
            f"{source}: names that differ only in case, or in blanks and underscores: {listed(groups, 3)}; NEXUS takes "
            "them for one name, so that DendroPy and others may not read the trees written here"
        )
    others = sorted(symbol for symbol in alignment.symbol_counts if symbol == "~" and symbol not in IUPAC)
    if others:
        notice(f"{source}: {listed(list(map(repr, others)))} is read as a gap")
