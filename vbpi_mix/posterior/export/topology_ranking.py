"""Topologies of trees that arrive in chunks: probabilities and ranks, at 48 bytes for each distinct topology."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.posterior.accumulate import GroupTable
from vbpi_mix.posterior.export.tree_stream import TreeStream
from vbpi_mix.posterior.summaries import frequency_error

_WORDS = 2
_VOID = np.dtype((np.void, 8 * _WORDS))


@dataclass(frozen=True, kw_only=True)
class TopologyRanking:
    """Distinct topologies of positive weight, most probable first.

    Arguments:
        keys: (X, 2) uint64, see `topology_keys`.
        probability: (X,) summing to 1.
        standard_error: (X,) of the probabilities.
        first: (X,) position in the stream of the first tree with the topology.
    """

    keys: np.ndarray
    probability: np.ndarray
    standard_error: np.ndarray
    first: np.ndarray

    @property
    def n_topologies(self) -> int:
        return len(self.probability)

    def ranks(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) int64: the place of each topology in the ranking, from 1; 0 for those of weight zero."""
        known = np.ascontiguousarray(self.keys).view(_VOID).reshape(-1)
        order = np.argsort(known)
        asked = topology_keys(topologies).view(_VOID).reshape(-1)
        place = np.minimum(np.searchsorted(known, asked, sorter=order), len(known) - 1)
        return np.where(known[order[place]] == asked, order[place] + 1, 0)


def topology_keys(topologies: TopologyBatch) -> np.ndarray:
    """(T, 2) uint64: 128 bits of each topology; two different ones share them with probability below 2^-100.

    Each word is a sum of the entries of the canonical `children` times fixed random numbers, modulo 2^64.
    """
    entries = topologies.children.reshape(topologies.n_trees, -1).astype(np.uint64)
    factors = np.random.SeedSequence(entropy=entries.shape[1]).generate_state(_WORDS * entries.shape[1], np.uint64)
    factors = factors.reshape(_WORDS, -1) | np.uint64(1)
    return np.ascontiguousarray(np.stack([(entries * row).sum(axis=1, dtype=np.uint64) for row in factors], axis=1))


def rank_topologies(stream: TreeStream) -> TopologyRanking:
    """Weighted probability of every topology of a stream, in one pass; standard errors as in `summarise_stream`."""
    table, squares = GroupTable(_WORDS, 2), 0.0
    for chunk in stream.read():
        terms = np.stack([chunk.weights, chunk.weights**2], axis=1)
        table.add(topology_keys(chunk.topologies), terms, chunk.first + np.arange(chunk.n_trees))
        squares += float((chunk.weights**2).sum())
    keys, sums, first = table.result()
    total = stream.total_weight
    probability = sums[:, 0] / total
    error = frequency_error(probability, sums[:, 1] / total**2, squares / total**2)
    order = np.lexsort((first, -sums[:, 0]))  # among equals the one that came first
    order = order[sums[order, 0] > 0]
    return TopologyRanking(
        keys=keys[order],
        probability=probability[order],
        standard_error=error[order] * stream.error_factor,
        first=first[order],
    )
