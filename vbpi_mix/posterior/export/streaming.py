"""Any number of posterior trees from a trained mixture, in memory that does not grow with their number.

Resampling needs the sum of all importance weights before the first tree can be chosen. So the draws are made twice with
the same random numbers: the first time only their weights are kept, on disk, the second time the chosen trees.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from vbpi_mix.errors import InputError, NumericalError
from vbpi_mix.estimators import all_components
from vbpi_mix.evaluate.sampling import WeightedTrees
from vbpi_mix.posterior.export.spool import Spool, TreeSpool
from vbpi_mix.posterior.export.tree_stream import TreeStream
from vbpi_mix.posterior.sampling import OnProgress, half, parameter_values
from vbpi_mix.seeding import numpy_generator, torch_generator
from vbpi_mix.threads import torch_threads
from vbpi_mix.variational import Allocation, PhyloProblem, TreeDraws

_DRAWS_AT_ONCE = 1000  # per component, on average


@dataclass
class _Weights:
    """Sums of importance weights w and of their squares, in logarithms, and where the last positive one is."""

    log_sum: float = -math.inf
    log_square_sum: float = -math.inf
    largest: float = -math.inf
    last_positive: int = -1
    count: int = 0

    def add(self, log_weights: np.ndarray) -> None:
        bad = np.isnan(log_weights) | (log_weights == np.inf)
        if bad.any():
            raise NumericalError(
                f"the log importance weight of draw {self.count + int(bad.argmax())} is NaN or +inf: the model or the "
                "approximation gave no finite density there"
            )
        positive = np.flatnonzero(log_weights > -np.inf)
        if len(positive):
            self.last_positive = self.count + int(positive[-1])
            self.largest = max(self.largest, float(log_weights.max()))
            self.log_sum = float(np.logaddexp(self.log_sum, np.logaddexp.reduce(log_weights)))
            self.log_square_sum = float(np.logaddexp(self.log_square_sum, np.logaddexp.reduce(2 * log_weights)))
        self.count += len(log_weights)

    def effective_sample_size(self) -> float:
        if self.last_positive < 0:
            raise NumericalError("every importance weight is zero: the draws say nothing about the posterior")
        return math.exp(2 * self.log_sum - self.log_square_sum)


def stream_weighted(
    problem: PhyloProblem,
    taxa: Sequence[str],
    n_trees: int,
    *,
    seed: int,
    stream: int,
    folder: Path,
    on_progress: OnProgress | None = None,
) -> TreeStream:
    """Draws from the mixture, in proportion to the components' weights, with their importance weights.

    Arguments:
        problem: target and mixture.
        taxa: names of its taxa.
        n_trees: draws, rounded up to whole numbers from every component.
        seed: seed of the draws; equal seeds give equal trees.
        stream: number of the stream of random numbers, see `seeding`.
        folder: folder for a temporary file of about 24 N + 30 bytes a tree and 16 a parameter, gone when the result is.
        on_progress: called with (draws done, draws).

    Raises:
        InputError: n_trees below 1, or the folder cannot be written.
        NumericalError: a weight is NaN or +inf, or all are zero.
    """
    if n_trees < 1:
        raise InputError(f"cannot draw {n_trees} trees: ask for at least one")
    spool, weights = _spool(problem, folder, len(taxa)), _Weights()
    allocation = Allocation(problem.mixture, -(-n_trees // problem.n_components))
    for trees in _draws(problem, allocation, seed, stream, on_progress):
        scores = _scores(problem, trees, allocation)
        weights.add(scores[2])
        spool.append(**_columns(problem, trees, *scores))
    size = weights.effective_sample_size()
    names = problem.model.parameters.names
    return _stream(spool, taxa, names, weights, weighted=True, n_draws=weights.count, effective_sample_size=size)


def stream_resampled(
    problem: PhyloProblem,
    taxa: Sequence[str],
    n_trees: int,
    *,
    oversampling: int = 20,
    seed: int,
    stream: int,
    folder: Path,
    on_progress: OnProgress | None = None,
    block_size: int = 32_768,
) -> TreeStream:
    """Equally weighted posterior trees, by systematic sampling-importance-resampling.

    A draw of normalised weight w is taken floor(n w) or ceil(n w) times, n w times in expectation. The order is random
    within blocks of trees, which are draws made one after the other: copies of one draw stay in one block.

    Arguments:
        problem: target and mixture.
        taxa: names of its taxa.
        n_trees: n, the trees wanted.
        oversampling: draws from the mixture per tree wanted.
        seed: seed of draws and resampling; equal seeds give equal trees.
        stream: number of the stream of random numbers, see `seeding`.
        folder: folder for temporary files, of 8 bytes a draw, about 24 N + 30 a tree and 16 a parameter of each, gone
            when the result is.
        on_progress: called with (draws done, draws), the draws of both passes.
        block_size: Number of trees in a block.

    Raises:
        InputError: n_trees or oversampling below 1, or the folder cannot be written.
        NumericalError: a weight is NaN or +inf, or all are zero, or the second pass drew other trees than the first.
    """
    if n_trees < 1 or oversampling < 1:
        raise InputError(f"cannot resample {n_trees} trees from {oversampling} draws each: both must be at least 1")
    allocation = Allocation(problem.mixture, -(-n_trees * oversampling // problem.n_components))
    kept, weights, marks = Spool(folder, np.dtype(np.float64)), _Weights(), []
    for trees in _draws(problem, allocation, seed, stream, half(on_progress, 0)):
        log_weights = _scores(problem, trees, allocation)[2]
        weights.add(log_weights)
        kept.append(log_weights)
        marks.append(_mark(trees))
    size = weights.effective_sample_size()

    spool, generator = _spool(problem, folder, len(taxa)), numpy_generator(seed, stream=stream)
    offset, rung, first = generator.random(), 0.0, 0
    block: list[dict[str, np.ndarray]] = []
    second = _draws(problem, allocation, seed, stream, half(on_progress, 1))
    for trees, mark in zip(second, marks, strict=True):
        if _mark(trees) != mark:
            raise NumericalError(
                "the same seed gave other draws the second time: the machine does not compute the same"
            )
        share = np.exp(kept.read(first, len(trees.component_of_tree)) - weights.log_sum)
        ladder = np.minimum(rung + np.cumsum(share) * n_trees, n_trees)
        if first <= weights.last_positive < first + len(ladder):
            ladder[weights.last_positive - first :] = n_trees  # rounding must not lose the last tree
        points = np.ceil(np.concatenate([[rung], ladder]) - offset).astype(np.int64)
        rung, first = float(ladder[-1]), first + len(ladder)
        for copies in _in_pieces(np.diff(points), block_size):
            block.append(_chosen(problem, trees, copies))
            if sum(len(part["log_weight"]) for part in block) >= block_size:
                _flush(spool, block, generator)
    _flush(spool, block, generator)
    kept.close()
    equal = _Weights(largest=0.0)
    names = problem.model.parameters.names
    return _stream(spool, taxa, names, equal, weighted=False, n_draws=weights.count, effective_sample_size=size)


def _draws(
    problem: PhyloProblem, allocation: Allocation, seed: int, stream: int, on_progress: OnProgress | None
) -> Iterator[TreeDraws]:
    """Draws from every component, a batch at a time; the same ones for the same seed."""
    generator, plan = torch_generator(seed, stream=stream), all_components(problem.n_components)
    for first in range(0, allocation.n, _DRAWS_AT_ONCE):
        last = min(first + _DRAWS_AT_ONCE, allocation.n)
        with torch.no_grad(), torch_threads(1):
            yield problem.mixture.draw(plan, allocation.counts(first, last), generator)
        if on_progress is not None:
            on_progress(last * problem.n_components, allocation.n * problem.n_components)


def _scores(
    problem: PhyloProblem, trees: TreeDraws, allocation: Allocation
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(T,) log-likelihoods, log priors and log importance weights as draws of the mixture."""
    with torch.no_grad(), torch_threads(1):
        log_likelihood, log_prior = problem.log_densities(trees)
        batch = WeightedTrees(trees=trees, log_weights=log_likelihood + log_prior - problem.mixture.mixed(trees.log_q))
        log_weights = batch.mixture_log_weights(allocation.log_strata)
        return log_likelihood.numpy(), log_prior.numpy(), log_weights.numpy()


