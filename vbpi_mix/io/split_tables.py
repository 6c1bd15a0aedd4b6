"""Tables of split frequencies, such as `posterior/splits.tsv` of a run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import open_text, read_text
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.io.nexus_text import unquote, words
from vbpi_mix.phylo import clades

_PROBABILITY = ("probability", "mean_prob", "frequency")
_TAXA = ("taxa", "taxa_on_side_without_first_taxon")


def is_split_table(path: Path | str) -> bool:
    """Whether the first line of a file is the header of a table of splits."""
    with open_text(path) as file:
        columns = file.readline().rstrip("\r\n").lower().split("\t")
    return any(name in columns for name in _TAXA) and any(name in columns for name in _PROBABILITY)


def read_splits(path: Path | str, taxa: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Splits with their probabilities.

    The table has a header, tabs between columns, a column `probability` (or `mean_prob`, `frequency`) and a column
    `taxa` (or `taxa_on_side_without_first_taxon`) with the taxa of one side, commas between, quoted as in NEXUS where
    needed. Which side does not matter. Splits that cut off a single taxon are passed over.

    Returns:
        (X, W) uint64 clades, the side without taxon 0, and (X,) probabilities.

    Raises:
        InputError: no such table, a taxon that is not among `taxa`, a probability outside [0, 1], a split twice.
    """
    labels = TaxonLabels(taxa)
    n = len(labels.taxa)
    lines = read_text(path).splitlines()
    columns = lines[0].lower().split("\t")
    which = [next((columns.index(name) for name in names if name in columns), None) for names in (_PROBABILITY, _TAXA)]
    if which[0] is None or which[1] is None:
        raise InputError(f"{path}: no table of splits: its header needs the columns 'probability' and 'taxa'")
    found: dict[tuple[int, ...], float] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        fields = line.split("\t")
        if len(fields) != len(columns):
            raise InputError(f"{path}, line {number}: {len(fields)} columns, where the header has {len(columns)}")
        side = _side(fields[which[1]], labels, f"{path}, line {number}")
        if 0 in side:
            side = set(range(n)) - side
        if not 2 <= len(side) <= n - 2:
            continue
        key = tuple(sorted(side))
        if key in found:
            raise InputError(f"{path}, line {number}: this split is there twice")
        found[key] = _probability(fields[which[0]], f"{path}, line {number}")
    words_ = [clades.from_taxa(side, n) for side in found]
    shape = (len(found), clades.n_words(n))
    return np.array(words_, dtype=np.uint64).reshape(shape), np.array(list(found.values()))


def _side(text: str, labels: TaxonLabels, where: str) -> set[int]:
    side = set()
    names, current = [], []
    for word in [*words(text), ","]:
        if word == ",":
            names.append(" ".join(current))
            current = []
        else:
            current.append(word)
    for name in names:
        index = labels.find(unquote(name), quoted=name.startswith("'"))
        if index is None:
            raise InputError(f"{where}: the taxa differ: {unquote(name)!r} is not among the taxa compared with")
        side.add(index)
    return side


def _probability(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1 + 1e-6:
        raise InputError(f"{where}: {text!r} is no probability")
    return min(value, 1.0)
