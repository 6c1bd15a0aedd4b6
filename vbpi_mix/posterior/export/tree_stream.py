"""Posterior trees as a stream of chunks: what every exported file is written from, in memory that does not grow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.posterior.draws import PosteriorDraws

CHUNK = 8192


@dataclass(frozen=True, kw_only=True)
class TreeChunk:
    """T successive trees of a stream.

    Arguments:
        first: position of the first of them in the stream, from 0.
        topologies: their topologies.
        branch_lengths: (T, E) expected substitutions per site.
        log_likelihood: (T,) log p(Y | tree), natural.
        log_prior: (T,) log density of the branch lengths plus log probability of the topology.
        weights: (T,) relative weights, 1 where all trees weigh the same; divide by the stream's `total_weight`.
        components: (T,) the mixture component that drew each tree, from 0.
        parameters: (T, n) values of the substitution model's parameters.
        coordinates: (T, d) what the model computes them from; d is 0 where nobody knows.
    """

    first: int
    topologies: TopologyBatch
    branch_lengths: np.ndarray
    log_likelihood: np.ndarray
    log_prior: np.ndarray
    weights: np.ndarray
    components: np.ndarray
    parameters: np.ndarray
    coordinates: np.ndarray

    @property
    def n_trees(self) -> int:
        return self.topologies.n_trees


@dataclass(frozen=True, kw_only=True)
class TreeStream:
    """n trees that can be read from the beginning any number of times.

    Arguments:
        taxa: (N,) names.
        n_trees: n.
        weighted: whether the trees carry importance weights; if not, all weigh the same.
        total_weight: sum of the relative weights.
        n_draws: draws from the mixture that the trees were chosen from (n where they are all kept).
        effective_sample_size: Kish's, of the importance weights of those draws.
        read: gives the chunks in order, anew at each call.
        take: gives the trees at given positions as one chunk, in the order asked for.
        parameter_names: (n,) of the substitution model's parameters.
        source: Origin of equally weighted trees that are not resampled from the mixture.
    """

    taxa: tuple[str, ...]
    n_trees: int
    weighted: bool
    total_weight: float
    n_draws: int
    effective_sample_size: float
    read: Callable[[], Iterator[TreeChunk]]
    take: Callable[[np.ndarray], TreeChunk]
    parameter_names: tuple[str, ...] = ()
    source: str = ""

    @property
    def n_taxa(self) -> int:
        return len(self.taxa)

    @property
    def error_factor(self) -> float:
        """Factor by which standard errors exceed those of as many independent draws, as resampling repeats them."""
        return 1.0 if self.weighted else max(1.0, self.n_trees / self.effective_sample_size) ** 0.5

    def describe(self) -> list[str]:
        """Description of how the trees were made, a sentence a line, for comments in files."""
        size = f"effective sample size {self.effective_sample_size:,.1f}"
        if self.weighted:
            return [
                f"{self.n_trees:,} draws from the variational mixture with importance weights that sum to 1; {size}",
                "read without their weights the trees follow the approximation, not the posterior",
            ]
        if self.source:
            return [f"{self.n_trees:,} equally weighted posterior trees, no burn-in", f"{self.source}; {size}"]
        return [
            f"{self.n_trees:,} equally weighted posterior trees, no burn-in",
            f"resampled by importance weights from {self.n_draws:,} draws of the variational mixture with {size}",
        ]


def chunk_of(rows: PosteriorDraws, chosen: slice | np.ndarray, weights: np.ndarray, scores: np.ndarray) -> TreeChunk:
    """Some of the draws as a chunk; `scores` (2, T) are log-likelihoods and log priors."""
    return TreeChunk(
        first=(chosen.start or 0) if isinstance(chosen, slice) else -1,
        topologies=rows.topologies[chosen],
        branch_lengths=rows.branch_lengths[chosen],
        log_likelihood=scores[0, chosen],
        log_prior=scores[1, chosen],
        weights=weights[chosen],
        components=rows.components[chosen],
        parameters=rows.parameters[chosen],
        coordinates=rows.parameters[chosen][:, :0],
    )


def stream_draws(
    draws: PosteriorDraws,
    log_likelihood: Sequence[float] | np.ndarray,
    log_prior: Sequence[float] | np.ndarray,
    *,
    chunk_size: int = CHUNK,
) -> TreeStream:
    """Draws that are in memory, as a stream.

    Arguments:
        draws: weighted or equally weighted trees.
        log_likelihood: (T,) of each.
        log_prior: (T,) of each.
        chunk_size: Number of trees in a chunk.

    Raises:
        InputError: another number of log-likelihoods or priors than of trees.
    """
    scores = np.stack([np.asarray(log_likelihood, dtype=np.float64), np.asarray(log_prior, dtype=np.float64)])
    n = draws.n_trees
    if scores.shape != (2, n):
        raise InputError(f"{n} trees need as many log-likelihoods and log priors, not {scores.shape[1]}")
    weighted = bool(np.ptp(draws.log_weights) > 0)
    weights = np.exp(draws.log_weights - draws.log_weights.max())
    chunks = [slice(i, min(i + chunk_size, n)) for i in range(0, n, chunk_size)]
    return TreeStream(
        taxa=draws.taxa,
        n_trees=n,
        weighted=weighted,
        total_weight=float(weights.sum()),
        n_draws=n,
        effective_sample_size=draws.effective_sample_size(),
        read=lambda: (chunk_of(draws, chunk, weights, scores) for chunk in chunks),
        take=lambda positions: chunk_of(draws, positions, weights, scores),
        parameter_names=draws.parameter_names,
    )
