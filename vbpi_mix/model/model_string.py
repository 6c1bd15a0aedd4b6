"""Model strings as IQ-TREE and RAxML-NG write them: GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}."""

import re
from collections.abc import Callable
from typing import get_args

from vbpi_mix.errors import ConfigError
from vbpi_mix.io.notices import notice
from vbpi_mix.model.gamma import LARGEST_SHAPE, SMALLEST_SHAPE, Discretisation
from vbpi_mix.model.model_names import ModelName, NamedModel, canonical_code, find_name
from vbpi_mix.model.protein_matrices import PROTEIN_MATRICES
from vbpi_mix.model.specification import (
    INFERRED,
    WITH_FREQUENCIES,
    FreeRates,
    FrequencyWord,
    GammaSpecification,
    Inferred,
    ModelSpecification,
)
from vbpi_mix.phylo.data_type import DataTypeName

# what a model's rates are, and an example of them
_RATES: dict[str, tuple[tuple[str, ...], str]] = {
    "JC69": ((), ""),
    "F81": ((), ""),
    "K80": (("kappa",), "{2.0}"),
    "HKY85": (("kappa",), "{2.0}"),
    "TN93": (("A-G", "C-T"), "{2.0,3.0}"),
    "GTR": (("A-C", "A-G", "A-T", "C-G", "C-T"), "{1.2,3.1,0.7,0.9,4.0}"),
}
# how many frequencies, and of what
_STATES: dict[DataTypeName, tuple[int, str]] = {
    "dna": (4, "A, C, G, T"),
    "protein": (20, "A, R, N, D, C, Q, E, G, H, I, L, K, M, F, P, S, T, W, Y, V"),
    "standard": (2, "0, 1"),
}
_NUMBER = re.compile(r"[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.", re.ASCII)
_WORD = re.compile(r"[A-Za-z0-9_.]*", re.ASCII)
# RAxML-NG marks means and medians by a letter behind the number
_GAMMA = re.compile(r"G(A?)([0-9]*)([AM]?)")
_FREE_RATES = re.compile(r"R([0-9]*)")
# RAxML-NG's words: given by the user, counted, equal, optimised
_FREQUENCY_WORDS = {"F": "F", "FQ": "FQ", "FO": "FO", "FU": "F", "FC": "F", "FE": "FQ"}
_LARGEST_RATE = 1e6
_MOST_CATEGORIES = 1000
_MOST_FREE_RATES = 10
_FREQUENCY_SLACK = 0.01
_TIED_SLACK = 1e-4
_EXCERPT = 30


def parse_model(text: str, *, infer: bool = False, nearest: bool = False) -> ModelSpecification:
    """Read NAME{rates}+F{frequencies}+I{proportion}+G4{shape}; the parts in any order, letters in any case.

    Names are JC69 (JC), K80 (K2P), F81, HKY85 (HKY), TN93 (TN, TrN) and GTR. Rates are kappa, the two of A-G and C-T,
    or the five of A-C, A-G, A-T, C-G, C-T, relative to the rates not given; these may follow as one more number
    that the others are divided by. Read too are the models that are GTR with equal rates: by name (K3P, TPM2, TIM,
    TVM, SYM, ... see `model_names`), or by six digits that say which of A-C, A-G, A-T, C-G, C-T, G-T are equal, as in
    010234. Protein models are those of `protein_matrices`; MK is that of discrete characters, GTR2 the one of two
    states with unequal frequencies.

    +F{...} or +FO{...} gives frequencies of the states in order, +F counts them in the alignment, +FQ makes them equal;
    F81, HKY85, TN93 and GTR without any of these count, JC69 and K80 have equal ones, protein matrices their own. +Gn
    has n categories (4 if not said) at the mean rate of each, +GAn at the median; +Rn{w1,r1,w2,r2,...} has categories
    of these weights and rates, which are scaled to a mean rate of 1. +ASC: the data are sites that vary.

    RAxML-NG's notation: numbers with / between them, the rates of all classes in braces (HKY{1/2.4}), +FU{...}, +FC,
    +FE, +IU{...}, +G4m{...} and +G4a{...}, +R2{rates}{weights}, +ASC_LEWIS.

    Arguments:
        text: the string.
        infer: parameters without a value in braces are to be inferred, frequencies too where nothing or +FO is said of
            them; else values are required, and frequencies are counted where nothing is said.
        nearest: with `infer`, for models that files of other programs name: where free rates cannot be inferred (of
            more than ten categories), a gamma distribution is, and a notice says so.

    Raises:
        ConfigError: anything else, with the character where it goes wrong.
    """
    return _Reader(text, infer=infer, nearest=nearest).model()


