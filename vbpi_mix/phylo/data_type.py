"""Kinds of characters: their states, and the codes that stand for sets of states."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np

from vbpi_mix.errors import ConfigError, InputError

DataTypeName: TypeAlias = Literal["dna", "protein", "standard"]
DATA_TYPES: tuple[DataTypeName, ...] = get_args(DataTypeName)
AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"
PROTEIN_MATRICES = (
    "LG", "WAG", "JTT", "JTTDCMut", "Dayhoff", "DCMut", "VT", "Blosum62", "PMB", "cpREV", "mtREV", "mtMAM", "mtART",
    "mtZOA", "rtREV", "HIVb", "HIVw", "FLU",
)  # fmt: skip
STANDARD_MODELS = ("MK", "JC2", "GTR2")
# states of standard data in their order, as NEXUS files and IQ-TREE name them
STANDARD_SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


@dataclass(frozen=True, kw_only=True, eq=False)
class DataType:
    """Data type of the characters of an alignment.

    A state set has one bit per state, the first state's being 1; all bits stand for gaps and missing data too.

    Arguments:
        name: name of the kind.
        states: one symbol per state, in order.
        codes: state set of each upper-case character that is read.
    """

    name: DataTypeName
    states: str
    codes: Mapping[str, int] = field(repr=False)

    @property
    def n_states(self) -> int:
        return len(self.states)

    @property
    def missing(self) -> int:
        """The set of all states."""
        return (1 << len(self.states)) - 1

    @property
    def dtype(self) -> type[np.unsignedinteger]:
        """The smallest integers that hold its state sets."""
        return np.uint8 if self.n_states <= 8 else np.uint32 if self.n_states <= 32 else np.uint64

    @property
    def label(self) -> str:
        """Name and, where it tells more, number of states: what `data_type` reads."""
        return f"standard:{self.n_states}" if self.name == "standard" else self.name

    def characters(self, state_sets: np.ndarray, *, missing: str) -> np.ndarray:
        """The character of each state set, of the same shape; `missing` for the set of all states.

        Raises:
            InputError: a set of states has no character.
        """
        characters = {states: character for character, states in reversed(list(self.codes.items()))}
        characters[self.missing] = missing
        sets, inverse = np.unique(state_sets, return_inverse=True)
        without = [states for states in sets.tolist() if states not in characters]
        if without:
            raise InputError(f"{self.name} data have no character for a set of states such as {without[0]:b} (in bits)")
        return np.array([characters[states] for states in sets.tolist()])[inverse.reshape(state_sets.shape)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and (self.name, self.states) == (other.name, other.states)

    def __hash__(self) -> int:
        return hash((self.name, self.states))


def _sets(states: str, ambiguous: Mapping[str, str], any_state: str) -> dict[str, int]:
    """State sets of the states, of codes for several of them, and of codes for any."""
    bits = {state: 1 << i for i, state in enumerate(states)}
    sets = {code: sum(bits[state] for state in meant) for code, meant in ambiguous.items()}
    return bits | sets | dict.fromkeys(any_state, (1 << len(states)) - 1)


_OF_NUCLEOTIDES = {
    "U": "T", "M": "AC", "R": "AG", "W": "AT", "S": "CG", "Y": "CT", "K": "GT",
    "V": "ACG", "H": "ACT", "D": "AGT", "B": "CGT",
}  # fmt: skip
# Selenocysteine (U) and pyrrolysine (O), of which no matrix has rates, are read as unknown, as IQ-TREE reads them.
_OF_AMINO_ACIDS = {"B": "ND", "Z": "QE", "J": "IL"}

DNA = DataType(name="dna", states="ACGT", codes=_sets("ACGT", _OF_NUCLEOTIDES, "NXO?-"))
PROTEIN = DataType(name="protein", states=AMINO_ACIDS, codes=_sets(AMINO_ACIDS, _OF_AMINO_ACIDS, "XUO*?-"))


def standard(n_states: int) -> DataType:
    """Discrete characters with states 0, 1, ..., of which no two are alike to a model but for their names.

    Raises:
        ConfigError: fewer than two states, or more than there are symbols.
    """
    if not 2 <= n_states <= len(STANDARD_SYMBOLS):
        raise ConfigError(f"standard data have 2 to {len(STANDARD_SYMBOLS)} states, not {n_states}")
    states = STANDARD_SYMBOLS[:n_states]
    return DataType(name="standard", states=states, codes=_sets(states, {}, "?-"))


def type_of_model(text: str) -> DataTypeName | None:
    """The kind of data that a model string is one of, by its name; None: no protein or discrete model."""
    name = re.split(r"[^A-Za-z0-9]", text.strip(), maxsplit=1)[0].upper()
    if name in (*(word.upper() for word in PROTEIN_MATRICES), "POISSON"):
        return "protein"
    return "standard" if name in STANDARD_MODELS else None


def data_type_name(word: str) -> DataTypeName | None:
    """The name that a word is; None for "auto".

    Raises:
        ConfigError: another word.
    """
    for name in DATA_TYPES:
        if word == name:
            return name
    if word != "auto":
        raise ConfigError(f"unknown data type {word!r}: choose one of auto, {', '.join(DATA_TYPES)}")
    return None


def data_type(label: str) -> DataType:
    """The data type of a label: dna, protein, or standard with its number of states, as in standard:2.

    Raises:
        ConfigError: another label.
    """
    name, _, number = label.partition(":")
    if name == "standard" and number.isdecimal():
        return standard(int(number[:3]))
    if label in ("dna", "protein"):
        return DNA if label == "dna" else PROTEIN
    raise ConfigError(f"unknown data type {label!r}: choose one of {', '.join(DATA_TYPES)}")
