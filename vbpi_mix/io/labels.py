"""Matching of labels in tree files to taxa."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_text import unquote
from vbpi_mix.io.notices import notice

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
       follows the first word of a header); failing that
    4. the only taxon whose first word agrees once both are read as in 2 (IQ-TREE does both).

    Arguments:
        taxa: (N,) distinct names.
    """

    def __init__(self, taxa: Sequence[str]) -> None:
        self.taxa = tuple(taxa)
        self._exact = {name: i for i, name in enumerate(self.taxa)}
        if len(self._exact) != len(self.taxa):
            raise InputError(f"taxon names must differ: {first_repeated(self.taxa)!r} is there twice")
        self._spelled = _unique((_spelling(name), i) for i, name in enumerate(self.taxa))
        first_words = [(name.split(None, 1)[0], i) for i, name in enumerate(self.taxa) if name.strip()]
        self._first_words = _unique(first_words)
        self._spelled_first_words = _unique((_spelling(word), i) for word, i in first_words)

    def find(self, label: str, *, quoted: bool = False) -> int | None:
        """The index of the taxon that `label` (without its quotes) means; None if it means none."""
        index = self._exact.get(label)
        if index is None and not quoted:
            index = self._spelled.get(_spelling(label))
            if index is None:
                index = self._first_words.get(label)
            if index is None:
                index = self._spelled_first_words.get(_spelling(label))
        return index

    def find_written(self, token: str, translate: Mapping[str, str]) -> int | None:
        """The index of the taxon that a token of a tree means, quotes and all.

        Arguments:
            token: token as the tree has it.
            translate: token without quotes to label as written, from a TRANSLATE table or the numbers of a TAXA block.
        """
        written = translate.get(unquote(token), token)
        label = unquote(written)
        index = self.find(label, quoted=written.startswith("'"))
        # a name may have double quotes of its own
        return self._exact.get(written) if index is None else index

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


def plain_name(name: str, source: str) -> str:
    """A name of a file with every kind of white space in it as one blank, with a notice where that changes it.

    Arguments:
        name: name of a taxon or a part.
        source: the file, for messages.

    Raises:
        InputError: it has control characters or others that cannot be printed.
    """
    if name.isprintable():
        return name
    plain = "".join(" " if c == "\t" or unicodedata.category(c) == "Zs" else c for c in name)
    for position, c in enumerate(plain, start=1):
        if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            raise InputError(
                f"{source}: the name {name[:60]!r} has the character U+{ord(c):04X} at position {position}, which "
                "cannot be printed; remove it"
            )
    if plain != name:
        notice(f"{source}: the name {name[:60]!r} is read as {plain[:60]!r}, with blanks for its white space")
    return plain


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