class _Reader:
    """A position in a model string, and what may follow."""

    def __init__(self, text: str, *, infer: bool, nearest: bool) -> None:
        self.text = text
        self.infer = infer
        self.nearest = nearest and infer
        self.at = 0
        self.frequencies: FrequencyWord | tuple[float, ...] | None = None
        self.proportion: float | Inferred | None = None
        self.gamma: GammaSpecification | None = None
        self.free_rates: tuple[tuple[float, float], ...] | FreeRates | None = None
        self.ascertained = False
        self.data_type: DataTypeName = "dna"
        self.separator = ","  # of the numbers read last

    def model(self) -> ModelSpecification:
        word = self._word()
        named = find_name(word)
        if named is None:
            raise self._unknown(word)
        name = named.name
        self.data_type = named.data_type
        rates = self._tied_rates(named, word) if named.is_tied else self._rates(named, word)
        while self.at < len(self.text):
            self._part(name)
        if self.frequencies is None:
            if named.equal_frequencies is None:
                raise self._error(
                    f"programs differ in the frequencies of {word}: say +F{{...}}, +F{', +FO' * self.infer} or +FQ"
                )
            by_default: FrequencyWord = INFERRED if self.infer else "empirical"
            by_default = "model" if self.data_type == "protein" else by_default
            self.frequencies = "equal" if named.equal_frequencies else by_default
        return ModelSpecification(
            name=name,
            data_type=self.data_type,
            rates=rates,
            code=canonical_code(named.code) if named.is_tied and rates == INFERRED else None,
            frequencies=self.frequencies,
            proportion_invariant=self.proportion,
            gamma=self.gamma,
            free_rates=self.free_rates,
            ascertained=self.ascertained,
        )

    def _unknown(self, word: str) -> ConfigError:
        what = f"unknown substitution model '{word}'" if word else "a substitution model must begin with its name"
        if word.upper() == "ORDERED":
            return self._error("ORDERED, with changes between neighbouring states only, is not available: use MK", at=0)
        if word.upper() == "GTR20":
            return self._error("the 189 rates of GTR20 are not inferred: use a matrix such as LG", at=0)
        proteins = f"{', '.join(PROTEIN_MATRICES)}, Poisson"
        return self._error(
            f"{what}: choose one of {', '.join(get_args(ModelName))}, six digits such as 010234, for proteins one of "
            f"{proteins}, for discrete characters MK",
            at=0,
        )

    def _tied_rates(self, named: NamedModel, word: str) -> tuple[float, ...] | Inferred:
        """The rates of GTR by those of a model that has some of them equal."""
        start, n = self.at, named.n_rates
        if self._without_values():
            return INFERRED
        self._require_values(f"{word} needs its {n} rates", f"{word}{{{','.join(['1.5'] * n)}}}")
        values = self._values("rates", lambda x: x <= _LARGEST_RATE, f"a rate must lie between 0 and {_LARGEST_RATE:g}")
        if self.separator == "/":
            values = self._of_all_classes(values, named, start)
        if len(values) != n:
            raise self._error(f"{word} takes {n} numbers, not {len(values)}", at=start)
        return named.five_rates(values)

    def _of_all_classes(self, values: tuple[float, ...], named: NamedModel, start: int) -> tuple[float, ...]:
        """RAxML-NG gives the rates of all classes in the order in which they appear; here all but that of G-T."""
        if len(values) not in (n := len(named.classes), 6):
            raise self._error(f"in RAxML-NG's notation this model takes {n} rates, not {len(values)}", at=start)
        by_class = dict(zip(named.classes if len(values) == n else named.code, values, strict=True))
        if len(values) == 6:
            for digit, value in zip(named.code, values, strict=True):
                if abs(value - by_class[digit]) > _TIED_SLACK * max(value, by_class[digit]):
                    raise self._error(
                        f"this model has equal rates in the classes {named.code}, not {value:g} and "
                        f"{by_class[digit]:g}",
                        at=start,
                    )
        if by_class[named.code[-1]] == 0:
            raise self._error("the rate of G-T is the one that the others are divided by: it must not be 0", at=start)
        free = [digit for digit in named.classes if digit != named.code[-1]]
        return tuple(by_class[digit] / by_class[named.code[-1]] for digit in free)

    def _rates(self, named: NamedModel, word: str) -> tuple[float, ...] | Inferred:
        name = named.name
        names, example = _RATES.get(name, ((), ""))
        start = self.at
        if not names:
            if self._next() == "{":
                raise self._error(f"{word} has no rates to give: leave the braces out")
            return ()
        if self._without_values():
            return INFERRED
        what = f"rate{'s' * (len(names) > 1)} {', '.join(names)}"
        self._require_values(f"{word} needs the {what}", word + example)
        values = self._values(what, lambda x: x <= _LARGEST_RATE, f"a rate must lie between 0 and {_LARGEST_RATE:g}")
        if self.separator == "/":
            return self._of_all_classes(values, named, start)
        if len(values) not in (len(names), len(names) + 1):
            raise self._error(
                f"{word} takes {len(names)} number{'s' * (len(names) > 1)} ({', '.join(names)}), "
                f"or one more for the other rates, not {len(values)}: for example {word}{example}",
                at=start,
            )
        if len(values) == len(names):
            return values
        if values[-1] == 0:
            raise self._error("the last rate is the one that the others are divided by: it must be positive", at=start)
        return tuple(x / values[-1] for x in values[:-1])

    def _part(self, name: str) -> None:
        start = self.at
        if self._next() != "+":
            raise self._error("expected '+' and a part such as +F, +I or +G4, or the end")
        self.at += 1
        word = self._word().upper()
        if word in _FREQUENCY_WORDS and (word != "FO" or self.infer or self._next() == "{"):
            self._once("frequencies", self.frequencies, start)
            if word == "FU":
                self._require_values(f"+FU needs the frequencies of {self._states[1]}", "+FU{0.3/0.2/0.2/0.3}")
            self.frequencies = self._frequencies(_FREQUENCY_WORDS[word], name, start)
        elif word in ("I", "IU") or (word == "IO" and self.infer):
            self._once("proportion of invariant sites", self.proportion, start)
            if self._without_values():
                self.proportion = INFERRED
                return
            self._require_values("+I needs the proportion of invariant sites", "+I{0.2}")
            rule = "the proportion of invariant sites must be at least 0 and less than 1"
            self.proportion = self._one("proportion of invariant sites", lambda x: x < 1, rule)
        elif match := _GAMMA.fullmatch(word):
            self._once("gamma distribution of rates", self.gamma, start)
            self._once("distribution of rates", self.free_rates, start)
            self.gamma = self._gamma(word, "median" if "A" in (match[1], match[3]) else "mean", match[2], start)
        elif (match := _FREE_RATES.fullmatch(word)) is not None and self._next() == "{":
            self._once("distribution of rates", self.free_rates or self.gamma, start)
            self.free_rates = self._free_rates(match[1], start)
        elif match is not None and self.infer:
            self._once("distribution of rates", self.free_rates or self.gamma, start)
            self._inferred_rates(word, match[1], start)
        elif word in ("ASC", "ASC_LEWIS"):
            if self.ascertained:
                raise self._error("+ASC is said twice", at=start)
            self.ascertained = True
        else:
            hints = {
                "FO": "frequencies are not estimated: give them, +F{0.3,0.2,0.2,0.3}, or count them, +F",
                "ASC_FELS": "of RAxML-NG's corrections only +ASC_LEWIS, which is +ASC, is available",
                "ASC_STAM": "of RAxML-NG's corrections only +ASC_LEWIS, which is +ASC, is available",
                "R": "free rates are not available without their values, +R2{weight,rate,weight,rate}: use +G4",
            }
            known = "known are +F, +FQ, +I, +G and +GA (gamma, medians), +R and +ASC"
            hint = hints.get(word.rstrip("0123456789"), known)
            raise self._error(f"unknown part '+{word}': {hint}", at=start)

    def _inferred_rates(self, word: str, digits: str, start: int) -> None:
        n = int(digits.lstrip("0")[:5] or "0") if digits else 4
        if 2 <= n <= _MOST_FREE_RATES:
            self.free_rates = FreeRates(n)
        elif self.nearest:
            notice(f"model {self.text}: +{word} cannot be inferred, +G4 (a gamma distribution) is in its place")
            self.gamma = GammaSpecification(shape=INFERRED)
        else:
            raise self._error(f"+R takes 2 to {_MOST_FREE_RATES} categories to infer, not {digits[:20]}", at=start)

    @property
    def _states(self) -> tuple[int, str]:
        return _STATES[self.data_type]

    def _frequencies(self, word: str, name: str, start: int) -> FrequencyWord | tuple[float, ...]:
        if word == "FQ":
            if self._next() == "{":
                raise self._error("+FQ means equal frequencies: leave the braces out, or write +F{...}")
            return "equal"
        if name == "MK":
            raise self._error("MK has equal frequencies: for two states with others use GTR2", at=start)
        if word == "FO" and self._next() != "{":
            if name in WITH_FREQUENCIES:
                raise self._error(f"{name} has equal frequencies: to infer them use {WITH_FREQUENCIES[name]}", at=start)
            return INFERRED
        if name in WITH_FREQUENCIES:
            raise self._error(f"{name} has equal frequencies: for others use {WITH_FREQUENCIES[name]}", at=start)
        if self._next() != "{":
            return "empirical"
        at = self.at
        n, states = self._states
        values = self._values(f"frequencies of {states}", lambda x: 0 < x < 1, "a frequency must lie between 0 and 1")
        if len(values) != n:
            raise self._error(f"+F takes the {n} frequencies of {states}, not {len(values)}", at=at)
        total = sum(values)
        # IQ-TREE's rule: rounded frequencies are made to sum to 1
        if abs(total - 1) >= _FREQUENCY_SLACK - 1e-12:
            raise self._error(f"the frequencies sum to {total:.6g}, not to 1", at=at)
        return values if total == 1 else tuple(x / total for x in values)

    def _gamma(self, word: str, discretisation: Discretisation, digits: str, start: int) -> GammaSpecification:
        # leading zeros aside, more than four digits are too many
        n_categories = int(digits.lstrip("0")[:5] or "0") if digits else 4
        if not 1 <= n_categories <= _MOST_CATEGORIES:
            raise self._error(f"+G takes 1 to {_MOST_CATEGORIES} categories, not {digits[:20]}", at=start)
        if self._without_values():
            return GammaSpecification(shape=INFERRED, n_categories=n_categories, discretisation=discretisation)
        self._require_values(f"+{word} needs the shape of the gamma distribution", f"+{word}{{0.5}}")
        rule = f"the shape of the gamma distribution must lie between {SMALLEST_SHAPE:g} and {LARGEST_SHAPE:g}"
        shape = self._one("shape of the gamma distribution", lambda x: SMALLEST_SHAPE <= x <= LARGEST_SHAPE, rule)
        return GammaSpecification(shape=shape, n_categories=n_categories, discretisation=discretisation)

    def _free_rates(self, digits: str, start: int) -> tuple[tuple[float, float], ...]:
        """(weight, rate) of each category: IQ-TREE has them in pairs, RAxML-NG all rates and then all weights."""
        rule = f"weights and rates must lie between 0 and {_LARGEST_RATE:g}"
        values = self._values("weights and rates", lambda x: x <= _LARGEST_RATE, rule)
        if self._next() == "{":
            weights = self._values("weights", lambda x: x <= _LARGEST_RATE, rule)
            values = tuple(x for pair in zip(weights, values, strict=False) for x in pair)
            if len(values) != 2 * len(weights):
                raise self._error("+R needs as many weights as rates", at=start)
        n = len(values) // 2
        if len(values) % 2 or (digits and digits.lstrip("0") != str(n)) or n > _MOST_CATEGORIES:
            raise self._error(
                f"+R{digits[:20]} takes a weight and a rate for each category, not {len(values)} numbers", at=start
            )
        total = sum(values[::2])
        mean = sum(w * r for w, r in zip(values[::2], values[1::2], strict=True))
        if total <= 0 or mean <= 0:
            raise self._error("some category must have a positive weight and rate", at=start)
        return tuple((w / total, r * total / mean) for w, r in zip(values[::2], values[1::2], strict=True))

    def _once(self, what: str, value: object, start: int) -> None:
        if value is not None:
            raise self._error(f"the {what} is given twice", at=start)

    def _without_values(self) -> bool:
        """Whether values are left out, and may be."""
        return self.infer and self._next() != "{"

    def _require_values(self, need: str, example: str) -> None:
        if self._next() != "{":
            raise self._error(f"{need} in braces: for example {example}")

    def _one(self, what: str, allowed: Callable[[float], bool], rule: str) -> float:
        at = self.at
        values = self._values(what, allowed, rule)
        if len(values) != 1:
            raise self._error(f"the {what} is one number, not {len(values)}", at=at)
        return values[0]

    def _values(self, what: str, allowed: Callable[[float], bool], rule: str) -> tuple[float, ...]:
        """Numbers between braces, separated by commas, with spaces wherever they stand between."""
        values = []
        self.separator = ","
        while True:
            self.at += 1  # past the brace or the comma
            self._spaces()
            match = _NUMBER.match(self.text, self.at)
            if match is None:
                raise self._error(f"expected a number ({what}), such as 0.5")
            value = float(match[0])
            if not allowed(value):
                raise self._error(f"{rule}, not {match[0]}")
            values.append(value)
            self.at = match.end()
            self._spaces()
            if self._next() == "}":
                self.at += 1
                return tuple(values)
            if self._next() not in (",", "/") or (len(values) > 1 and self._next() != self.separator):
                raise self._error("expected ',' and another number, or '}'")
            self.separator = self._next()

    def _spaces(self) -> None:
        while self._next() == " ":
            self.at += 1

    def _next(self) -> str:
        return self.text[self.at : self.at + 1]

    def _word(self) -> str:
        match = _WORD.match(self.text, self.at)
        assert match is not None  # it matches the empty word
        self.at = match.end()
        return match[0]

    def _error(self, message: str, *, at: int | None = None) -> ConfigError:
        """The message, and the string with '^' before the character where it goes wrong."""
        position = self.at if at is None else at
        before, after = self.text[:position], self.text[position:]
        left = "..." * (len(before) > _EXCERPT) + before[-_EXCERPT:]
        right = after[:_EXCERPT] + "..." * (len(after) > _EXCERPT)
        excerpt = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in f"{left}^{right}")
        return ConfigError(f"model string, character {position + 1}, at the ^ in {excerpt} : {message}")
