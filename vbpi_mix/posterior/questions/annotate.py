"""A tree of the user's choice with what a posterior says of its splits."""

from collections.abc import Sequence

import numpy as np

from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.consensus import ConsensusTree, tree_of_splits
from vbpi_mix.posterior.summaries import SplitSummary


def on_tree(splits: SplitSummary, clades: Sequence[frozenset[int]]) -> ConsensusTree:
    """The tree of some clades, each with its frequency, standard error, mean and deviation of its length.

    A split that no draw has gets the frequency 0 and the length 0.

    Arguments:
        splits: splits of a posterior.
        clades: taxa below the inner nodes of a tree of all taxa, multifurcating or not.
    """
    n = len(splits.taxa)
    everything = frozenset(range(n))
    sides = {everything - clade if 0 in clade else clade for clade in clades}
    wanted = [side for side in sides if 1 < len(side) < n - 1]
    words = np.stack([bits.from_taxa(sorted(side), n) for side in wanted]) if wanted else splits.clades[:0]
    place = {row.tobytes(): i for i, row in enumerate(splits.clades)}
    found = np.array([place.get(row.tobytes(), -1) for row in words], dtype=np.int64)

    def of(values: np.ndarray) -> np.ndarray:
        return np.where(found >= 0, values[np.maximum(found, 0)], 0.0) if len(values) else np.zeros(len(found))

    chosen = SplitSummary(
        taxa=splits.taxa,
        clades=words,
        frequency=of(splits.frequency),
        standard_error=of(splits.standard_error),
        mean_length=of(splits.mean_length),
        length_sd=of(splits.length_sd),
        pendant_mean_length=splits.pendant_mean_length,
        pendant_length_sd=splits.pendant_length_sd,
    )
    return tree_of_splits(chosen, np.arange(len(words)), threshold=0.0)
