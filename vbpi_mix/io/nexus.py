"""Writing trees: NEXUS for DendroPy, ape, MrBayes and FigTree, and plain Newick lists."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.io.files import atomic_write
from vbpi_mix.phylo.topology import Topology

_PLAIN = re.compile(r"[\w.|][\w.|-]*\Z")
_NEEDS_QUOTES = re.compile(r"[\s()\[\]'\":;,<>]")

NamedTree = tuple[str, Topology, np.ndarray | None]


def quote_label(name: str) -> str:
    """A taxon or tree name as NEXUS writes it.

    Letters, digits and `_.|-` stand as they are (a name that begins with - is quoted, or a spreadsheet might take a
    list of names for a formula), anything else goes into single quotes with quotes doubled: `it's` becomes `'it''s'`.
    Underscores alone are not quoted: MrBayes and BEAST write them so, and recent versions of ape read no quotes in a
    TRANSLATE table. DendroPy keeps them with `preserve_underscores=True` and shows spaces otherwise.
    """
    if _PLAIN.match(name):
        return name
    escaped = name.replace("'", "''")
    return f"'{escaped}'"


def newick_label(name: str) -> str:
    """A taxon name as Newick writes it: in quotes only if it has blanks, brackets, quotes or one of `:;,<>`.

    Readers of Newick that know no quotes (ape, ete3) keep them as a part of the name, so `A/duck/1` stays as it is.
    """
    if name and name.isprintable() and not _NEEDS_QUOTES.search(name):
        return name
    escaped = name.replace("'", "''")
    return f"'{escaped}'"


def write_nexus_trees(
    path: Path | str, taxa: Sequence[str], trees: Iterable[NamedTree], *, precision: int = 10
) -> None:
    """Write unrooted trees, one a line, with a TAXA block and a TRANSLATE table of the integers 1 to N.

    The file appears whole or not at all; trees are taken from the iterable one by one.

    Arguments:
        path: the file to write.
        taxa: (N,) names in the order of the topologies' tips.
        trees: name, topology and (E,) branch lengths (or None) of each.
        precision: significant digits of a length.

    Raises:
        InputError: the file cannot be written there.
    """
    numbers = [str(i) for i in range(1, len(taxa) + 1)]
    statements = (
        f"{quote_label(name)} = [&U] {topology.newick(numbers, _listed(lengths), precision=precision)}"
        for name, topology, lengths in trees
    )
    write_nexus_statements(path, taxa, statements)


def write_nexus_statements(
    path: Path | str,
    taxa: Sequence[str],
    statements: Iterable[str],
    *,
    comments: Sequence[str] = (),
    taxa_block: bool = True,
) -> None:
    """Write a NEXUS file with a TREES block of ready statements over a TRANSLATE table of the integers 1 to N.

    The file appears whole or not at all; statements are taken from the iterable one by one.

    Arguments:
        path: the file to write.
        taxa: (N,) names; statement texts call them 1 to N.
        statements: text behind `tree` on each line, `name = [&U] (1:0.1,...);`.
        comments: lines put into square brackets behind `#NEXUS`; without brackets of their own.
        taxa_block: whether to write a TAXA block too.

    Raises:
        InputError: the file cannot be written there.
    """
    quoted = [quote_label(name) for name in taxa]
    with atomic_write(path) as file:
        file.write("#NEXUS\n")
        file.writelines(f"[{line}]\n" for line in comments)
        if taxa_block:
            file.write(f"\nbegin taxa;\n\tdimensions ntax={len(taxa)};\n\ttaxlabels\n")
            file.writelines(f"\t\t{name}\n" for name in quoted)
            file.write("\t\t;\nend;\n")
        file.write("\nbegin trees;\n\ttranslate\n")
        file.write(",\n".join(f"\t\t{number} {name}" for number, name in enumerate(quoted, start=1)))
        file.write("\n\t\t;\n")
        file.writelines(f"\ttree {statement}\n" for statement in statements)
        file.write("end;\n")


def write_newick_trees(
    path: Path | str, taxa: Sequence[str], trees: Iterable[NamedTree], *, precision: int = 10
) -> None:
    """Write unrooted trees as a list of Newick lines; arguments as in `write_nexus_trees`, names are not used."""
    quoted = [newick_label(name) for name in taxa]
    with atomic_write(path) as file:
        for _, topology, lengths in trees:
            file.write(topology.newick(quoted, _listed(lengths), precision=precision) + "\n")


def _listed(lengths: np.ndarray | None) -> list[float] | None:
    return None if lengths is None else np.asarray(lengths, dtype=np.float64).tolist()
