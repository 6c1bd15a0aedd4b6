"""Conditional clade distributions: smooth topology distributions from a weighted sample of trees.

Unrooted topologies hang from taxon 0, so a split is the clade without it. Under CCD1 every clade splits independently
of the rest of the tree, with the frequencies of its subsplits in the sample. Under CCD0 a tree has a probability in
proportion to the product of the frequencies of its clades, among all trees whose clades occur in the sample.

References:
    Höhna and Drummond, Guided tree topology proposals for Bayesian phylogenetic inference, Systematic Biology 61, 2012.
    Larget, The estimation of tree posterior probabilities using conditional clade probability distributions,
    Systematic Biology 62, 2013.
    Berling, Klawitter, Bouckaert, Xie, Gavryushkin and Drummond, Accurate Bayesian phylogenetic point estimation using
    a tree distribution parameterized by clade probabilities, PLoS Computational Biology 21, 2025 (CCD0, CCD1).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from vbpi_mix.anneal.reference_kernels import subsplit_keys
from vbpi_mix.anneal.trees import distinct_subsplits, taxon_keys
from vbpi_mix.errors import InputError
from vbpi_mix.phylo import clades as bits
from vbpi_mix.phylo.topology import Topology, TopologyBatch, from_neighbours

CladeModel = Literal["ccd0", "ccd1"]


@dataclass(frozen=True, kw_only=True)
class CladeDistribution:
    """A distribution over the topologies that splits of clades make up.

    Arguments:
        n_taxa: N.
        clades: (C, W) distinct bit sets without taxon 0, small ones first; the last is that of all other taxa.
        frequency: (C,) share of the sample's trees that have the clade.
        subsplits: (X, 3) clade and its two parts, those of one clade next to each other, in the order of the clades.
        log_share: (X,) log probability of the subsplit given the clade.
    """

    n_taxa: int
    clades: np.ndarray
    frequency: np.ndarray
    subsplits: np.ndarray
    log_share: np.ndarray

    def log_prob(self, topologies: TopologyBatch) -> np.ndarray:
        """(T,) log-probabilities; -inf for topologies with an unseen subsplit."""
        wanted = _subsplit_keys(topologies, self._taxon_keys)
        place = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        values = np.where(self._keys[place] == wanted, self.log_share[self._order[place]], -np.inf)
        return values.sum(axis=1)

    def entropy(self) -> float:
        """Exact entropy in nats."""
        return float(self._up(lambda p, below: (p * (below - np.log(np.maximum(p, 1e-300)))).sum(), np.add))

    def log_n_topologies(self) -> float:
        """Log of the number of topologies with a positive probability."""
        return float(self._up(lambda _, below: np.logaddexp.reduce(below), np.add))

    def most_probable(self) -> tuple[Topology, float]:
        """The most probable topology and its log probability, by dynamic programming."""
        return self._best(self.log_share, np.zeros(len(self.clades)))

    def largest_frequencies(self) -> tuple[Topology, float]:
        """The topology with the largest sum of clade frequencies, among all that the subsplits make up, and the sum.

        It has the smallest mean Robinson-Foulds distance to the sample's trees.
        """
        inner = bits.sizes(self.clades) > 1
        inner[-1] = False  # the edge of taxon 0
        return self._best(np.zeros(len(self.log_share)), np.where(inner, self.frequency, 0.0))

    @cached_property
    def _taxon_keys(self) -> np.ndarray:
        return taxon_keys(self.n_taxa)

    @cached_property
    def _order(self) -> np.ndarray:
        return np.argsort(self._raw_keys, kind="stable")

    @cached_property
    def _keys(self) -> np.ndarray:
        return self._raw_keys[self._order]

    @cached_property
    def _raw_keys(self) -> np.ndarray:
        hashes = _hashes(self.clades, self._taxon_keys)
        return subsplit_keys(hashes[self.subsplits[:, 1]], hashes[self.subsplits[:, 2]])

    @cached_property
    def _spans(self) -> list[tuple[int, int, int]]:
        """(clade, first subsplit, last + 1) of every clade of two taxa or more, small ones first."""
        begins = np.flatnonzero(np.diff(self.subsplits[:, 0], prepend=-1))
        ends = np.append(begins[1:], len(self.subsplits))
        return [
            (int(self.subsplits[b, 0]), int(b), int(e)) for b, e in zip(begins.tolist(), ends.tolist(), strict=True)
        ]

    def _up(self, at_clade, join) -> float:  # noqa: ANN001
        """A value of the whole from those of the clades: `at_clade` of probabilities and joined values of the parts."""
        value = np.zeros(len(self.clades))
        for clade, begin, end in self._spans:
            parts = self.subsplits[begin:end, 1:]
            value[clade] = at_clade(np.exp(self.log_share[begin:end]), join(value[parts[:, 0]], value[parts[:, 1]]))
        return float(value[-1])

    def _best(self, of_subsplit: np.ndarray, of_clade: np.ndarray) -> tuple[Topology, float]:
        value = of_clade.copy()
        choice = np.full(len(self.clades), -1)
        for clade, begin, end in self._spans:
            parts = self.subsplits[begin:end, 1:]
            each = of_subsplit[begin:end] + value[parts].sum(axis=1)
            best = int(each.argmax())
            choice[clade] = begin + best
            value[clade] += each[best]
        return self._assembled(choice), float(value[-1])

    def _assembled(self, choice: np.ndarray) -> Topology:
        n = self.n_taxa
        taxon = {i: int(np.flatnonzero(bits.members(c, n))[0]) for i, c in enumerate(self.clades) if choice[i] < 0}
        neighbours: list[list[int]] = [[] for _ in range(2 * n - 2)]
        free = n
        todo = [(len(self.clades) - 1, 0)]
        while todo:
            clade, above = todo.pop()
            if choice[clade] < 0:
                node = taxon[clade]
            else:
                node, free = free, free + 1
                todo += [(int(part), node) for part in self.subsplits[choice[clade], 1:]]
            neighbours[above].append(node)
            neighbours[node].append(above)
        return from_neighbours(neighbours, n)[0]


def clade_distribution(
    topologies: TopologyBatch, weights: np.ndarray | None = None, *, model: CladeModel = "ccd1"
) -> CladeDistribution:
    """Fit a conditional clade distribution to weighted topologies.

    Arguments:
        topologies: T >= 1 of them; repetitions allowed.
        weights: (T,) not negative; equal if not given.
        model: "ccd1", or "ccd0", whose graph has every split of a seen clade into two seen ones.

    Raises:
        InputError: no topology of positive weight.
    """
    share = np.ones(topologies.n_trees) if weights is None else np.asarray(weights, dtype=np.float64)
    topologies, share = topologies[share > 0], share[share > 0]
    if not topologies.n_trees:
        raise InputError("a clade distribution needs a tree of positive weight")
    distinct, position = topologies.unique()
    share = np.bincount(position, weights=share / share.sum(), minlength=distinct.n_trees)
    n = distinct.n_taxa
    sets = distinct.node_clades()
    flat, number = bits.unique_rows(sets[:, 1:].reshape(-1, sets.shape[2]))
    order = np.lexsort((*flat.T, bits.sizes(flat)))
    rank = np.argsort(order)
    clades = flat[order]
    node = np.zeros(sets.shape[:2], dtype=np.int64)
    node[:, 1:] = rank[number].reshape(distinct.n_trees, -1)
    frequency = np.minimum(np.bincount(node[:, 1:].reshape(-1), np.repeat(share, 2 * n - 3), len(clades)), 1.0)
    if model == "ccd1":
        subsplits, which = distinct_subsplits(distinct, node)
        mass = np.bincount(which, np.repeat(share, n - 2), len(subsplits))
        total = np.bincount(subsplits[:, 0], mass, len(clades))
        log_share = np.log(mass / total[subsplits[:, 0]])
    else:
        subsplits = _all_subsplits(clades, taxon_keys(n))
        log_share = _shares_by_frequency(subsplits, frequency)
    return CladeDistribution(n_taxa=n, clades=clades, frequency=frequency, subsplits=subsplits, log_share=log_share)


def _shares_by_frequency(subsplits: np.ndarray, frequency: np.ndarray) -> np.ndarray:
    """Conditional probabilities of subsplits under products of clade frequencies, from small clades to large ones."""
    begins = np.flatnonzero(np.diff(subsplits[:, 0], prepend=-1))
    ends = np.append(begins[1:], len(subsplits))
    value, log_share = np.log(frequency), np.empty(len(subsplits))
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        each = value[subsplits[begin:end, 1:]].sum(axis=1)
        total = np.logaddexp.reduce(each)
        log_share[begin:end] = each - total
        value[subsplits[begin, 0]] += total
    return log_share


def _all_subsplits(clades: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(X, 3) every split of a clade into two others of the list."""
    sizes, hashes = bits.sizes(clades), _hashes(clades, keys)
    order = np.argsort(hashes)
    ordered = hashes[order]
    found = []
    for i in range(len(clades)):
        if sizes[i] < 2:
            continue
        small = np.flatnonzero((2 * sizes[:i] <= sizes[i]) & ((clades[:i] & clades[i]) == clades[:i]).all(axis=1))
        wanted = hashes[small] ^ hashes[i]
        place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        other = order[place]
        good = (ordered[place] == wanted) & ((sizes[other] > sizes[small]) | (other > small))
        found.append(np.column_stack([np.full(int(good.sum()), i), small[good], other[good]]))
    return np.concatenate(found)


def _subsplit_keys(topologies: TopologyBatch, keys: np.ndarray) -> np.ndarray:
    """(T, N-2) of every node."""
    n, children = topologies.n_taxa, topologies.children
    rows = np.arange(topologies.n_trees)
    hashes = np.zeros((topologies.n_trees, 2 * n - 2), dtype=np.uint64)
    hashes[:, :n] = keys
    found = np.empty((topologies.n_trees, n - 2), dtype=np.uint64)
    for i in range(n - 2):
        a, b = hashes[rows, children[:, i, 0]], hashes[rows, children[:, i, 1]]
        hashes[:, n + i] = a ^ b
        found[:, i] = subsplit_keys(a, b)
    return found


def _hashes(sets: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """(C,) exclusive or of the keys of the taxa in bit sets (C, W)."""
    found = np.zeros(len(sets), dtype=np.uint64)
    for taxon, key in enumerate(keys):
        inside = (sets[:, taxon // 64] >> np.uint64(taxon % 64)) & np.uint64(1)
        found ^= np.where(inside == 1, key, np.uint64(0))
    return found
