"""Rogue taxa: how much less uncertain the topology of the others is."""

from dataclasses import dataclass, replace

import numpy as np

from vbpi_mix.anneal.trees import clade_hashes, taxon_keys
from vbpi_mix.phylo import TopologyBatch
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws

_MOST = 4000  # distinct topologies looked at, the most probable ones, ...
_MOST_NODES = 20_000_000  # ... and of many taxa so few that all their nodes, N times, are at most so many
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, kw_only=True)
class Rogues:
    """Entropies of the topology in nats, under clade distributions (CCD1) of the draws.

    Arguments:
        taxa: (N,) names.
        entropy: entropy of all taxa.
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
    return Rogues(
        taxa=draws.taxa,
        entropy=_entropy(_subsplits(topologies, weights)),
        without=entropies_without(topologies, weights) if n > 4 else np.zeros(n),
    )


def entropies_without(topologies: TopologyBatch, weights: np.ndarray) -> np.ndarray:
    """(N,) entropies of the clade distribution (CCD1) of topologies without each taxon.

    Without taxon i the clades C and C + {i} are one: the subsplits of all taxa are added up anew, for each taxon.

    Arguments:
        topologies: T of them.
        weights: (T,) that sum to 1.
    """
    keys = taxon_keys(topologies.n_taxa)
    found = np.empty(topologies.n_taxa)
    whole = _subsplits(topologies, weights, root=0)
    for i in range(1, topologies.n_taxa):
        found[i] = _entropy(_without(whole, i, keys[i]))
    found[0] = _entropy(_without(_subsplits(topologies, weights, root=1), 0, keys[0]))
    return found


@dataclass(frozen=True, kw_only=True)
class _Subsplits:
    """Distinct subsplits of clades without the root's taxon; clades as hashes, exclusive or of their taxa's keys.

    Arguments:
        clade: (D,) the clade that is split.
        part: (D,) one half of it.
        weight: (D,) sum of the weights of the topologies that have it.
        in_clade: (D, N) taxa of the clade.
        in_part: (D, N) taxa of the half.
    """

    clade: np.ndarray
    part: np.ndarray
    weight: np.ndarray
    in_clade: np.ndarray
    in_part: np.ndarray


def _subsplits(topologies: TopologyBatch, weights: np.ndarray, root: int = 0) -> _Subsplits:
    n, children, keys = topologies.n_taxa, topologies.children, taxon_keys(topologies.n_taxa)
    rows, total = np.arange(topologies.n_trees), np.bitwise_xor.reduce(keys)
    hashes = clade_hashes(topologies)
    holds = np.zeros((topologies.n_trees, 2 * n - 2), dtype=bool)  # the root's taxon
    holds[:, root] = True
    clade, part = np.empty((2, topologies.n_trees, n - 2), dtype=np.uint64)
    above, half = np.empty((2, topologies.n_trees, n - 2), dtype=np.int64)  # 0, 1: a child, 2: all but the clade below
    for i in range(n - 2):
        a, b = children[:, i, 0], children[:, i, 1]
        sides = np.stack([hashes[rows, a], hashes[rows, b], np.zeros_like(total, shape=len(rows))])
        sides[2] = total ^ hashes[:, n + i]
        holds[:, n + i] = holds[rows, a] | holds[rows, b]
        above[:, i] = np.where(holds[rows, a], 0, np.where(holds[rows, b], 1, 2))
        first, second = (above[:, i] + 1) % 3, (above[:, i] + 2) % 3
        half[:, i] = np.where(sides[first, rows] < sides[second, rows], first, second)
        clade[:, i], part[:, i] = total ^ sides[above[:, i], rows], sides[half[:, i], rows]
    _, kept, number = np.unique(_pair(clade, part).reshape(-1), return_index=True, return_inverse=True)
    tree, node = np.divmod(kept, n - 2)
    sets = topologies.clades()  # of all nodes but the last, below which are all taxa but the first

    def taxa_of(side: np.ndarray) -> np.ndarray:
        at = np.where(side == 2, n + node, children[tree, node, np.minimum(side, 1)])
        below = bits.members(sets[tree, np.minimum(at, 2 * n - 4)], n)
        below[at == 2 * n - 3] = np.arange(n) > 0
        return below ^ (side == 2)[:, None]

    return _Subsplits(
        clade=clade[tree, node],
        part=part[tree, node],
        weight=np.bincount(number.reshape(-1), np.repeat(weights, n - 2), len(kept)),
        in_clade=~taxa_of(above[tree, node]),
        in_part=taxa_of(half[tree, node]),
    )


def _without(whole: _Subsplits, taxon: int, key: np.uint64) -> _Subsplits:
    """Subsplits that are left when a taxon, not the root's, is pruned; the sets of taxa are not brought up to date."""
    clade = whole.clade ^ np.where(whole.in_clade[:, taxon], key, np.uint64(0))
    part = whole.part ^ np.where(whole.in_part[:, taxon], key, np.uint64(0))
    left = (part != 0) & (part != clade)
    clade, part = clade[left], part[left]
    part = np.minimum(part, clade ^ part)
    _, first, number = np.unique(_pair(clade, part), return_index=True, return_inverse=True)
    weight = np.bincount(number.reshape(-1), whole.weight[left], len(first))
    return replace(whole, clade=clade[first], part=part[first], weight=weight)


def _entropy(subsplits: _Subsplits) -> float:
    """Entropy of the clade distribution: sum over subsplits of w log(w_clade / w)."""
    _, clade = np.unique(subsplits.clade, return_inverse=True)
    of_clade = np.bincount(clade.reshape(-1), subsplits.weight)[clade.reshape(-1)]
    positive = subsplits.weight > 0
    weight = subsplits.weight[positive]
    return float((weight * np.log(of_clade[positive] / weight)).sum())


def _pair(clade: np.ndarray, part: np.ndarray) -> np.ndarray:
    """One hash of two."""
    return clade * _ODD + part
