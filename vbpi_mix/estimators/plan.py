"""Choice of the components that draw in a step, and of those that evaluate the draws."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import torch
from torch import Tensor

from vbpi_mix.errors import ConfigError

Estimator = Literal["a2a", "s2a", "s2s"]


@dataclass(frozen=True, kw_only=True)
class ComponentPlan:
    """The components of one step; the whole difference between A2A, S2A and S2S.

    Arguments:
        sampled: (S,) int64 distinct components that particles are drawn from, ascending.
        evaluated: (M,) int64 distinct components in the mixture density, ascending, holding all of `sampled`.
        n_components: A.
    """

    sampled: Tensor
    evaluated: Tensor
    n_components: int

    def __post_init__(self) -> None:
        for name, index in (("sampled", self.sampled), ("evaluated", self.evaluated)):
            ascending = index.ndim == 1 and index.numel() > 0 and bool((index[1:] > index[:-1]).all())
            if not ascending or int(index[0]) < 0 or int(index[-1]) >= self.n_components:
                raise ConfigError(f"{name} components must be distinct, ascending and below {self.n_components}")
        if not bool(torch.isin(self.sampled, self.evaluated).all()):
            raise ConfigError("every sampled component must be among the evaluated ones")

    @property
    def n_sampled(self) -> int:
        return self.sampled.numel()

    @property
    def n_evaluated(self) -> int:
        return self.evaluated.numel()

    def sampled_positions(self) -> Tensor:
        """(S,) positions of the sampled components among the evaluated ones."""
        return torch.searchsorted(self.evaluated, self.sampled)


@lru_cache(maxsize=64)
def all_components(n_components: int) -> ComponentPlan:
    """Every component sampled and evaluated (A2A, and every evaluation after training)."""
    everything = torch.arange(n_components)
    return ComponentPlan(sampled=everything, evaluated=everything, n_components=n_components)


def check_estimator(estimator: str, *, n_components: int, n_sampled: int) -> None:
    """Raise ConfigError unless the estimator exists and 1 <= S <= A (S = A for A2A)."""
    if estimator not in get_args(Estimator):
        raise ConfigError(f"unknown estimator '{estimator}': choose one of {', '.join(get_args(Estimator))}")
    if n_components < 1:
        raise ConfigError(f"a mixture needs at least one component, not {n_components}")
    if not 1 <= n_sampled <= n_components:
        raise ConfigError(f"cannot sample {n_sampled} of {n_components} components: choose 1 to {n_components}")
    if estimator == "a2a" and n_sampled != n_components:
        raise ConfigError(
            f"a2a samples all {n_components} components, not {n_sampled}: choose s2a or s2s, or leave the number out"
        )


def plan_of_subset(estimator: Estimator, sampled: Tensor, n_components: int) -> ComponentPlan:
    """The plan that evaluates a given subset: under itself (S2S) or under every component (A2A, S2A)."""
    evaluated = sampled if estimator == "s2s" else torch.arange(n_components)
    return ComponentPlan(sampled=sampled, evaluated=evaluated, n_components=n_components)


def draw_plan(estimator: Estimator, *, n_components: int, n_sampled: int, generator: torch.Generator) -> ComponentPlan:
    """Draw S of the A components uniformly without replacement (Hotti et al. 2024, Eq. 9).

    Nothing is drawn from the generator when S = A, so the three estimators then give equal runs.
    """
    if n_sampled == n_components:
        return all_components(n_components)
    order = torch.randperm(n_components, generator=generator)
    return plan_of_subset(estimator, order[:n_sampled].sort().values, n_components)
