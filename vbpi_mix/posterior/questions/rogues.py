"""Rogue taxa: how much less uncertain the topology of the others is."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.anneal.trees import taxon_keys
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws

_MOST = 4000  # distinct topologies looked at, the most probable ones, ...
_MOST_NODES = 20_000_000  # ... and of many taxa so few that all their nodes, N times, are at most so many


@dataclass(frozen=True, kw_only=True)
class Rogues:
    """Entropies of the topology in nats, under clade distributions (CCD1) of the draws.

    Arguments:
        taxa: (N,) names.
        entropy: of all taxa.
        without: (N,) of the topology of the other taxa, each taxon pruned in turn.
    """

    taxa: tuple[str, ...]
    entropy: float
    without: np.ndarray

    @property
    def fall(self) -> np.ndarray:
        """(N,) by how much the entropy falls without each taxon; never negative but for rounding."""
        return self.entropy - self.without

    def largest(self, n: int = 5, *, at_least: float = 0.1) -> list[tuple[str, float]]:
        """The taxa without which it falls most, and by how much, in nats."""
        order = np.argsort(-self.fall, kind="stable")[:n]
        return [(self.taxa[i], float(self.fall[i])) for i in order.tolist() if self.fall[i] >= at_least]


def rogue_taxa(draws: TopologyDraws) -> Rogues:
    """Prune each taxon in turn, and measure the entropy of what is left."""
    most = max(100, min(_MOST, _MOST_NODES // len(draws.taxa) ** 2))
    order = np.argsort(-draws.probability, kind="stable")[:most]
    topologies, weights = draws.distinct[order], draws.probability[order]
    weights = weights / weights.sum()
    n = topologies.n_taxa
    without = np.array([entropy_without(topologies, weights, i) for i in range(n)]) if n > 4 else np.zeros(n)
    return Rogues(taxa=draws.taxa, entropy=entropy_without(topologies, weights, None), without=without)


def entropy_without(topologies: TopologyBatch, weights: np.ndarray, taxon: int | None) -> float:
    """Entropy of the clade distribution (CCD1) of topologies without a taxon: sum over subsplits of w log(w_clade / w).

    Arguments:
        topologies: T of them.
        weights: (T,) that sum to 1.
        taxon: left out; None: none is.
    """
    n, keys = topologies.n_taxa, taxon_keys(topologies.n_taxa).copy()
    root = 1 if taxon == 0 else 0
    if taxon is not None:
        keys[taxon] = 0  # hashes of clades, exclusive or of keys, are those without the taxon
    rows, children = np.arange(topologies.n_trees), topologies.children
    hashes = np.zeros((topologies.n_trees, 2 * n - 2), dtype=np.uint64)
    hashes[:, :n] = keys
    holds = np.zeros((topologies.n_trees, 2 * n - 2), dtype=bool)  # the taxon that trees hang from
    holds[:, root] = True
    total = np.bitwise_xor.reduce(keys)
    parents, parts = [], []
    for i in range(n - 2):
        a, b = children[:, i, 0], children[:, i, 1]
        left, right = hashes[rows, a], hashes[rows, b]
        hashes[:, n + i] = left ^ right
        holds[:, n + i] = holds[rows, a] | holds[rows, b]
        up = total ^ hashes[:, n + i]
        present = (left != 0) & (right != 0) & (up != 0)
        above = np.where(holds[rows, a], left, np.where(holds[rows, b], right, up))
        first = np.where(holds[rows, a], up, left)
        parent = np.where(present, total ^ above, np.uint64(0))
        parents.append(parent)
        parts.append(np.where(present, np.minimum(first, parent ^ first), np.uint64(0)))
    parent, part = np.stack(parents, axis=1).reshape(-1), np.stack(parts, axis=1).reshape(-1)
    share = np.repeat(weights, n - 2)
    kept = parent != 0
    parent, part, share = parent[kept], part[kept], share[kept]
    whole, clade = np.unique(parent, return_inverse=True)
    distinct, split = np.unique(np.column_stack([parent, part]), axis=0, return_inverse=True)
    of_clade = np.bincount(clade.reshape(-1), share, len(whole))
    of_split = np.bincount(split.reshape(-1), share, len(distinct))
    clade_of_split = np.searchsorted(whole, distinct[:, 0])
    positive = of_split > 0
    ratio = of_clade[clade_of_split][positive] / of_split[positive]
    return float((of_split[positive] * np.log(ratio)).sum())
