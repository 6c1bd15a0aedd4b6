"""Which taxon a label in a tree file means."""

import re
from collections.abc import Iterable, Sequence

from vbpi_mix.errors import InputError

# what programs leave as it is in a label; IQ-TREE and others write an underscore for anything else
_CHANGED_BY_PROGRAMS = re.compile(r"[^\w.|/-]")


class TaxonLabels:
    """Finds taxa by the labels that tree files give them.

    Taxon names are those of the alignment, kept exactly. A label means

    1. the taxon of exactly that name; failing that, and if the label is not quoted,
    2. the only taxon whose name agrees once everything but letters, digits and `.|/-` is read as an underscore
       on both sides (spaces become underscores in Newick and NEXUS; IQ-TREE does so with other signs too);
       failing that
    3. the only taxon whose name begins with the label followed by a space (programs that read FASTA drop what
       follows the first word of a header).

    Arguments:
        taxa: (N,) distinct names.
    """

    def __init__(self, taxa: Sequence[str]) -> None:
        self.taxa = tuple(taxa)
        self._exact = {name: i for i, name in enumerate(self.taxa)}
        if len(self._exact) != len(self.taxa):
            raise InputError(f"taxon names must differ: {first_repeated(self.taxa)!r} is there twice")
        self._spelled = _unique((_spelling(name), i) for i, name in enumerate(self.taxa))
        self._first_words = _unique((name.split(None, 1)[0], i) for i, name in enumerate(self.taxa) if name.strip())

    def find(self, label: str, *, quoted: bool = False) -> int | None:
        """The index of the taxon that `label` (without its quotes) means; None if it means none."""
        index = self._exact.get(label)
        if index is None and not quoted:
            index = self._spelled.get(_spelling(label))
            if index is None:
                index = self._first_words.get(label)
        return index

    def check(self, found: Iterable[int], unknown: Sequence[str], where: str) -> None:
        """Refuse a tree whose taxa are not those of the alignment.

        Arguments:
            found: indices of the taxa in the tree.
            unknown: labels in it that mean no taxon.
            where: the tree, for the message.

        Raises:
            InputError: names the first labels that differ on either side.
        """
        present = set(found)
        missing = [name for i, name in enumerate(self.taxa) if i not in present]
        parts = []
        if unknown:
            parts.append(f"it has {_some(unknown)}, which the alignment has not")
        if missing:
            parts.append(f"the alignment has {_some(missing)}, which the tree has not")
        if parts:
            raise InputError(f"{where}: the taxa are not those of the alignment: {'; '.join(parts)}")


def first_repeated(names: Iterable[str]) -> str | None:
    """The first name that was there before."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _spelling(name: str) -> str:
    return _CHANGED_BY_PROGRAMS.sub("_", name)


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int | None] = {}
    for key, index in pairs:
        found[key] = None if key in found else index
    return {key: index for key, index in found.items() if index is not None}


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
