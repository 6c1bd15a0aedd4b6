"""Posterior draws from a trained mixture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.evaluate.sampling import BATCH_SIZE, WeightedTrees, draw_batches, draw_weighted, spans
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.weighted_sample import WeightedSample
from vbpi_mix.threads import torch_threads
from vbpi_mix.variational import Allocation, PhyloProblem, TreeDraws

OnProgress = Callable[[int, int], None]


def draw_posterior(
    problem: PhyloProblem,
    taxa: Sequence[str],
    *,
    n_particles: int,
    n_repeats: int,
    generator: torch.Generator,
    on_progress: OnProgress | None = None,
    until: float | None = None,
    batch_size: int = BATCH_SIZE,
) -> WeightedSample:
    """Draw R * A * K weighted trees.

    Posterior draws are made in proportion to the components' weights. Where these are equal, they are also what
    bounds and evidence are estimated from; where they are not, that takes as many draws again, K of each component.

    Arguments:
        problem: target and mixture.
        taxa: names of its taxa.
        n_particles: K draws per component (on average, where they weigh differently) and repeat.
        n_repeats: R.
        generator: source of the draws.
        on_progress: called with (repeats done, R), or with twice that.
        until: `time.perf_counter()` at which to end early.
        batch_size: Most particles of a component in a batch.
    """
    gathered = _Gathered(problem)
    component_weights = problem.mixture.component_weights
    equal = component_weights is None
    with torch_threads(1):
        by_repeat = draw_batches(
            problem,
            n_particles=n_particles,
            n_repeats=n_repeats,
            generator=generator,
            use=partial(gathered.add, log_strata=problem.mixture.log_strata) if equal else None,
            on_progress=on_progress if equal else half(on_progress, 0),
            until=until,
            batch_size=batch_size,
        )
    if equal:
        return WeightedSample(draws=gathered.draws(taxa), log_weights=by_repeat)
    draws = draw_trees(
        problem,
        taxa,
        n_particles=n_particles,
        n_repeats=len(by_repeat),
        generator=generator,
        on_progress=half(on_progress, 1),
        batch_size=batch_size,
    )
    return WeightedSample(draws=draws, log_weights=by_repeat, component_weights=component_weights)


def draw_trees(
    problem: PhyloProblem,
    taxa: Sequence[str],
    *,
    n_particles: int,
    n_repeats: int,
    generator: torch.Generator,
    on_progress: OnProgress | None = None,
    batch_size: int = BATCH_SIZE,
) -> PosteriorDraws:
    """The draws of `draw_posterior` alone: R * K of each component on average, in proportion to its weight."""
    allocation = Allocation(problem.mixture, n_particles * n_repeats)
    gathered = _Gathered(problem)
    with torch_threads(1):
        for repeat in range(n_repeats):
            for first, last in spans(n_particles, batch_size):
                counts = allocation.counts(repeat * n_particles + first, repeat * n_particles + last)
                gathered.add(draw_weighted(problem, counts, generator), allocation.log_strata)
            if on_progress is not None:
                on_progress(repeat + 1, n_repeats)
    return gathered.draws(taxa)


def half(on_progress: OnProgress | None, number: int) -> OnProgress | None:
    """Progress of one of two passes as that of both."""
    return None if on_progress is None else lambda done, total: on_progress(done + number * total, 2 * total)


@torch.no_grad()
def parameter_values(problem: PhyloProblem, trees: TreeDraws) -> np.ndarray:
    """(T, n) values of the substitution model's parameters that were drawn with the trees."""
    return problem.model.parameters.values(trees.parameters).numpy()


@dataclass
class _Gathered:
    """Columns of draws, batch by batch."""

    problem: PhyloProblem
    children: list[np.ndarray] = field(default_factory=list)
    lengths: list[np.ndarray] = field(default_factory=list)
    components: list[np.ndarray] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    parameters: list[np.ndarray] = field(default_factory=list)

    def add(self, batch: WeightedTrees, log_strata: Tensor) -> None:
        self.children.append(batch.trees.encoded.topologies.children)
        self.lengths.append(batch.trees.log_lengths.exp().numpy())
        self.components.append(batch.trees.component_of_tree.numpy())
        self.weights.append(batch.mixture_log_weights(log_strata).numpy())
        self.parameters.append(parameter_values(self.problem, batch.trees))

    def draws(self, taxa: Sequence[str]) -> PosteriorDraws:
        return PosteriorDraws(
            taxa=tuple(taxa),
            topologies=TopologyBatch(np.concatenate(self.children)),
            branch_lengths=np.concatenate(self.lengths),
            log_weights=np.concatenate(self.weights),
            components=np.concatenate(self.components),
            parameters=np.concatenate(self.parameters),
            parameter_names=self.problem.model.parameters.names,
        )
