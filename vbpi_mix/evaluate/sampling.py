"""Trees drawn from a trained mixture together with their importance weights."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.clock import time_is_up
from vbpi_mix.estimators import all_components
from vbpi_mix.variational import PhyloProblem, TreeDraws

BATCH_SIZE = 1000
_FEWEST_REPEATS = 2


@dataclass(frozen=True, kw_only=True)
class WeightedTrees:
    """T trees, those of each component next to each other, and log w = log p(x, z) - log q_mix(z) as (T,)."""

    trees: TreeDraws
    log_weights: Tensor

    def mixture_log_weights(self, log_strata: Tensor) -> Tensor:
        """(T,) log weights of the trees as draws of the mixture, whatever the number drawn of each component.

        Arguments:
            log_strata: (A,) log of what a draw of each component counts for.
        """
        return self.log_weights + log_strata[self.trees.component_of_tree]


@torch.no_grad()
def draw_weighted(problem: PhyloProblem, n_particles: int | Tensor, generator: torch.Generator) -> WeightedTrees:
    """Draw K trees, or (A,) different numbers, of the components and weigh them against the whole mixture."""
    trees = problem.mixture.draw(all_components(problem.n_components), n_particles, generator)
    log_likelihood, log_prior = problem.log_densities(trees)
    return WeightedTrees(trees=trees, log_weights=log_likelihood + log_prior - problem.mixture.mixed(trees.log_q))


def spans(n_particles: int, batch_size: int = BATCH_SIZE) -> Iterator[tuple[int, int]]:
    """First and last + 1 of batches of particles that fit into memory."""
    for first in range(0, n_particles, batch_size):
        yield first, min(first + batch_size, n_particles)


def draw_batches(
    problem: PhyloProblem,
    *,
    n_particles: int,
    n_repeats: int,
    generator: torch.Generator,
    use: Callable[[WeightedTrees], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    until: float | None = None,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """(R, A, K) log importance weights of independent draws, in bounded memory.

    As many of each component, whatever their weights: bounds and evidence are sums over components of means over the
    draws of each.

    Arguments:
        problem: target and mixture.
        n_particles: K draws per component and repeat.
        n_repeats: R.
        generator: source of the draws.
        use: called with every batch of trees, for what else is to be made of them.
        on_progress: called with (repeats done, R).
        until: `time.perf_counter()` at which to end after fewer repeats, two at least.
        batch_size: Most particles of a component in a batch.
    """
    log_weights = np.empty((n_repeats, problem.n_components, n_particles))
    for repeat in range(n_repeats):
        for first, last in spans(n_particles, batch_size):
            batch = draw_weighted(problem, last - first, generator)
            log_weights[repeat, :, first:last] = batch.log_weights.reshape(problem.n_components, -1).numpy()
            if use is not None:
                use(batch)
        if on_progress is not None:
            on_progress(repeat + 1, n_repeats)
        if repeat + 1 >= _FEWEST_REPEATS and time_is_up(until):
            return log_weights[: repeat + 1]
    return log_weights
