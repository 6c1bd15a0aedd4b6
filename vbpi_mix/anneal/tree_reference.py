"""The density that annealing begins at: conditional clade distributions, gamma lengths, normal parameters."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy.special import gammaln

from vbpi_mix.anneal.block_kernels import Redraws
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.reference_kernels import Reference, describe_trees, fill_table, find_all, subsplit_keys
from vbpi_mix.anneal.trees import clade_hashes, distinct_subsplits, taxon_keys
from vbpi_mix.phylo import TopologyBatch, clades, from_neighbours, stack

_FLOOR = 0.3  # unseen subsplits expected in a tree, at least
_MOST_FLOOR = 0.9  # share of a conditional distribution
_GROUPS = 8  # of trees, where none are given
_EM_STEPS, _FIRST_FLOOR = 50, 0.1
_TREES_AT_A_TIME = 256
_PRIOR_COUNT = 2.0  # trees that the shape of all edges counts for in that of one
_SHAPES = (0.05, 1e5)
_IN_FILES = "redraws_"


@cache
def no_reference() -> Reference:
    """An empty one, for moves that leave the posterior itself invariant."""
    keys = np.zeros(2, dtype=np.uint64)
    return Reference(keys, np.ones((2, 2)), keys.copy(), np.zeros(2), np.zeros(3), np.array([1.0, 1.0]), np.ones(2))


def heated_reference() -> Reference:
    """A constant in topologies and lengths: the path from it to the posterior is that of the heated posterior."""
    keys = np.zeros(2, dtype=np.uint64)
    nearly_constant = np.array([1.0, 1e-9])  # shape and rate of a gamma density in t
    return Reference(keys, np.ones((2, 2)), keys.copy(), np.zeros(2), np.zeros(1), nearly_constant, np.ones(2))


@dataclass(frozen=True, kw_only=True)
class Described:
    """Parameters of a reference density for P topologies.

    Arguments:
        log_topology: (P,) log probabilities.
        shapes, rates: (P, E) of the gamma densities of the lengths.
    """

    log_topology: np.ndarray
    shapes: np.ndarray
    rates: np.ndarray

    def log_prob(self, log_lengths: np.ndarray) -> np.ndarray:
        """(P,) log density of topology and log lengths (P, E)."""
        each = self.shapes * (log_lengths + np.log(self.rates)) - self.rates * np.exp(log_lengths)
        return self.log_topology + (each - gammaln(self.shapes)).sum(axis=1)


class TreeReference:
    """A density of trees and parameters fitted to weighted trees, from which trees can be drawn.

    Arguments:
        sample: P trees.
        weights: (P,) not negative, with a positive sum.
        groups: (P,) numbers of groups of trees that were drawn independently of those of others, such as chains; if not
            given, all trees were. The share of unseen subsplits is what makes the trees of each group most probable
            under the density of all others.
        unseen: number of unseen subsplits of a tree to expect instead, with the same share for all clades.

    Attributes:
        reference: reference density for the compiled moves.
    """

    def __init__(
        self,
        sample: Particles,
        weights: np.ndarray,
        groups: np.ndarray | None = None,
        *,
        unseen: float | None = None,
    ) -> None:
        self.n_taxa = n = sample.topologies.n_taxa
        self._keys = taxon_keys(n)
        share = weights / weights.sum()
        effective = 1.0 / float((share**2).sum())
        self._clades, hashes, number = _distinct_clades(sample.topologies)
        self._fit_lengths(sample.log_lengths, number, share, effective)
        groups = np.arange(len(share)) % _GROUPS if groups is None else np.unique(groups, return_inverse=True)[1]
        of_groups = self._fit_subsplits(sample.topologies, number, share, groups)
        if unseen is None:
            self._floor = self._fit_floor(*of_groups, prior=of_groups[0].shape[1] / len(share))
        else:
            self._floor = np.full(len(hashes), min(_MOST_FLOOR, unseen / max(1, n - 2)))
        keys, rows = _table(hashes[1:], np.column_stack([self._gamma, self._floor])[1:])  # without the empty clade
        lengths, floor = np.ascontiguousarray(rows[:, :2]), np.ascontiguousarray(rows[:, 2])
        self._hashes = hashes
        pair_keys, shares = _table(self._pair_keys(hashes), self._pair_share)
        self.reference = Reference(keys, lengths, pair_keys, shares, _log_rooted(n), self._unseen, floor)
        self._fit_parameters(sample.coordinates, share)

    @cached_property
    def redraws(self) -> Redraws:
        """What moves draw blocks of a tree from: the splits seen, without the share of others."""
        whole, parts = self._pairs[:, 0], self._pairs[:, 1:]  # sorted by clade
        first = np.flatnonzero(np.diff(whole, prepend=-1))
        keys = self.reference.clades
        places = np.empty(len(first), dtype=np.int64)
        find_all(keys, self._hashes[whole[first]], places)
        first_of, number = np.zeros((2, len(keys)), dtype=np.int64)
        first_of[places] = first
        number[places] = np.diff(first, append=len(whole))
        running = np.cumsum(self._pair_share)
        before = np.repeat(running[first] - self._pair_share[first], np.diff(first, append=len(whole)))
        sizes = clades.sizes(self._clades)
        return Redraws(self.reference, first_of, number, running - before, self._hashes[parts], sizes[parts])

    @property
    def parameter_spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean (d,) of the normal density of the coordinates, and the Cholesky factor (d, d) of its covariance."""
        return self._mean, self._root

    def describe(self, topologies: TopologyBatch) -> Described:
        """Log probabilities of topologies, and densities of their lengths."""
        n_trees, n_edges = topologies.n_trees, topologies.n_edges
        shapes, rates = np.empty((n_trees, n_edges)), np.empty((n_trees, n_edges))
        log_topology = np.empty(n_trees)
        describe_trees(
            self.reference, np.ascontiguousarray(topologies.children), self._keys, log_topology, shapes, rates
        )
        return Described(log_topology=log_topology, shapes=shapes, rates=rates)

    def log_prob(self, particles: Particles) -> np.ndarray:
        """(P,) log density in topology, log lengths and coordinates."""
        trees = self.describe(particles.topologies).log_prob(particles.log_lengths)
        return trees + self.parameter_log_prob(particles.coordinates)

    def parameter_log_prob(self, coordinates: np.ndarray) -> np.ndarray:
        """(P,) log density of coordinates (P, d)."""
        if not coordinates.shape[1]:
            return np.zeros(len(coordinates))
        z = np.linalg.solve(self._root, (coordinates - self._mean).T)
        scale = np.log(np.diag(self._root)).sum() + 0.5 * len(z) * math.log(2 * math.pi)
        return -0.5 * (z**2).sum(axis=0) - scale

    def draw(self, n_trees: int, generator: np.random.Generator) -> Particles:
        """Trees and parameters; their log-likelihoods are NaN."""
        topologies = stack([self._draw_topology(generator) for _ in range(n_trees)])
        gammas = self.describe(topologies)
        # Gamma(k) = Gamma(k + 1) U^(1/k), whose logarithm is finite however small the shape is
        gamma = np.log(generator.standard_gamma(gammas.shapes + 1.0))
        log_lengths = gamma + np.log(1.0 - generator.random(gammas.shapes.shape)) / gammas.shapes - np.log(gammas.rates)
        z = generator.standard_normal((n_trees, len(self._mean)))
        return Particles(
            topologies=topologies,
            log_lengths=log_lengths,
            coordinates=self._mean + z @ self._root.T,
            log_likelihood=np.full(n_trees, np.nan),
        )

    def _fit_lengths(self, log_lengths: np.ndarray, number: np.ndarray, share: np.ndarray, effective: float) -> None:
        n, n_nodes = self.n_taxa, number.shape[1]
        at_node = np.empty((len(log_lengths), n_nodes))
        at_node[:, 1 : n_nodes - 1] = log_lengths[:, 1:]
        at_node[:, -1] = log_lengths[:, 0]
        used = slice(1, n_nodes)
        ids = number[:, used].reshape(-1)
        x = at_node[:, used].reshape(-1)
        weight = np.repeat(share, n_nodes - 1)
        total = np.bincount(ids, weight, len(self._clades))
        seen = total > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            mean_log = np.bincount(ids, weight * x, len(self._clades)) / total
            log_mean = np.log(np.bincount(ids, weight * np.exp(x), len(self._clades)) / total)
        gap = np.where(seen, log_mean - mean_log, 0.0)
        inner = np.arange(len(log_lengths[0])) >= n
        pooled = log_lengths[:, inner] if inner.any() else log_lengths
        weights = np.repeat(share, pooled.shape[1])
        usual = float(np.average(gap, weights=np.where(seen, total, 0.0)))
        # few trees say little of a clade's spread, and too little rather than too much
        count = total * effective
        gap = (gap * count + max(usual, 1e-3) * _PRIOR_COUNT) / np.maximum(count + _PRIOR_COUNT - 1.0, 1.0)
        shape = np.clip(_gamma_shape(gap), *_SHAPES)
        mean = np.exp(np.where(seen, log_mean, 0.0))
        self._gamma = np.column_stack([shape, shape / mean])
        mean_unseen = float(np.average(np.exp(pooled.reshape(-1)), weights=weights))
        short = min(mean_unseen, float(np.exp(np.average(pooled.reshape(-1), weights=weights))))
        self._unseen = np.array([1.0, 1.0 / short])

    def _fit_subsplits(
        self, topologies: TopologyBatch, number: np.ndarray, share: np.ndarray, groups: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Fit the subsplits' shares; returns weights of subsplits (X, G) and of clades (C, G) in each group."""
        n = self.n_taxa
        self._pairs, which = distinct_subsplits(topologies, number)
        n_groups = int(groups.max()) + 1
        cell = which * n_groups + np.repeat(groups, n - 2)
        by_group = np.bincount(cell, np.repeat(share, n - 2), len(self._pairs) * n_groups).reshape(-1, n_groups)
        whole = self._pairs[:, 0]
        of_whole = np.zeros((len(self._clades), n_groups))
        np.add.at(of_whole, whole, by_group)
        weight, total = by_group.sum(axis=1), of_whole.sum(axis=1)
        self._pair_share = weight / np.maximum(total[whole], 1e-300)
        return by_group, of_whole

    def _fit_floor(self, weight: np.ndarray, of_clades: np.ndarray, *, prior: float) -> np.ndarray:
        """Shares (C,) of the uniform distribution that make subsplits of each group, given the others', most probable.

        Arguments:
            weight: (X, G) of each subsplit in each group.
            of_clades: (C, G) of each clade in each group.
            prior: weight that the share of all clades has in that of one.
        """
        sizes = clades.sizes(self._clades)[self._pairs]
        counts = _log_rooted(self.n_taxa)
        uniform = np.exp(counts[sizes[:, 1]] + counts[sizes[:, 2]] - counts[sizes[:, 0]])
        of_others = weight.sum(axis=1, keepdims=True) - weight
        all_of_others = (of_clades.sum(axis=1, keepdims=True) - of_clades)[self._pairs[:, 0]]
        open_ = (weight > 0) & (all_of_others > 1e-12) & (sizes[:, 0] > 2)[:, None]
        pair, _ = np.nonzero(open_)
        w, given, uniform = weight[open_], of_others[open_].clip(0.0) / all_of_others[open_], uniform[pair]
        clade, n_clades = self._pairs[pair, 0], len(self._clades)
        least = min(_MOST_FLOOR, _FLOOR / max(1, self.n_taxa - 2))
        floor = np.full(n_clades, least if not len(w) else _FIRST_FLOOR)
        total = np.bincount(clade, w, n_clades)
        for _ in range(_EM_STEPS if len(w) else 0):
            uniform_part = floor[clade] * uniform
            of_uniform = w * uniform_part / ((1.0 - floor[clade]) * given + uniform_part)
            usual = of_uniform.sum() / w.sum()
            floor = (np.bincount(clade, of_uniform, n_clades) + prior * usual) / (total + prior)
        return floor.clip(least, _MOST_FLOOR)

    def _pair_keys(self, hashes: np.ndarray) -> np.ndarray:
        return subsplit_keys(hashes[self._pairs[:, 1]], hashes[self._pairs[:, 2]])

    def _fit_parameters(self, coordinates: np.ndarray, share: np.ndarray) -> None:
        d = coordinates.shape[1]
        self._mean = share @ coordinates if d else np.zeros(0)
        away = coordinates - self._mean
        covariance = 1.2 * (away * share[:, None]).T @ away + 1e-6 * np.eye(d)
        self._root = np.linalg.cholesky(covariance) if d else np.zeros((0, 0))

    @cached_property
    def _choices(self) -> dict[int, tuple[np.ndarray, list[tuple[int, int]], float]]:
        sets = [int.from_bytes(row.astype("<u8").tobytes(), "little") for row in self._clades]
        found: dict[int, tuple[list[float], list[tuple[int, int]], float]] = {}
        for (whole, first, second), p in zip(self._pairs.tolist(), self._pair_share.tolist(), strict=True):
            shares, parts, _ = found.setdefault(sets[whole], ([], [], float(self._floor[whole])))
            shares.append(p)
            parts.append((sets[first], sets[second]))
        return {clade: (np.cumsum(shares), parts, floor) for clade, (shares, parts, floor) in found.items()}

    def _draw_topology(self, generator: np.random.Generator):  # noqa: ANN202
        n = self.n_taxa
        neighbours: list[list[int]] = [[] for _ in range(2 * n - 2)]
        free = n
        everything = ((1 << n) - 1) ^ 1
        todo = [(everything, 0)]
        while todo:
            clade, above = todo.pop()
            if clade & (clade - 1) == 0:
                node = clade.bit_length() - 1
            else:
                node, free = free, free + 1
                choice = self._choices.get(clade)
                if choice is None or generator.random() < choice[2]:
                    parts = _uniform_subsplit(clade, self.reference.log_counts, generator)
                else:
                    cumulative, options, _ = choice
                    place = int(np.searchsorted(cumulative, generator.random() * cumulative[-1], side="right"))
                    parts = options[min(place, len(options) - 1)]
                todo += [(parts[0], node), (parts[1], node)]
            neighbours[above].append(node)
            neighbours[node].append(above)
        return from_neighbours(neighbours, n)[0]


def redraws_arrays(redraws: Redraws) -> dict[str, np.ndarray]:
    """Arrays for a file."""
    fields = redraws._asdict()
    fields |= fields.pop("reference")._asdict()
    return {_IN_FILES + name: value for name, value in fields.items()}


def load_redraws(arrays: Mapping[str, np.ndarray]) -> Redraws | None:
    """What `redraws_arrays` made, among other arrays; None if there are none."""
    if _IN_FILES + "first" not in arrays:
        return None
    reference = Reference(*(arrays[_IN_FILES + name] for name in Reference._fields))
    return Redraws(reference, *(arrays[_IN_FILES + name] for name in Redraws._fields[1:]))


def _distinct_clades(topologies: TopologyBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bit sets (C, W) of all clades in their order, their hashes (C,), and (T, 2N-2) which one is below every node.

    Clades are told apart by hashes, so that the bit sets of few trees are made at a time.
    """
    n, n_trees, n_nodes = topologies.n_taxa, topologies.n_trees, 2 * topologies.n_taxa - 2
    hashes, first, number = np.unique(clade_hashes(topologies), return_index=True, return_inverse=True)
    trees, nodes = np.divmod(first, n_nodes)
    sets = np.empty((len(first), clades.n_words(n)), dtype=np.uint64)
    for begin in range(0, n_trees, _TREES_AT_A_TIME):
        here = np.flatnonzero((trees >= begin) & (trees < begin + _TREES_AT_A_TIME))
        made = topologies[begin : begin + _TREES_AT_A_TIME].node_clades()
        sets[here] = made[trees[here] - begin, nodes[here]]
    found, order, place = np.unique(sets, axis=0, return_index=True, return_inverse=True)
    return found, hashes[order], place.reshape(-1)[number.reshape(n_trees, n_nodes)]


def _table(new: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A hash table of distinct keys, and the values at their places."""
    size = 1 << max(1, math.ceil(math.log2(2 * len(new) + 1)))
    keys = np.zeros(size, dtype=np.uint64)
    places = np.empty(len(new), dtype=np.int64)
    fill_table(keys, new, places)
    table = np.ones((size, *values.shape[1:]))
    table[places] = values
    return keys, table


def _log_rooted(n_taxa: int) -> np.ndarray:
    """(N + 1,) log number of rooted topologies of k taxa, (2 k - 3)!!."""
    k = np.arange(2, n_taxa + 1)
    return np.concatenate([[0.0, 0.0], np.cumsum(np.log(2 * k - 3))])


def _gamma_shape(gap: np.ndarray) -> np.ndarray:
    """Shape of a gamma density with log(mean) - mean(log) = gap, to about a hundredth (Minka 2002)."""
    s = np.maximum(gap, 1e-9)
    return (3.0 - s + np.sqrt((s - 3.0) ** 2 + 24.0 * s)) / (12.0 * s)


def _uniform_subsplit(clade: int, log_rooted: np.ndarray, generator: np.random.Generator) -> tuple[int, int]:
    """The first split of a uniform rooted topology on a clade's taxa."""
    taxa = [i for i in range(clade.bit_length()) if clade >> i & 1]
    k = len(taxa)
    sizes = np.arange(1, k)
    log_count = gammaln(k + 1) - gammaln(sizes + 1) - gammaln(k - sizes + 1)
    weight = np.exp(log_count + log_rooted[sizes] + log_rooted[k - sizes] - log_rooted[k])
    size = int(generator.choice(sizes, p=weight / weight.sum()))
    first = sum(1 << taxa[i] for i in generator.choice(k, size=size, replace=False).tolist())
    return first, clade ^ first
