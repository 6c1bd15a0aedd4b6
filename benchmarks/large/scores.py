"""How well trees hold the truth, and how far two sets of trees are apart."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.evaluate.distances.splits import split_agreement, split_table
from vbpi_mix.phylo import TopologyBatch


@dataclass(frozen=True, kw_only=True)
class Trees:
    """T trees: topologies and lengths (T, E)."""

    taxa: tuple[str, ...]
    topologies: TopologyBatch
    branch_lengths: np.ndarray

    def few(self, n: int) -> "Trees":
        """At most n of them, evenly spaced."""
        rows = np.linspace(0, len(self.branch_lengths) - 1, min(n, len(self.branch_lengths))).astype(np.int64)
        return Trees(taxa=self.taxa, topologies=self.topologies[rows], branch_lengths=self.branch_lengths[rows])


def pairwise_distances(trees: Trees) -> np.ndarray:
    """(T, N (N-1) / 2) sums of lengths between tips."""
    n = len(trees.taxa)
    upper = np.triu_indices(n, 1)
    found = np.empty((len(trees.branch_lengths), len(upper[0])))
    for t, (children, lengths) in enumerate(zip(trees.topologies.children, trees.branch_lengths, strict=True)):
        distances = np.zeros((n, n))
        below: list[tuple[np.ndarray, np.ndarray]] = [(np.array([i]), np.array([lengths[i]])) for i in range(n)]
        for i, (a, b) in enumerate(children.tolist()):
            (left, to_left), (right, to_right) = below[a], below[b]
            between = to_left[:, None] + to_right[None, :]
            distances[np.ix_(left, right)], distances[np.ix_(right, left)] = between, between.T
            edge = n + i if n + i < 2 * n - 3 else 0
            joined = np.concatenate([to_left, to_right]) + lengths[edge]
            below.append((np.concatenate([left, right]), joined))
        tips, to_first = below[-1]
        distances[0, tips] = distances[tips, 0] = to_first
        found[t] = distances[upper]
    return found


def coverage(trees: Trees, truth: Trees) -> float:
    """Share of pairwise distances whose central 95 % interval among trees holds the true one."""
    found, true = pairwise_distances(trees), pairwise_distances(truth)[0]
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    return float(((low <= true) & (true <= high)).mean())


def apart(trees: Trees, reference: Trees) -> dict[str, float]:
    """Split frequencies and normal approximations of pairwise distances, trees against a reference."""
    tables = [split_table(x.taxa, x.topologies, np.ones(len(x.branch_lengths))) for x in (trees, reference)]
    splits = split_agreement(tables)
    ours, theirs = (pairwise_distances(x.few(400)) for x in (trees, reference))
    sd, se = ours.std(axis=0) + 1e-12, theirs.std(axis=0) + 1e-12
    gap = ours.mean(axis=0) - theirs.mean(axis=0)
    kl = np.log(se / sd) + (sd**2 + gap**2) / (2 * se**2) - 0.5
    return {"kl": float(kl.mean()), "asdsf": float(splits.asdsf), "largest": float(splits.max_difference)}
