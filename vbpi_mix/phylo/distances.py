"""Distances between topologies and between distributions over them."""

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo.topology import Topology, TopologyBatch
from vbpi_mix.phylo.tree_sample import TreeSample


def robinson_foulds(first: Topology, second: Topology) -> int:
    """Number of non-trivial splits in exactly one of two topologies (Robinson and Foulds 1981)."""
    a, b = (_internal_splits(t.batch()) for t in (first, second))
    return len(a ^ b)


def split_frequencies(topologies: TopologyBatch, weights: np.ndarray) -> dict[bytes, float]:
    """Weighted share of the trees that hold each non-trivial split, keyed by its clade's words as bytes."""
    clades = topologies.clades()[:, topologies.n_taxa :]
    flat = np.ascontiguousarray(clades).reshape(-1, clades.shape[2])
    distinct, inverse = np.unique(flat, axis=0, return_inverse=True)
    share = np.repeat(weights / weights.sum(), clades.shape[1])
    total = np.bincount(inverse.reshape(-1), weights=share, minlength=len(distinct))
    return {words.tobytes(): float(f) for words, f in zip(distinct, total, strict=True)}


def total_variation(first: TreeSample, second: TreeSample) -> float:
    """Half the sum of absolute differences of two topology distributions on the same taxa (same order).

    Raises:
        InputError: the taxa differ.
    """
    if first.taxa != second.taxa:
        raise InputError("total variation needs two samples on the same taxa in the same order")
    p = dict(zip(_keys(first.topologies), first.probabilities(), strict=True))
    q = dict(zip(_keys(second.topologies), second.probabilities(), strict=True))
    return float(0.5 * sum(abs(p.get(k, 0.0) - q.get(k, 0.0)) for k in p.keys() | q.keys()))


def _keys(topologies: TopologyBatch) -> list[bytes]:
    return [row.tobytes() for row in topologies.children]


def _internal_splits(topologies: TopologyBatch) -> set[bytes]:
    return {words.tobytes() for words in topologies.clades()[0, topologies.n_taxa :]}
