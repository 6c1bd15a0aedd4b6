"""Consensus and MAP tree with means, medians and 95 % intervals of their branch lengths."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree, tree_of_splits
from vbpi_mix.posterior.export.spool import ColumnSpool
from vbpi_mix.posterior.export.topology_ranking import TopologyRanking
from vbpi_mix.posterior.export.tree_stream import TreeStream
from vbpi_mix.posterior.intervals import highest_density_interval, weighted_median
from vbpi_mix.posterior.summaries import SplitSummary, SplitTable

INTERVAL = 0.95


@dataclass(frozen=True, kw_only=True)
class AnnotatedTree:
    """A summary tree with the spread of its branch lengths.

    All values of an edge are over the trees that have its split, whatever else their topology.

    Arguments:
        tree: splits, supports, mean lengths and their standard deviations.
        title: description of the tree.
        medians: (n_nodes,) median lengths; NaN for the top.
        intervals: (n_nodes, 2) ends of the shortest intervals that hold 95 % of the weight; NaN for the top.
    """

    tree: ConsensusTree
    title: str
    medians: np.ndarray
    intervals: np.ndarray


def summarise_stream(stream: TreeStream) -> SplitSummary:
    """Frequency and branch length of every split of a stream, in one pass.

    Standard errors are those of the effective sample size where it is below the number of trees.
    """
    table = SplitTable(stream.taxa)
    for chunk in stream.read():
        table.add(chunk.topologies, chunk.branch_lengths, chunk.weights)
    summary = table.summary()
    return replace(summary, standard_error=summary.standard_error * stream.error_factor)


def annotated_consensus(
    stream: TreeStream, splits: SplitSummary, *, folder: Path, threshold: float = 0.5, extended: bool = False
) -> AnnotatedTree:
    """The majority-rule consensus of a stream.

    Arguments:
        stream: the trees.
        splits: splits of the same stream.
        folder: folder for a temporary file of 8 bytes per tree and edge.
        threshold: see `consensus_tree`.
        extended: see `consensus_tree`.
    """
    tree = consensus_tree(splits, threshold=threshold, extended=extended)
    return annotate(stream, tree, title=tree.describe(), folder=folder)


def annotated_map(stream: TreeStream, splits: SplitSummary, ranking: TopologyRanking, *, folder: Path) -> AnnotatedTree:
    """The most probable topology of a stream, the maximum a posteriori (MAP) estimate.

    Arguments:
        stream: the trees.
        splits: splits of the same stream.
        ranking: ranking of the same stream.
        folder: folder for a temporary file of 8 bytes per tree and edge.
    """
    clades = stream.take(ranking.first[:1]).topologies.clades()[0, stream.n_taxa :]
    known = {row.tobytes(): i for i, row in enumerate(splits.clades)}
    tree = tree_of_splits(splits, np.array([known[row.tobytes()] for row in clades], dtype=np.int64), threshold=0.0)
    title = f"most probable topology (MAP), posterior probability {ranking.probability[0]:.6g}"
    return annotate(stream, tree, title=title, folder=folder)


def annotate(stream: TreeStream, tree: ConsensusTree, *, title: str, folder: Path) -> AnnotatedTree:
    """Medians and intervals of every edge of a tree.

    The lengths are exact and in memory for one edge at a time; the others wait on disk.

    Arguments:
        stream: trees that have all splits of the tree.
        tree: the summary tree.
        title: description of the tree.
        folder: folder for a temporary file of 8 bytes per tree and edge.
    """
    n, n_edges = stream.n_taxa, tree.n_nodes - 1
    wanted = {row.tobytes(): node for node, row in enumerate(tree.clades()[:-1]) if node >= n}
    table = ColumnSpool(folder, n_columns=n_edges + 1, n_rows=stream.n_trees)
    for chunk in stream.read():
        columns = np.full((n_edges + 1, chunk.n_trees), np.nan)
        columns[:n] = chunk.branch_lengths[:, :n].T
        distinct, inverse = bits.unique_rows(_inner(chunk.topologies.clades(), n))
        node_of = np.array([wanted.get(row.tobytes(), -1) for row in distinct], dtype=np.int64)[inverse]
        at = np.flatnonzero(node_of >= 0)
        columns[node_of[at], at // (n - 3)] = chunk.branch_lengths[:, n:].reshape(-1)[at]
        columns[-1] = chunk.weights
        table.write(chunk.first, columns)
    weights = table.column(n_edges)
    medians, intervals = np.full(tree.n_nodes, np.nan), np.full((tree.n_nodes, 2), np.nan)
    for node in range(n_edges):
        lengths = table.column(node)
        present = ~np.isnan(lengths)
        medians[node] = weighted_median(lengths[present], weights[present])
        intervals[node] = highest_density_interval(lengths[present], weights[present], mass=INTERVAL)
    table.close()
    return AnnotatedTree(tree=tree, title=title, medians=medians, intervals=intervals)


def _inner(clades: np.ndarray, n_taxa: int) -> np.ndarray:
    """(T * (N - 3), W) the clades of the internal edges."""
    return clades[:, n_taxa:].reshape(-1, clades.shape[2])
