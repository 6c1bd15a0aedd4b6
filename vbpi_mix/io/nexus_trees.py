"""The TREES blocks of NEXUS files: what the tokens of their trees mean."""

import re
from collections.abc import Mapping
from pathlib import Path

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_taxa import label_of_number, taxa_block
from vbpi_mix.io.nexus_text import Block, Command, commands, settings, unquote

_TRANSLATE_WORD = re.compile(r"'[^']*(?:''[^']*)*'|\"[^\"]*\"|,|[^\s,]+")
_BLOCKS = ("taxa", "data", "characters")


class TreeBlocks:
    """Follows the statements of a NEXUS file that are not trees.

    Arguments:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._taxa: list[Block] = []
        self._block: Block | None = None
        self._translate: dict[str, str] = {}
        self._table: Mapping[str, str] | None = None

    @property
    def open_block(self) -> str:
        """Name of the block that has no END yet, "" outside of blocks."""
        return "" if self._block is None else self._block.name

    def read(self, statement: str) -> None:
        """Take note of a statement.

        Raises:
            InputError: a TRANSLATE table with a token without a taxon.
        """
        command = next(commands(statement + ";", str(self.path)))
        keyword = command.keyword
        if keyword == "begin":
            name = unquote(command.rest.strip()).lower()
            self._block = Block(name=name, line=command.line)
            self._table, self._translate = None, {}
            if name in _BLOCKS:
                self._taxa.append(self._block)
        elif keyword in ("end", "endblock"):
            self._block = None
        elif self._block is not None and keyword == "title":
            self._block.title = unquote(command.rest.strip())
        elif self._block is not None and keyword == "link":
            self._block.links |= settings(command.rest)
            self._table = None
        elif self._block is not None and self._block.name in _BLOCKS and keyword in ("dimensions", "taxlabels"):
            self._block.commands.append(command)
        elif keyword == "translate":
            self._translate = self._translation(command)
            self._table = None

    def table(self) -> Mapping[str, str]:
        """Token without quotes to label as written: numbers of the TAXA block, and the TRANSLATE table before these."""
        if self._table is None:
            numbers: dict[str, str] = {}
            if self._taxa:
                title = None if self._block is None else self._block.links.get("taxa")
                labels, _ = taxa_block(self._taxa, str(self.path), title=title)
                numbers = {number: _quoted(label) for number, label in label_of_number(labels).items()}
            self._table = numbers | self._translate
        return self._table

    def _translation(self, command: Command) -> dict[str, str]:
        table: dict[str, str] = {}
        entry: list[str] = []
        for word in [*_TRANSLATE_WORD.findall(command.rest), ","]:
            if word != ",":
                entry.append(word)
            elif entry:
                if len(entry) == 1:
                    raise InputError(f"{self.path}: the TRANSLATE table has a token without a taxon: {entry[0]!r}")
                if unquote(entry[0]) in table:
                    raise InputError(f"{self.path}: the TRANSLATE table has the token {entry[0]!r} twice")
                table[unquote(entry[0])] = " ".join(entry[1:])
                entry = []
        return table


def _quoted(label: str) -> str:
    """A label that is found by its spelling too, unless it would be taken for a quoted word."""
    return "'" + label.replace("'", "''") + "'" if label[:1] in ("'", '"') else label
