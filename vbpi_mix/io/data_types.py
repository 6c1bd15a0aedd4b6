"""Recognition of the kind of characters of an alignment where its file does not declare it, and their state sets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.alignment_checks import unknown_sign
from vbpi_mix.io.notices import listed, notice
from vbpi_mix.phylo.data_type import (
    DNA,
    PROTEIN,
    STANDARD_SYMBOLS,
    DataType,
    DataTypeName,
    standard,
)

# amino acids whose letters are no nucleotide codes
_PROTEIN_ONLY = frozenset("EFILPQZJ*")
_PLAIN_NUCLEOTIDES = frozenset("ACGTUN")
_NO_STATE = frozenset("-?.~")
_FEWEST_NUCLEOTIDES = 0.9  # share of letters that leaves foreign ones a mistake


@dataclass(frozen=True, kw_only=True)
class Signs:
    """Meaning of characters besides their data type's codes.

    Arguments:
        replaced: characters that stand for others, such as a declared sign of gaps.
        match: the character that repeats the first row's, or None.
        sets: symbols that characters stand for, of sets of states without a code.
        symbols: declared symbols of the states of standard data, in their order; "": as `STANDARD_SYMBOLS`.
    """

    replaced: Mapping[str, str]
    match: str | None = None
    sets: Mapping[str, str] = field(default_factory=dict)
    symbols: str = ""

    def of_states(self, written: Collection[str], source: str) -> "Signs":
        """The same with declared symbols replaced by those of `STANDARD_SYMBOLS`, for standard data.

        A notice says so where characters are written that are not declared: then all are states in the usual order.

        Arguments:
            written: characters of the matrix.
            source: the file, for messages.
        """
        members = {member for sign in written for member in self.sets.get(sign, sign)}
        others = sorted((members & set(STANDARD_SYMBOLS)) - set(self.symbols) - set(self.replaced))
        if not self.symbols or (STANDARD_SYMBOLS.startswith(self.symbols) and not others):
            return self
        if others:
            notice(
                f"{source}: SYMBOLS are {self.symbols!r}, but the matrix has {listed(others)}; all symbols are read as "
                "states in the order of 0 to 9 and A to V"
            )
            return self
        order = dict(zip(self.symbols, STANDARD_SYMBOLS, strict=False))
        return replace(self, replaced={**self.replaced, **order})


def recognise(symbols: np.ndarray) -> DataTypeName:
    """The kind of the upper-case characters of a file that does not say what they are.

    Nucleotides if all characters are codes of them; proteins if two or more are amino acids that are no such codes, and
    less than nine tenths of the letters A, C, G, T, U or N; standard data if all are digits. Anything else counts as
    nucleotides, with mistakes.
    """
    found, counts = np.unique(symbols, return_counts=True)
    number = {
        symbol: int(n) for symbol, n in zip(found.tolist(), counts.tolist(), strict=True) if symbol not in _NO_STATE
    }
    total = sum(number.values())
    if number and all(symbol.isdigit() for symbol in number):
        return "standard"
    plain = sum(n for symbol, n in number.items() if symbol in _PLAIN_NUCLEOTIDES)
    if len(_PROTEIN_ONLY & number.keys()) > 1 and plain < _FEWEST_NUCLEOTIDES * total:
        return "protein"
    return "dna"


def state_sets(
    symbols: np.ndarray,
    taxa: Sequence[str],
    name: DataTypeName,
    signs: Signs,
    source: str,
    sites: np.ndarray | None = None,
) -> tuple[np.ndarray, DataType]:
    """(N, L) state sets of (N, L) upper-case characters of one kind, and their data type.

    Standard data have as many states as the highest symbol says.

    Arguments:
        symbols: (N, L).
        taxa: (N,) names, for messages.
        name: name of the kind.
        signs: meaning of characters besides the data type's codes.
        source: the file, for messages.
        sites: (L,) columns of the file, from 0, for messages; None: all of them.

    Raises:
        InputError: a character that is no code.
    """
    signs_of_states = _without_match(symbols, taxa, signs, source)
    every = np.unique(signs_of_states).tolist()
    if name == "standard":
        signs = signs.of_states(every, source)
    data_type = {"dna": DNA, "protein": PROTEIN}.get(name) or _standard(every, signs, source)
    table: dict[str, int] = {}
    for symbol in every:
        plain = signs.replaced.get(symbol, symbol)
        members = [plain, *(signs.replaced.get(s, s) for s in signs.sets.get(symbol, ""))][symbol in signs.sets :]
        codes = [data_type.codes.get(member, 0) for member in members]
        table[symbol] = 0 if 0 in codes else int(np.bitwise_or.reduce(np.array(codes, dtype=np.uint64)))
    sets = np.zeros(symbols.shape, dtype=data_type.dtype)
    for symbol, states in table.items():
        sets[signs_of_states == symbol] = states
    unknown = sets == 0
    if unknown.any():
        row, column = np.argwhere(unknown)[0].tolist()
        others = [_written(str(x), signs) for x in np.unique(symbols[unknown])]
        symbol = _written(str(symbols[row, column]), signs)
        of_file = int(column) if sites is None else int(sites[column])
        raise InputError(unknown_sign(taxa[int(row)], of_file, symbol, others, source, name))
    return np.ascontiguousarray(sets), data_type


def _standard(symbols: Sequence[str], signs: Signs, source: str) -> DataType:
    """Standard data with the states that occur, from 0 to the highest."""
    written = "".join(signs.sets.get(symbol, symbol) for symbol in symbols)
    members = [signs.replaced.get(symbol, symbol) for symbol in written]
    highest = max((STANDARD_SYMBOLS.find(member) for member in members), default=0)
    absent = sorted(set(STANDARD_SYMBOLS[:highest]) - set(members))
    if highest > 9 and absent and not signs.symbols:
        notice(
            f"{source}: {STANDARD_SYMBOLS[highest]!r} is read as the state {highest} of discrete characters, so that "
            f"there are {highest + 1} states, though {listed(absent, 3)} do not occur; write ? if it means no data"
        )
    return standard(max(2, highest + 1))


def _without_match(symbols: np.ndarray, taxa: Sequence[str], signs: Signs, source: str) -> np.ndarray:
    match = signs.match
    if match is None:
        return symbols
    if (symbols[0] == match).any():
        column = int(np.argmax(symbols[0] == match)) + 1
        raise InputError(
            f"{source}: taxon {taxa[0]!r} has the match character {match!r} at column {column}, but it "
            "is the first row: there is nothing to match"
        )
    return np.where(symbols == match, symbols[0], symbols)


def _written(symbol: str, signs: Signs) -> str:
    return f"{{{signs.sets[symbol]}}}" if symbol in signs.sets else symbol
