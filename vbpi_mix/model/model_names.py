"""Names of substitution models in IQ-TREE's, RAxML-NG's and jModelTest's notation, and what their rates are."""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from vbpi_mix.model.protein_matrices import PROTEIN_MATRICES
from vbpi_mix.phylo.data_type import DataTypeName

ModelName: TypeAlias = Literal["JC69", "K80", "F81", "HKY85", "TN93", "GTR"]


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """Meaning of a model's name.

    Arguments:
        name: the model here; a nucleotide model that has none of its own is GTR with some of its rates equal.
        code: code of nucleotide models: which rates of A-C, A-G, A-T, C-G, C-T, G-T are equal, by digits; that of G-T
            is 1 and the others are given in the order in which they appear.
        equal_frequencies: whether the name means equal frequencies; None: programs differ.
        data_type: data type that the model describes.
    """

    name: str
    code: str
    equal_frequencies: bool | None
    data_type: DataTypeName = "dna"

    @property
    def is_tied(self) -> bool:
        """Whether it is no model here but GTR with equal rates."""
        return self.name == "GTR" and len(set(self.code)) < 6

    @property
    def classes(self) -> list[str]:
        """The digits of the code in the order in which they appear."""
        return list(dict.fromkeys(self.code))

    @property
    def n_rates(self) -> int:
        """Rates to give: one for each class but that of G-T."""
        return len(self.classes) - 1

    def five_rates(self, given: tuple[float, ...]) -> tuple[float, ...]:
        """A-C, A-G, A-T, C-G, C-T relative to G-T from the rates of the classes but that of G-T."""
        free = [digit for digit in self.classes if digit != self.code[-1]]
        rates = {self.code[-1]: 1.0} | dict(zip(free, given, strict=True))
        return tuple(rates[digit] for digit in self.code[:-1])


def _names(name: ModelName, code: str, equal: bool | None, *words: str) -> dict[str, NamedModel]:
    return {word: NamedModel(name=name, code=code, equal_frequencies=equal) for word in words}


# by upper-case name
NAMES: dict[str, NamedModel] = {
    **_names("JC69", "000000", True, "JC", "JC69"),
    **_names("F81", "000000", False, "F81"),
    **_names("K80", "010010", True, "K80", "K2P"),
    **_names("HKY85", "010010", False, "HKY", "HKY85"),
    **_names("TN93", "010020", False, "TN", "TRN", "TN93"),
    **_names("TN93", "010020", True, "TNE", "TRNE", "TN93EF", "TRNEF"),
    **_names("GTR", "012210", True, "K3P", "K81", "TPM1"),
    **_names("GTR", "012210", False, "K3PU", "K81U", "K81UF", "TPM1UF"),
    **_names("GTR", "121020", None, "TPM2"),
    **_names("GTR", "121020", False, "TPM2U", "TPM2UF"),
    **_names("GTR", "120120", None, "TPM3"),
    **_names("GTR", "120120", False, "TPM3U", "TPM3UF"),
    **_names("GTR", "012230", False, "TIM", "TIM1UF"),
    **_names("GTR", "012230", True, "TIME", "TIM1EF"),
    **_names("GTR", "012230", None, "TIM1"),
    **_names("GTR", "121030", None, "TIM2"),
    **_names("GTR", "121030", False, "TIM2UF"),
    **_names("GTR", "121030", True, "TIM2E", "TIM2EF"),
    **_names("GTR", "120130", None, "TIM3"),
    **_names("GTR", "120130", False, "TIM3UF"),
    **_names("GTR", "120130", True, "TIM3E", "TIM3EF"),
    **_names("GTR", "412310", False, "TVM"),
    **_names("GTR", "412310", True, "TVME", "TVMEF"),
    **_names("GTR", "123450", True, "SYM"),
    **_names("GTR", "123450", False, "GTR"),
    **{
        word.upper(): NamedModel(name=word, code="", equal_frequencies=False, data_type="protein")
        for word in PROTEIN_MATRICES
    },
    "POISSON": NamedModel(name="Poisson", code="", equal_frequencies=True, data_type="protein"),
    "MK": NamedModel(name="MK", code="", equal_frequencies=True, data_type="standard"),
    "JC2": NamedModel(name="MK", code="", equal_frequencies=True, data_type="standard"),
    "GTR2": NamedModel(name="GTR2", code="", equal_frequencies=False, data_type="standard"),
}
_CODE = re.compile(r"[0-9]{6}")
_NAME_OF_CODE = {"000000": "F81", "010010": "HKY85", "010020": "TN93"}


def find_name(word: str) -> NamedModel | None:
    """Meaning of a word: a name, in any case, or six digits that say which rates are equal; None if it is neither."""
    if word.upper() in NAMES:
        return NAMES[word.upper()]
    if not _CODE.fullmatch(word):
        return None
    plain = canonical_code(word)
    return NamedModel(name=_NAME_OF_CODE.get(plain, "GTR"), code=plain, equal_frequencies=None)


def canonical_code(code: str) -> str:
    """The code with 0 for the class of G-T and the others from 1 in the order in which they appear."""
    others = iter("12345")
    by_class = {digit: "0" if digit == code[-1] else next(others) for digit in dict.fromkeys(code)}
    return "".join(by_class[digit] for digit in code)
