"""PHYLIP alignments, strict and relaxed, sequential and interleaved.

The format does not say which of these a file is, and names may hold spaces, so every reading is tried and the first
one in which all rows have the declared length is taken. (Biopython wants to be told the variant, cuts strict names
at ten characters whatever follows, and reads no relaxed file with names that hold spaces.)
"""

import re
from collections.abc import Callable, Iterator

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignment_checks import unknown_sign
from vbpi_mix.io.labels import first_repeated
from vbpi_mix.io.nexus_text import unquote
from vbpi_mix.io.notices import notice

_HEADER = re.compile(r"\s*(\d{1,12})\s+(\d{1,12})(?:\s+([A-Za-z]+(?:\s+[A-Za-z]+)*))?\s*\Z", re.ASCII)
# the line that PAML's option G puts before the rows: how many classes of sites there are, or their sizes
_CLASSES = re.compile(r"\s*G\s*\d[\d\s]*\Z", re.IGNORECASE)
_QUOTED_NAME = re.compile(r"\s*('[^']*(?:''[^']*)*')\s+(.*)\Z")
# the line of weights that old PHYLIP's option W puts there
_WEIGHTS = re.compile(r"\s*W[A-Z]*\s+[0-9][0-9\s]*\Z", re.IGNORECASE)
# what a row may hold; the alignment reader names the taxon and column of anything else
_SYMBOLS = re.compile(r"[A-Za-z?.*~-]*\Z")
_WITH_DIGITS = re.compile(r"[A-Za-z0-9?.*~-]*\Z")

Rows = list[tuple[str, str]]
Split = Callable[[str], tuple[str, str]]


def is_phylip(text: str) -> bool:
    """Whether the first line with text is a PHYLIP header: two whole numbers, perhaps with option letters."""
    return _HEADER.match(text.lstrip().split("\n", 1)[0]) is not None


def parse_phylip(text: str, source: str, *, digits: bool = False) -> Rows:
    """(name, sequence) of every row, as the file has them.

    Names: Names in relaxed files what precedes the first white space; in strict ones the first ten characters; where
    neither fits, what precedes two or more spaces or a tab, or all but the last word of the line. A name in single
    quotes may hold anything.

    Option letters behind the numbers, joined or not: I (interleaved) and S (sequential) are obeyed; PAML's G (classes
    of sites) and C (codons) and those of old PHYLIP are named in a notice, and the lines that belong to G passed over.

    Arguments:
        text: the file.
        source: name of the source, for messages.
        digits: whether rows may hold digits; otherwise they may only where no other reading fits.

    Raises:
        InputError: no reading gives the declared number of rows of the declared length.
    """
    header, _, body = text.lstrip().partition("\n")
    match = _HEADER.match(header)
    if match is None:
        raise InputError(f"{source}: a PHYLIP file begins with two numbers, not {header[:30]!r}")
    n_taxa, n_sites = int(match.group(1)), int(match.group(2))
    if n_taxa == 0 or n_sites == 0:
        raise InputError(f"{source}: the header declares {n_taxa} taxa and {n_sites} sites")
    letters = (match.group(3) or "").upper().replace(" ", "")
    lines = _without_options([line.rstrip() for line in body.split("\n")], letters, source)
    full = [line for line in lines if line]
    layouts = [_sequential, _interleaved, _named_blocks]
    first_blank = next((i for i, line in enumerate(lines) if not line and any(lines[:i])), None)
    if first_blank is not None and len([line for line in lines[:first_blank] if line]) == n_taxa:
        layouts = [_interleaved, _named_blocks, _sequential]  # one line per taxon, then a blank line
    if "I" in letters:
        layouts = [_interleaved, _named_blocks]
    attempts: list[Rows] = []

    def fits(rows: Rows, symbols: re.Pattern[str]) -> bool:
        return (
            len(rows) == n_taxa
            and all(name and len(sequence) == n_sites and symbols.match(sequence) for name, sequence in rows)
            and first_repeated(name for name, _ in rows) is None
        )

    for split in (_relaxed, _strict, _wide, _last_word):
        for layout in layouts:
            attempts.append(list(layout(full, n_taxa, n_sites, split)))
            if fits(attempts[-1], _WITH_DIGITS if digits else _SYMBOLS):
                return attempts[-1]
    with_digits = next((rows for rows in attempts if fits(rows, _WITH_DIGITS)), None)
    if with_digits is not None:
        return with_digits
    raise InputError(_complaint(attempts, full, n_taxa, n_sites, source))