def _in_pieces(copies: np.ndarray, most: int) -> Iterator[np.ndarray]:
    """Numbers of copies, split up so that no part has too many in all: one draw may have most of the weight."""
    ends = np.concatenate([[0], np.cumsum(copies)])
    for low in range(0, int(ends[-1]), most):
        yield np.diff(np.clip(ends, low, low + most))


def _chosen(problem: PhyloProblem, trees: TreeDraws, copies: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of the trees that are taken at least once, scored once, and repeated."""
    taken = np.flatnonzero(copies)
    rows = torch.from_numpy(taken)
    chosen = replace(
        trees,
        encoded=trees.encoded[taken],
        component_of_tree=trees.component_of_tree[rows],
        log_lengths=trees.log_lengths[rows],
        log_q=trees.log_q[:, rows],
        log_q_topology=trees.log_q_topology[rows],
        parameters=trees.parameters[rows],
    )
    with torch.no_grad(), torch_threads(1):
        log_likelihood, log_prior = problem.log_densities(chosen)
    columns = _columns(problem, chosen, log_likelihood.numpy(), log_prior.numpy(), np.zeros(len(taken)))
    return {name: np.repeat(values, copies[taken], axis=0) for name, values in columns.items()}


def _flush(spool: TreeSpool, block: list[dict[str, np.ndarray]], generator: np.random.Generator) -> None:
    """Write the trees of a block in random order, and empty it."""
    if not block:
        return
    columns = {name: np.concatenate([part[name] for part in block]) for name in block[0]}
    order = generator.permutation(len(columns["log_weight"]))
    spool.append(**{name: values[order] for name, values in columns.items()})
    block.clear()


def _columns(
    problem: PhyloProblem, trees: TreeDraws, likelihood: np.ndarray, prior: np.ndarray, weight: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of a `TreeSpool`."""
    return {
        "children": trees.encoded.topologies.children,
        "branch_lengths": trees.log_lengths.exp().numpy(),
        "log_likelihood": likelihood,
        "log_prior": prior,
        "log_weight": weight,
        "component": trees.component_of_tree.numpy(),
        "parameters": parameter_values(problem, trees),
        "coordinates": trees.parameters.numpy(),
    }


def _spool(problem: PhyloProblem, folder: Path, n_taxa: int) -> TreeSpool:
    space = problem.model.parameters
    return TreeSpool(folder, n_taxa, n_parameters=len(space.names), n_coordinates=space.n_coordinates)


def _stream(
    spool: TreeSpool,
    taxa: Sequence[str],
    parameter_names: tuple[str, ...],
    weights: _Weights,
    *,
    weighted: bool,
    n_draws: int,
    effective_sample_size: float,
) -> TreeStream:
    one = weights.largest
    return TreeStream(
        taxa=tuple(taxa),
        n_trees=spool.n_trees,
        weighted=weighted,
        total_weight=math.exp(weights.log_sum - one) if weighted else float(spool.n_trees),
        n_draws=n_draws,
        effective_sample_size=effective_sample_size,
        read=lambda: spool.chunks(one),
        take=lambda positions: spool.take(positions, one),
        parameter_names=parameter_names,
    )


def _mark(trees: TreeDraws) -> int:
    """A checksum of the drawn branch lengths and parameters."""
    lengths = zlib.crc32(trees.log_lengths.contiguous().numpy().tobytes())
    return zlib.crc32(trees.parameters.contiguous().numpy().tobytes(), lengths)
