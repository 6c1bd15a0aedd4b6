"""Trees drawn from a trained mixture together with their importance weights."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.estimators import all_components
from vbpi_mix.variational import PhyloProblem, TreeDraws

_LARGEST_BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class WeightedTrees:
    """A * K trees, the K of each component next to each other, and log w = log p(x, z) - log q_mix(z) as (A, K).

    q_mix has the mixture's component weights, the draws have not: what they count for as one sample of q_mix differs
    from w by the factors of `PhyloMixture.log_strata`.
    """

    trees: TreeDraws
    log_weights: Tensor


@torch.no_grad()
def draw_weighted(problem: PhyloProblem, n_particles: int, generator: torch.Generator) -> WeightedTrees:
    """Draw K trees from every component and weigh them against the whole mixture (inverse temperature 1)."""
    plan = all_components(problem.n_components)
    trees = problem.mixture.draw(plan, n_particles, generator)
    log_likelihood, log_prior = problem.log_densities(trees)
    log_w = (log_likelihood + log_prior - problem.mixture.mixed(trees.log_q)).reshape(problem.n_components, n_particles)
    return WeightedTrees(trees=trees, log_weights=log_w)


def draw_batches(
    problem: PhyloProblem,
    *,
    n_particles: int,
    n_repeats: int,
    generator: torch.Generator,
    use: Callable[[WeightedTrees], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """(R, A, K) log importance weights of independent draws, in bounded memory.

    Arguments:
        problem: target and mixture.
        n_particles: K draws per component and repeat.
        n_repeats: R.
        generator: source of the draws.
        use: called with every batch of trees, for what else is to be made of them.
        on_progress: called with (repeats done, R).
    """
    log_weights = np.empty((n_repeats, problem.n_components, n_particles))
    for repeat in range(n_repeats):
        for first in range(0, n_particles, _LARGEST_BATCH):
            last = min(first + _LARGEST_BATCH, n_particles)
            batch = draw_weighted(problem, last - first, generator)
            log_weights[repeat, :, first:last] = batch.log_weights.numpy()
            if use is not None:
                use(batch)
        if on_progress is not None:
            on_progress(repeat + 1, n_repeats)
    return log_weights