def _without_options(lines: list[str], letters: str, source: str) -> list[str]:
    """The lines without those that option letters announce, with a notice of letters that are not obeyed."""
    others = "".join(sorted(set(letters) - set("IS")))
    if "G" in others:
        start = next((i for i, line in enumerate(lines) if line), 0)
        if start < len(lines) and _CLASSES.match(lines[start]):
            numbers = lines[start].strip()[1:].split()
            lines = lines[start + 1 :]
            if len(numbers) == 1:  # the class of every site follows
                labels = next((i for i, line in enumerate(lines) if line), 0)
                if lines and lines[labels].replace(" ", "").isdecimal():
                    lines = lines[labels + 1 :]
    if "W" in others:
        start = next((i for i, line in enumerate(lines) if line), 0)
        if start < len(lines) and _WEIGHTS.match(lines[start]):
            lines = lines[start + 1 :]
    if others:
        known = {"G": "G (classes of sites)", "C": "C (codons)", "W": "W (weights of sites)"}
        named = ", ".join(known.get(letter, letter) for letter in others)
        notice(f"{source}: the option{'s' * (len(others) > 1)} {named} of the first line: not obeyed; all sites are "
               "read as sites of one class")  # fmt: skip
    return lines


def _sequential(lines: list[str], n_taxa: int, n_sites: int, split: Split) -> Iterator[tuple[str, str]]:
    """Rows one after the other, each over as many lines as it needs."""
    i = 0
    while i < len(lines):
        name, sequence = split(lines[i])
        i += 1
        while len(sequence) < n_sites and i < len(lines) and len(lines) > n_taxa:
            sequence += _joined(lines[i])
            i += 1
        yield name, sequence


def _interleaved(lines: list[str], n_taxa: int, _: int, split: Split) -> Iterator[tuple[str, str]]:
    """Blocks of one line per taxon, with names in the first block only."""
    for i, line in enumerate(lines[:n_taxa]):
        name, sequence = split(line)
        yield name, sequence + "".join(_joined(more) for more in lines[i + n_taxa :: n_taxa])


def _named_blocks(lines: list[str], n_taxa: int, _: int, split: Split) -> Iterator[tuple[str, str]]:
    """Blocks of one line per taxon, with names in all of them."""
    for i in range(min(n_taxa, len(lines))):
        parts = [split(line) for line in lines[i::n_taxa]]
        same = all(name == parts[0][0] for name, _ in parts)
        yield parts[0][0], "".join(sequence for _, sequence in parts) if same else ""


def _joined(text: str) -> str:
    return "".join(text.split())


def _relaxed(line: str) -> tuple[str, str]:
    if quoted := _QUOTED_NAME.match(line):
        return unquote(quoted.group(1)), _joined(quoted.group(2))
    name, *rest = line.split(None, 1)
    return name, _joined(rest[0] if rest else "")


def _strict(line: str) -> tuple[str, str]:
    return line[:10].strip(), _joined(line[10:])


def _wide(line: str) -> tuple[str, str]:
    name, *rest = re.split(r"\t|\s{2,}", line.strip(), maxsplit=1)
    return name.strip(), _joined(rest[0] if rest else "")


def _last_word(line: str) -> tuple[str, str]:
    name, *rest = line.strip().rsplit(None, 1)
    return name.strip(), rest[0] if rest else ""


def _complaint(attempts: list[Rows], lines: list[str], n_taxa: int, n_sites: int, source: str) -> str:
    """Error message of the reading that comes closest to the header."""
    best = max(
        attempts, key=lambda rows: sum(len(sequence) == n_sites for _, sequence in rows) - abs(len(rows) - n_taxa)
    )
    again = next((i for i, line in enumerate(lines) if is_phylip(line)), None)
    if again is not None:
        return (
            f"{source}: a second header {' '.join(lines[again].split())!r} after {again} lines: several data sets in "
            "one file; give one of them"
        )
    if len(lines) < n_taxa or len(best) != n_taxa:
        return f"{source}: the header declares {n_taxa} taxa, but there are {min(len(best), len(lines))} rows"
    for name, sequence in best:
        if len(sequence) != n_sites and (column := _strange(sequence)) is not None:
            return unknown_sign(name, column, sequence[column], (), source)
        if len(sequence) != n_sites:
            return f"{source}: taxon {name!r} has {len(sequence)} sites, where the header declares {n_sites}"
    repeated = first_repeated(name for name, _ in best)
    if repeated is not None:
        return f"{source}: two rows are named {repeated!r}; names must differ"
    for name, sequence in best:
        if (column := _strange(sequence)) is not None:
            return unknown_sign(name, column, sequence[column], (), source)
    return f"{source}: a row has no name"


def _strange(sequence: str) -> int | None:
    """Position, from 0, of the first character that no row may hold."""
    return next((i for i, symbol in enumerate(sequence) if not _SYMBOLS.match(symbol)), None)
