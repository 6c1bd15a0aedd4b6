"""The TAXA blocks of a NEXUS file: names by number."""

from collections.abc import Sequence

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_text import Block, settings, unquote, words


def taxa_block(
    blocks: Sequence[Block], source: str, *, title: str | None = None, before: Block | None = None
) -> tuple[list[str], int | None]:
    """TAXLABELS and NTAX of the TAXA block that a LINK names, or else of the last one before a block.

    Arguments:
        blocks: the blocks of the file.
        source: name of the source, for messages.
        title: title of the block, as LINK TAXA gives it; None: no link.
        before: the block that refers to it; None: the end of the file.

    Returns:
        No labels and None where there is no such block.

    Raises:
        InputError: there is none of that title, or NTAX is no number or not that of the labels.
    """
    candidates = [block for block in blocks if block.name in ("taxa", "data", "characters") and _has_labels(block)]
    if title is not None:
        linked = [block for block in candidates if block.title.lower() == title.lower()]
        if not linked:
            titles = ", ".join(repr(block.title) for block in candidates) or "none"
            raise InputError(f"{source}: LINK TAXA = {title!r}, but the TAXA blocks are called {titles}")
        return _labels(linked[0], source)
    earlier = candidates
    if before is not None:
        until = next(i for i, block in enumerate(blocks) if block is before)
        earlier = [block for block in candidates if any(block is other for other in blocks[: until + 1])] or candidates
    return _labels(earlier[-1], source) if earlier else ([], None)


def label_of_number(labels: Sequence[str]) -> dict[str, str]:
    """The numbers from 1 that may stand for taxa, those left out that are the name of one."""
    known = set(labels)
    return {str(i): name for i, name in enumerate(labels, start=1) if str(i) not in known}


def _has_labels(block: Block) -> bool:
    wanted = ("dimensions", "taxlabels") if block.name == "taxa" else ("taxlabels",)
    return any(command.keyword in wanted for command in block.commands)


def _labels(block: Block, source: str) -> tuple[list[str], int | None]:
    labels: list[str] = []
    n_taxa: int | None = None
    for command in block.commands:
        if command.keyword == "taxlabels":
            labels = [unquote(word) for word in words(command.rest) if word != ","]
        elif command.keyword == "dimensions":
            value = settings(command.rest).get("ntax")
            if value is not None and (not value.isdecimal() or len(value) > 12):
                raise InputError(f"{source}: DIMENSIONS NTAX is {value!r}, not a number")
            n_taxa = n_taxa if value is None else int(value)
    if labels and n_taxa is not None and n_taxa != len(labels):
        raise InputError(f"{source}, line {block.line}: NTAX is {n_taxa}, but TAXLABELS has {len(labels)} names")
    return labels, n_taxa if n_taxa is not None else (len(labels) or None)
