"""Priors of a substitution model's parameters, as densities of unconstrained coordinates."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from typing import TypeAlias

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError

_TEXT = re.compile(r"\s*([a-z]+)\s*\(\s*([^()]*)\)\s*", re.ASCII)


@dataclass(frozen=True)
class Dirichlet:
    """Shares s of a whole, s = softmax(u_1, ..., u_(n-1), 0).

    Arguments:
        concentration: one number for all shares, or one for each.
    """

    concentration: tuple[float, ...] = (1.0,)

    def log_prob(self, shares: Tensor) -> Tensor:
        """(T,) log density of the coordinates of shares (T, n): the Jacobian of softmax is their product."""
        n = shares.shape[-1]
        a = self._of(n)
        constant = math.lgamma(sum(a)) - sum(math.lgamma(x) for x in a)
        return constant + shares.log() @ shares.new_tensor(a)

    def check(self, n: int, what: str) -> None:
        """Raise ConfigError unless there is a number for each of n shares."""
        if len(self.concentration) not in (1, n):
            raise ConfigError(f"the prior dirichlet of the {what} takes 1 number or {n}, not {len(self.concentration)}")

    def _of(self, n: int) -> tuple[float, ...]:
        return self.concentration * n if len(self.concentration) == 1 else self.concentration

    def __str__(self) -> str:
        return _text("dirichlet", *self.concentration)


@dataclass(frozen=True)
class Beta:
    """A share x = 1 / (1 + exp(-u)); beta(1,1) is the uniform distribution."""

    a: float = 1.0
    b: float = 1.0

    def log_prob(self, u: Tensor) -> Tensor:
        """(T,) log density of coordinates (T,)."""
        constant = math.lgamma(self.a + self.b) - math.lgamma(self.a) - math.lgamma(self.b)
        log = torch.nn.functional.logsigmoid
        return constant + self.a * log(u) + self.b * log(-u)

    def __str__(self) -> str:
        return _text("beta", self.a, self.b)


@dataclass(frozen=True)
class Exponential:
    """A positive number x = exp(u)."""

    rate: float = 1.0

    def log_prob(self, u: Tensor) -> Tensor:
        """(T,) log density of coordinates (T,)."""
        return math.log(self.rate) + u - self.rate * u.exp()

    def __str__(self) -> str:
        return _text("exponential", self.rate)


@dataclass(frozen=True)
class Gamma:
    """A positive number x = exp(u), with mean shape / rate."""

    shape: float
    rate: float

    def log_prob(self, u: Tensor) -> Tensor:
        """(T,) log density of coordinates (T,)."""
        constant = self.shape * math.log(self.rate) - math.lgamma(self.shape)
        return constant + self.shape * u - self.rate * u.exp()

    def __str__(self) -> str:
        return _text("gamma", self.shape, self.rate)


@dataclass(frozen=True)
class LogNormal:
    """A positive number x = exp(u), u normal with this mean and standard deviation."""

    mean: float
    sd: float

    def log_prob(self, u: Tensor) -> Tensor:
        """(T,) log density of coordinates (T,)."""
        return -0.5 * ((u - self.mean) / self.sd) ** 2 - math.log(self.sd) - 0.5 * math.log(2 * math.pi)

    def __str__(self) -> str:
        return _text("lognormal", self.mean, self.sd)


PositivePrior: TypeAlias = Exponential | Gamma | LogNormal


@dataclass(frozen=True, kw_only=True)
class ParameterPriors:
    """Priors by what they are priors of; the defaults are MrBayes's.

    Arguments:
        exchangeabilities: shares of A-C, A-G, A-T, C-G, C-T, G-T in their sum (GTR), or of the distinct ones (TN93:
            A-G, C-T and the others).
        ratio: share kappa / (1 + kappa) of the transition rate (K80, HKY85).
        frequencies: frequencies of the states.
        shape: shape of the gamma distribution of site rates.
        invariant: proportion of invariant sites.
        multipliers: rate multipliers of partitions, each times its share of the sites.
        free_weights: weights of free rates (+R); one number for all.
        free_rates: shares of the categories in the rate of all sites, weight times rate (+R); one number for all.

    Where some exchangeabilities are equal, the prior is one of the distinct ones' shares in the sum of these. MrBayes
    has neither such models nor free rates.

    References:
        Ronquist et al., MrBayes 3.2, Systematic Biology 61, 2012, and its manual (revmatpr, tratiopr, statefreqpr,
        shapepr, pinvarpr, ratepr).
    """

    exchangeabilities: Dirichlet = field(default_factory=Dirichlet)
    ratio: Beta = field(default_factory=Beta)
    frequencies: Dirichlet = field(default_factory=Dirichlet)
    shape: PositivePrior = field(default_factory=Exponential)
    invariant: Beta = field(default_factory=Beta)
    multipliers: Dirichlet = field(default_factory=Dirichlet)
    free_weights: Dirichlet = field(default_factory=Dirichlet)
    free_rates: Dirichlet = field(default_factory=Dirichlet)

    def describe(self) -> dict[str, str]:
        """Distributions by name."""
        return {f.name: str(getattr(self, f.name)) for f in fields(self)}


_KINDS = {
    "exchangeabilities": ("dirichlet",),
    "ratio": ("beta", "uniform"),
    "frequencies": ("dirichlet",),
    "shape": ("exponential", "gamma", "lognormal"),
    "invariant": ("beta", "uniform"),
    "multipliers": ("dirichlet",),
    "free_weights": ("dirichlet",),
    "free_rates": ("dirichlet",),
}


def parse_priors(texts: Iterable[str]) -> ParameterPriors:
    """Read NAME=DISTRIBUTION(NUMBERS), such as shape=exponential(1); what is not named keeps its default.

    Names are those of `ParameterPriors`. Distributions: dirichlet(a) or dirichlet(a,b,...), beta(a,b),
    uniform(0,1), exponential(rate), gamma(shape,rate), lognormal(mean,sd of the logarithm).

    Raises:
        ConfigError: anything else.
    """
    priors = ParameterPriors()
    seen = set()
    for text in texts:
        name, equals, rest = text.partition("=")
        name = name.strip()
        if not equals or name not in _KINDS:
            raise ConfigError(f"prior '{text}': expected NAME=DISTRIBUTION with NAME one of {', '.join(_KINDS)}")
        if name in seen:
            raise ConfigError(f"prior '{text}': the prior of {name} is given twice")
        seen.add(name)
        priors = replace(priors, **{name: _distribution(text, name, rest)})
    return priors


def _distribution(text: str, name: str, rest: str) -> Dirichlet | Beta | PositivePrior:
    kinds = _KINDS[name]
    match = _TEXT.fullmatch(rest.lower())
    if match is None or match[1] not in kinds:
        raise ConfigError(f"prior '{text}': expected {' or '.join(f'{k}(...)' for k in kinds)} after '{name}='")
    kind, numbers = match[1], _numbers(text, match[2])
    wanted = {"dirichlet": None, "exponential": 1}.get(kind, 2)
    if wanted is not None and len(numbers) != wanted:
        raise ConfigError(f"prior '{text}': {kind} takes {wanted} number{'s' * (wanted > 1)}, not {len(numbers)}")
    if kind == "uniform":
        if numbers != (0.0, 1.0):
            raise ConfigError(f"prior '{text}': only uniform(0,1) is possible here; for others use beta(a,b)")
        return Beta()
    if not all(x > 0 for x in (numbers[1:] if kind == "lognormal" else numbers)):
        raise ConfigError(f"prior '{text}': its numbers must be positive")
    if kind == "dirichlet":
        return Dirichlet(numbers)
    if kind == "beta":
        return Beta(*numbers)
    if kind == "exponential":
        return Exponential(*numbers)
    return Gamma(*numbers) if kind == "gamma" else LogNormal(*numbers)


def _numbers(text: str, listed: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(x) for x in listed.split(","))
    except ValueError as error:
        raise ConfigError(f"prior '{text}': expected numbers separated by commas in the brackets") from error
    if not all(math.isfinite(x) for x in numbers):
        raise ConfigError(f"prior '{text}': its numbers must be finite")
    return numbers


def _text(name: str, *numbers: float) -> str:
    return f"{name}({','.join(repr(float(x)).removesuffix('.0') for x in numbers)})"
