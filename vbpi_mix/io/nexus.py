"""Writing trees: NEXUS for DendroPy, ape, MrBayes and FigTree, and plain Newick lists."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.io.files import atomic_write
from vbpi_mix.phylo.topology import Topology

_PLAIN = re.compile(r"[\w.|-]+\Z")

NamedTree = tuple[str, Topology, np.ndarray | None]


def quote_label(name: str) -> str:
    """A taxon or tree name as NEXUS and Newick write it.

    Letters, digits and `_.|-` stand as they are, anything else goes into single quotes with quotes doubled:
    `it's` becomes `'it''s'`. Underscores alone are not quoted: MrBayes and BEAST write them so, and recent versions
    of ape read no quotes in a TRANSLATE table. DendroPy keeps them with `preserve_underscores=True` and shows spaces
    otherwise.
    """
    if _PLAIN.match(name):
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
    quoted = [quote_label(name) for name in taxa]
    with atomic_write(path) as file:
        file.write(f"#NEXUS\n\nbegin taxa;\n\tdimensions ntax={len(taxa)};\n\ttaxlabels\n")
        file.writelines(f"\t\t{name}\n" for name in quoted)
        file.write("\t\t;\nend;\n\nbegin trees;\n\ttranslate\n")
        file.write(",\n".join(f"\t\t{number} {name}" for number, name in zip(numbers, quoted, strict=True)))
        file.write("\n\t\t;\n")
        for name, topology, lengths in trees:
            newick = topology.newick(numbers, _listed(lengths), precision=precision)
            file.write(f"\ttree {quote_label(name)} = [&U] {newick}\n")
        file.write("end;\n")


def write_newick_trees(
    path: Path | str, taxa: Sequence[str], trees: Iterable[NamedTree], *, precision: int = 10
) -> None:
    """Write unrooted trees as a list of Newick lines; arguments as in `write_nexus_trees`, names are not used."""
    quoted = [quote_label(name) for name in taxa]
    with atomic_write(path) as file:
        for _, topology, lengths in trees:
            file.write(topology.newick(quoted, _listed(lengths), precision=precision) + "\n")


def _listed(lengths: np.ndarray | None) -> list[float] | None:
    return None if lengths is None else np.asarray(lengths, dtype=np.float64).tolist()
