r"""Sets of sites as NEXUS and RAxML write them: `1-300\3 305 400-. coding`."""

import re
from collections.abc import Mapping

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.nexus_text import unquote

# one number, a range with or without a step, or a word; numbers end where a word would
_ITEM = re.compile(
    r"(?P<first>[0-9]+|\.)(?:\s*-\s*(?P<last>[0-9]+|\.)(?:\s*[\\/]\s*(?P<step>[0-9]+))?)?(?=[\s,]|\Z)"
    r"|(?P<word>'[^']*(?:''[^']*)*'|[^\s,]+)"
)
_BETWEEN = re.compile(r"[\s,]*")
_ONLY_NUMBERS = re.compile(r"[-0-9.\\/]+")
_MOST_DIGITS = 15
_SHOWN = 40


def parse_sites(
    text: str, n_sites: int, where: str, known: Mapping[str, np.ndarray], rest: np.ndarray | None = None
) -> np.ndarray:
    r"""The columns that a set names.

    Items have white space or commas between them: sites from 1, where `.` is the last one; ranges `1-300`; every third
    site of a range `1-300\3` (or `/3`); `all`; sets with a name; `remainder` where there is one.

    Arguments:
        text: the set.
        n_sites: L of the alignment.
        where: file and line for messages.
        known: sets defined before, by their names in lower case.
        rest: (L,) bool, what `remainder` means; None: the word has no meaning here.

    Returns:
        (n,) int64 columns from 0, ascending and distinct; a site named twice is there once.

    Raises:
        InputError: no site, a malformed or backward range, a site that the alignment does not have, an unknown set.
    """
    chosen = np.zeros(n_sites, dtype=bool)
    at = _skip(text, 0)
    while at < len(text):
        item = _ITEM.match(text, at)
        assert item is not None  # it matches any word
        if item["word"] is None:
            chosen[_range(item, n_sites, where)] = True
        else:
            name = unquote(item["word"]).lower()
            if name in known:
                chosen[known[name]] = True
            elif name == "all":
                chosen[:] = True
            elif name == "remainder" and rest is not None:
                chosen |= rest
            else:
                raise InputError(_unknown(item["word"], where, known))
        at = _skip(text, item.end())
    sites = np.flatnonzero(chosen).astype(np.int64)
    if not len(sites):
        raise InputError(f"{where}: there is no site in it; name its sites, for example 1-300")
    return sites


def _skip(text: str, at: int) -> int:
    match = _BETWEEN.match(text, at)
    assert match is not None  # it matches nothing at all
    return match.end()


def _range(item: re.Match[str], n_sites: int, where: str) -> slice:
    first = _number(item["first"], n_sites, where)
    last = first if item["last"] is None else _number(item["last"], n_sites, where)
    step = 1 if item["step"] is None else int(item["step"][:_MOST_DIGITS])
    if last < first:
        raise InputError(f"{where}: the range {_shown(item[0])} runs backwards; write the smaller site first")
    if step == 0:
        raise InputError(f"{where}: the range {_shown(item[0])} has a step of 0; a step is at least 1")
    return slice(first - 1, last, step)


def _number(word: str, n_sites: int, where: str) -> int:
    if word == ".":
        return n_sites
    digits = word.lstrip("0")
    if not digits:
        raise InputError(f"{where}: site 0; sites are numbered from 1")
    if len(digits) > _MOST_DIGITS or int(digits) > n_sites:
        raise InputError(
            f"{where}: site {_shown(digits)}, but the alignment has {n_sites} sites; . stands for the last"
        )
    return int(digits)


def _unknown(word: str, where: str, known: Mapping[str, np.ndarray]) -> str:
    if _ONLY_NUMBERS.fullmatch(word):
        return f"{where}: malformed range {_shown(word)}; ranges are written 1-300, 1-300\\3 or 400-."
    names = f"; known are {_shown(', '.join(known))}" if known else ""
    return f"{where}: {_shown(word)} is no charset defined above and no range of sites such as 1-300 or 1-300\\3{names}"


def _shown(text: str) -> str:
    short = " ".join(text.split())
    return short if len(short) <= _SHOWN else short[:_SHOWN] + "..."
