"""Parsed model strings."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from vbpi_mix.model.gamma import Discretisation
from vbpi_mix.phylo.data_type import DataTypeName

Inferred: TypeAlias = Literal["inferred"]
FrequencyWord: TypeAlias = Literal["equal", "empirical", "inferred", "model"]
INFERRED: Inferred = "inferred"
# nucleotide models with equal frequencies, and those that are the same with any
WITH_FREQUENCIES: dict[str, str] = {"JC69": "F81", "K80": "HKY85"}
_WORDS: dict[FrequencyWord, str] = {"equal": "+FQ", "empirical": "+F", "inferred": "+FO", "model": ""}


@dataclass(frozen=True, kw_only=True)
class GammaSpecification:
    """A discrete gamma distribution of rates.

    Arguments:
        shape: alpha, or "inferred".
        n_categories: C.
        discretisation: see `gamma.discrete_gamma_rates`.
    """

    shape: float | Inferred
    n_categories: int = 4
    discretisation: Discretisation = "mean"


@dataclass(frozen=True)
class FreeRates:
    """Rates of categories, and their weights, to be inferred.

    Arguments:
        n_categories: C >= 2.
    """

    n_categories: int


@dataclass(frozen=True, kw_only=True)
class ModelSpecification:
    """A parsed model string; `str` gives it back in its plainest form.

    What is "inferred" is a parameter with a prior, see `parameter_space.ModelFamily`.

    Arguments:
        name: the model.
        data_type: data type that the model describes.
        rates: rates of a nucleotide model, its exchangeabilities relative to that of G-T (and all that the model holds
            equal to it): none, kappa, (A-G, C-T) or (A-C, A-G, A-T, C-G, C-T).
        code: code of GTR with inferred rates some of which are equal: a digit for each of A-C, A-G, A-T, C-G, C-T, G-T,
            that of G-T 0 and the others from 1 in the order in which they appear; None: all differ.
        frequencies: frequencies of the states, with sum 1, or the way to find them; "model": a matrix's own.
        proportion_invariant: proportion of invariant sites; None: the model has no such class.
        gamma: gamma distribution of the rates of the other sites; None: equal rates, or free ones.
        free_rates: (weight, rate) of each category of the other sites, with weights of sum 1 and a mean rate of 1; or
            how many are to be inferred.
        ascertained: whether the data are only those sites that vary.
    """

    name: str
    data_type: DataTypeName = "dna"
    rates: tuple[float, ...] | Inferred = ()
    code: str | None = None
    frequencies: FrequencyWord | tuple[float, ...]
    proportion_invariant: float | Inferred | None = None
    gamma: GammaSpecification | None = None
    free_rates: tuple[tuple[float, float], ...] | FreeRates | None = None
    ascertained: bool = False

    @property
    def exchangeable(self) -> bool:
        """Whether all nucleotides are alike."""
        return self.name in ("JC69", "F81") and self.frequencies == "equal"

    @property
    def is_jc69(self) -> bool:
        """Whether this is Jukes and Cantor's model without rate heterogeneity."""
        return self.exchangeable and (self.proportion_invariant, self.gamma, self.free_rates) == (None, None, None)

    @property
    def is_fixed(self) -> bool:
        """Whether nothing is inferred."""
        values = (self.rates, self.frequencies, self.proportion_invariant, self.gamma and self.gamma.shape)
        return INFERRED not in values and not isinstance(self.free_rates, FreeRates)

    @property
    def n_categories(self) -> int:
        """C, invariant sites among them."""
        if isinstance(self.free_rates, FreeRates):
            n = self.free_rates.n_categories
        elif self.free_rates is not None:
            n = len(self.free_rates)
        else:
            n = 1 if self.gamma is None else self.gamma.n_categories
        return n + (self.proportion_invariant is not None)

    def __str__(self) -> str:
        text = (self.code or self.name) + (_braces(self.rates) if self.rates else "")
        by_name = self.name in WITH_FREQUENCIES or self.name in ("MK", "Poisson")
        if not by_name or (self.name == "Poisson" and self.frequencies != "equal"):
            words = self.frequencies
            text += _WORDS[words] if isinstance(words, str) else "+F" + _braces(words)
        if self.proportion_invariant is not None:
            text += "+I" + _braces(self.proportion_invariant)
        if self.gamma is not None:
            letter = "GA" if self.gamma.discretisation == "median" else "G"
            text += f"+{letter}{self.gamma.n_categories}" + _braces(self.gamma.shape)
        if isinstance(self.free_rates, FreeRates):
            text += f"+R{self.free_rates.n_categories}"
        elif self.free_rates is not None:
            text += f"+R{len(self.free_rates)}" + _braces(tuple(x for pair in self.free_rates for x in pair))
        return text + "+ASC" * self.ascertained


def _braces(values: float | tuple[float, ...] | Inferred) -> str:
    if isinstance(values, str):
        return ""
    return "{" + ",".join(map(repr, values if isinstance(values, tuple) else (values,))) + "}"
