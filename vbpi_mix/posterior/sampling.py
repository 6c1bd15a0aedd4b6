"""Posterior draws from a trained mixture."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from vbpi_mix.evaluate.sampling import WeightedTrees, draw_batches
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.train import torch_threads
from vbpi_mix.variational import PhyloProblem


def draw_posterior(
    problem: PhyloProblem,
    taxa: Sequence[str],
    *,
    n_particles: int,
    n_repeats: int,
    generator: torch.Generator,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[PosteriorDraws, np.ndarray]:
    """Draw R * A * K weighted trees, the same number from every component.

    Where the components weigh differently, the draws count for more or less accordingly.

    Arguments:
        problem: target and mixture.
        taxa: names of its taxa.
        n_particles: K draws per component and repeat.
        n_repeats: R.
        generator: source of the draws.
        on_progress: called with (repeats done, R).

    Returns:
        The draws, and log p(x, tree) - log q_mix(tree) as (R, A, K) for `evaluate.evaluate_log_weights`.
    """
    children, lengths, components, weights = [], [], [], []
    log_strata = problem.mixture.log_strata[:, None]

    def keep(batch: WeightedTrees) -> None:
        children.append(batch.trees.encoded.topologies.children)
        lengths.append(batch.trees.log_lengths.exp().numpy())
        components.append(batch.trees.component_of_tree.numpy())
        weights.append((batch.log_weights + log_strata).reshape(-1).numpy())

    with torch_threads(1):
        by_repeat = draw_batches(
            problem,
            n_particles=n_particles,
            n_repeats=n_repeats,
            generator=generator,
            use=keep,
            on_progress=on_progress,
        )
    draws = PosteriorDraws(
        taxa=tuple(taxa),
        topologies=TopologyBatch(np.concatenate(children)),
        branch_lengths=np.concatenate(lengths),
        log_weights=np.concatenate(weights),
        components=np.concatenate(components),
    )
    return draws, by_repeat
