"""Priors of branch lengths and topologies."""

import math
import re
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError
from vbpi_mix.phylo import log_n_topologies


class BranchPrior(Protocol):
    """A density of the E branch lengths of a topology."""

    def log_prob(self, branch_lengths: Tensor) -> Tensor:
        """(T,) log density of lengths (T, E), which must not be negative."""
        ...

    def hessian(self, branch_lengths: Tensor) -> Tensor | None:
        """(T, E, E) second derivatives of the log density; None if they are zero."""
        ...

    def mean_rate(self, n_edges: int) -> float:
        """One over the mean of a branch length."""
        ...


@dataclass(frozen=True)
class ExponentialBranchPrior:
    """Independent exponential branch lengths with mean 1 / rate.

    Raises:
        ConfigError: a rate that is not finite and positive.
    """

    rate: float = 10.0

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf:
            raise ConfigError(f"the rate of the branch-length prior is {self.rate}: it must be finite and positive")

    def log_prob(self, branch_lengths: Tensor) -> Tensor:
        return branch_lengths.shape[-1] * math.log(self.rate) - self.rate * branch_lengths.sum(dim=-1)

    def hessian(self, branch_lengths: Tensor) -> None:
        del branch_lengths

    def mean_rate(self, n_edges: int) -> float:
        del n_edges
        return self.rate

    def __str__(self) -> str:
        return f"exponential({_plain(self.rate)})"


@dataclass(frozen=True)
class GammaDirichletBranchPrior:
    """The compound Dirichlet prior: tree length T ~ Gamma(shape, rate), the lengths' shares of it ~ Dirichlet.

    The shares have concentration a at the N tips and a c at the N - 3 inner branches, so c is the prior mean of an
    inner branch relative to one at a tip. With independent exponentials the tree length has a strong prior, with
    this one it does not.

    Arguments:
        shape, rate: of the tree length's gamma distribution; its mean is shape / rate.
        concentration: a.
        inner: c.

    Raises:
        ConfigError: numbers that are not finite and positive.

    References:
        Rannala, Zhu and Yang, Tail paradox, partial identifiability, and influential priors in Bayesian branch length
        inference, Molecular Biology and Evolution 29, 2012, Eq. 36.
    """

    shape: float = 1.0
    rate: float = 0.1
    concentration: float = 1.0
    inner: float = 1.0

    def __post_init__(self) -> None:
        for name in ("shape", "rate", "concentration", "inner"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"gammadir: {name} is {getattr(self, name)}: it must be finite and positive")

    def log_prob(self, branch_lengths: Tensor) -> Tensor:
        a = self._concentrations(branch_lengths)
        total = branch_lengths.sum(dim=-1)
        constant = self.shape * math.log(self.rate) - math.lgamma(self.shape)
        constant += float(torch.lgamma(a.sum()) - torch.lgamma(a).sum())
        of_total = (self.shape - float(a.sum())) * total.log() - self.rate * total
        shaped = a != 1  # no power of the others, so that lengths of zero do no harm there
        of_shares = branch_lengths[..., shaped].log() @ (a[shaped] - 1)
        return constant + of_total + of_shares

    def hessian(self, branch_lengths: Tensor) -> Tensor:
        a = self._concentrations(branch_lengths)
        total = branch_lengths.sum(dim=-1)
        common = (float(a.sum()) - self.shape) / total**2
        diagonal = torch.where(a == 1, 0.0, (1 - a) / branch_lengths**2)
        return common[:, None, None] + torch.diag_embed(diagonal)

    def mean_rate(self, n_edges: int) -> float:
        return n_edges * self.rate / self.shape

    def _concentrations(self, branch_lengths: Tensor) -> Tensor:
        n_edges = branch_lengths.shape[-1]
        a = branch_lengths.new_full((n_edges,), self.concentration)
        a[(n_edges + 3) // 2 :] *= self.inner  # edges of tips come first
        return a

    def __str__(self) -> str:
        numbers = (self.shape, self.rate, self.concentration, self.inner)
        return f"gammadir({','.join(map(_plain, numbers))})"


def parse_branch_prior(text: str, rate: float) -> BranchPrior:
    """Read exponential (with this rate), exponential(RATE), or gammadir(shape,rate,concentration,inner) as in MrBayes.

    Raises:
        ConfigError: anything else.
    """
    word = text.strip().lower()
    if word == "exponential":
        return ExponentialBranchPrior(rate)
    if word == "gammadir":
        return GammaDirichletBranchPrior()
    match = re.fullmatch(r"(exponential|gammadir)\s*\(([^()]*)\)", word)
    try:
        numbers = [] if match is None else [float(x) for x in match[2].split(",")]
    except ValueError:
        numbers = []
    if match is not None and match[1] == "exponential" and len(numbers) == 1:
        return ExponentialBranchPrior(*numbers)
    if match is not None and match[1] == "gammadir" and len(numbers) == 4:
        return GammaDirichletBranchPrior(*numbers)
    raise ConfigError(
        f"unknown branch-length prior '{text}': expected exponential(10), or gammadir(1,0.1,1,1) with shape and rate "
        "of the tree length, the concentration of its shares, and the inner branches' relative to the others"
    )


def log_topology_prior(n_taxa: int) -> float:
    """-log (2N-5)!!, the uniform prior over unrooted binary topologies."""
    return -log_n_topologies(n_taxa)


def _plain(x: float) -> str:
    return repr(float(x)).removesuffix(".0")
