"""The majority-rule consensus of weighted draws (Margush and McMorris 1981), and its extended form."""

from dataclasses import dataclass

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior.summaries import SplitSummary

# Frequencies are sums of rounded weights: two conflicting splits of one half each must not both pass.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class ConsensusTree:
    """An unrooted, possibly multifurcating tree with a support for every inner edge.

    Like `phylo.Topology` it hangs from taxon 0: nodes 0..N-1 are the tips, the others are inner nodes, children before
    parents, and the last one, the neighbour of taxon 0, is the top. Values stand at the lower node of their edge;
    the edge of taxon 0 is that of node 0.

    Arguments:
        taxa: (N,) names.
        parents: (n_nodes,) int, the parent of every node; -1 for the top.
        lengths: (n_nodes,) mean branch lengths; NaN for the top.
        supports: (n_nodes,) posterior probability of the edge's split; 1 for tips, NaN for the top.
        support_errors: (n_nodes,) standard errors of the supports; 0 for tips, NaN for the top.
        length_sds: (n_nodes,) posterior standard deviations of the lengths; NaN for the top.
        threshold: splits at or below this frequency were left out.
        extended: whether compatible splits below the threshold were added.
    """

    taxa: tuple[str, ...]
    parents: np.ndarray
    lengths: np.ndarray
    supports: np.ndarray
    support_errors: np.ndarray
    length_sds: np.ndarray
    threshold: float
    extended: bool

    @property
    def n_taxa(self) -> int:
        return len(self.taxa)

    @property
    def n_nodes(self) -> int:
        return len(self.parents)

    @property
    def top(self) -> int:
        return self.n_nodes - 1

    def children(self) -> list[list[int]]:
        """Children of every node, ordered by the lowest-ranked taxon below them."""
        children: list[list[int]] = [[] for _ in range(self.n_nodes)]
        lowest = np.arange(self.n_nodes)
        lowest[self.n_taxa :] = self.n_taxa
        for node, parent in enumerate(self.parents[:-1].tolist()):  # children before parents: complete when passed on
            children[parent].append(node)
            lowest[parent] = min(lowest[parent], lowest[node])
        for row in children:
            row.sort(key=lowest.__getitem__)
        return children

    def clades(self) -> np.ndarray:
        """(n_nodes, W) the taxa below every node, see `phylo.clades`; of the top: all but taxon 0."""
        words = np.zeros((self.n_nodes, bits.n_words(self.n_taxa)), dtype=np.uint64)
        words[: self.n_taxa] = bits.singletons(self.n_taxa)
        for node in range(1, self.n_nodes - 1):  # taxon 0 is above the top, not below
            words[self.parents[node]] |= words[node]
        return words

    def describe(self) -> str:
        """Description of how the tree was made, for titles and file comments."""
        rule = f"splits above {self.threshold:.0%} of the posterior"
        return f"{'extended ' if self.extended else ''}majority-rule consensus ({rule})"


def consensus_tree(splits: SplitSummary, *, threshold: float = 0.5, extended: bool = False) -> ConsensusTree:
    """The tree of all splits more frequent than `threshold`.

    Arguments:
        splits: The splits of the draws.
        threshold: Frequency of at least 0.5, so that the splits are compatible with each other, and below 1.
        extended: Go on with the remaining splits in the order of their frequency, adding those that are compatible with
            all before them, until the tree is binary or none is left.

    Raises:
        InputError: The threshold is outside [0.5, 1).

    Examples:
        >>> import vbpi_mix as vm
        >>> consensus = vm.consensus_tree(vm.summarise_splits(vm.load("primates_run").sample(100)))
        >>> consensus.describe()
        'majority-rule consensus (splits above 50% of the posterior)'
    """
    if not 0.5 <= threshold < 1:
        raise InputError(
            f"the threshold of a majority-rule consensus must be at least 0.5 and below 1, not {threshold}"
        )
    n_taxa = len(splits.taxa)
    chosen = np.flatnonzero(splits.frequency > threshold + _ROUNDING).tolist()
    if extended:
        for i in range(len(chosen), splits.n_splits):
            if len(chosen) == n_taxa - 3:
                break
            if _compatible(splits.clades[i], splits.clades[chosen]).all():
                chosen.append(i)
    return tree_of_splits(splits, np.asarray(chosen, dtype=np.int64), threshold=threshold, extended=extended)


def tree_of_splits(
    splits: SplitSummary, chosen: np.ndarray, *, threshold: float, extended: bool = False
) -> ConsensusTree:
    """The tree of some splits that are compatible with each other.

    Arguments:
        splits: the splits of the draws.
        chosen: (n,) which of them.
        threshold: threshold, for the record; 0 where the splits were not chosen by their frequency.
        extended: setting of the consensus, for the record.
    """
    n_taxa = len(splits.taxa)
    inner = splits.clades[chosen]
    order = _smallest_first(inner, n_taxa)
    chosen, inner = chosen[order], inner[order]
    everything = np.ascontiguousarray(bits.full_set(n_taxa) ^ bits.singletons(n_taxa)[0])[None]
    words = np.concatenate([bits.singletons(n_taxa), inner, everything])
    nothing = np.array([np.nan])
    return ConsensusTree(
        taxa=splits.taxa,
        parents=_parents(words, n_taxa),
        lengths=np.concatenate([splits.pendant_mean_length, splits.mean_length[chosen], nothing]),
        supports=np.concatenate([np.ones(n_taxa), splits.frequency[chosen], nothing]),
        support_errors=np.concatenate([np.zeros(n_taxa), splits.standard_error[chosen], nothing]),
        length_sds=np.concatenate([splits.pendant_length_sd, splits.length_sd[chosen], nothing]),
        threshold=threshold,
        extended=extended,
    )


def _compatible(clade: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(X,) whether a clade (W,) is nested in, around or disjoint from each of (X, W); none holds taxon 0."""
    common = others & clade
    disjoint = (common == 0).all(axis=1)
    inside = (common == clade).all(axis=1)
    around = (common == others).all(axis=1)
    return disjoint | inside | around


def _smallest_first(inner: np.ndarray, n_taxa: int) -> np.ndarray:
    """The order of nested or disjoint clades by size, and by their last taxon where the sizes are equal."""
    if len(inner) == 0:
        return np.zeros(0, dtype=np.int64)
    inside = bits.members(inner, n_taxa)
    last = n_taxa - 1 - inside[:, ::-1].argmax(axis=1)
    return np.lexsort((last, bits.sizes(inner)))


def _parents(words: np.ndarray, n_taxa: int) -> np.ndarray:
    """(n_nodes,) the smallest superset of each node's clade; the last clade is that of the top."""
    n_nodes = len(words)
    parents = np.full(n_nodes, -1, dtype=np.int64)
    parents[0] = n_nodes - 1
    supersets = words[n_taxa:]  # in the order of their sizes, so the first that fits is the smallest
    for node in range(1, n_nodes - 1):
        first = max(node + 1 - n_taxa, 0)
        fits = ((supersets[first:] & words[node]) == words[node]).all(axis=1)
        parents[node] = n_taxa + first + int(fits.argmax())
    return parents
