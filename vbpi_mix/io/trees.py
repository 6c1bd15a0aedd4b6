"""Tree files as weighted samples of distinct topologies."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.io.newick import read_tree
from vbpi_mix.io.newick_kernels import MULTIFURCATING, REFUSED
from vbpi_mix.io.newick_list import TopologyReader
from vbpi_mix.io.tree_lists import TreeBatch, read_batches
from vbpi_mix.phylo.topology import TopologyBatch
from vbpi_mix.phylo.tree_sample import TreeSample, collect


def read_trees(paths: Sequence[Path | str], taxa: Sequence[str], *, burn_in: float = 0.0) -> TreeSample:
    """Read and merge tree files, keeping each distinct unrooted topology once.

    The format of a file is found from its content, unpacked if gzipped:

    * lists of Newick trees (IQ-TREE `.ufboot`, RAxML bootstraps, ...), each after an optional weight:
      `928<TAB>(A,(B,C),D);`, or with PHYLIP's weight behind it: `(A,(B,C),D)[0.2500];`. The number of trees in the
      first line, as PHYLIP and PAML write it, is passed over;
    * NEXUS with or without TRANSLATE: MrBayes `.t` and `.trprobs` (whose `[&W 0.25]` are weights), BEAST `.trees`,
      LogCombiner's (`[&weight=0.9]`). Numbers of a TAXA block are names where there is no TRANSLATE;
    * tables with a header: a column `newick` (or `tree`) and, if weighted, `mean_prob`, `weight`, `probability`
      or `count` (the first of these that is there).

    Rooted trees are unrooted; branch lengths, comments and labels of inner nodes are passed over. Weights are kept as
    they are and add up over files; trees without one count 1. How labels are matched to taxa says `TaxonLabels`.
    Files are streamed: memory grows with the distinct topologies, plus some ten bytes a tree.

    Arguments:
        paths: The files.
        taxa: (N,) names of the alignment, N >= 3.
        burn_in: Share of each file's trees, 0 <= burn_in < 1, left out from its beginning (rounded down).

    Raises:
        InputError: A file that is no tree list or is cut off, taxa other than those given, multifurcations (how many
            trees and the first line), a burn-in asked of weighted trees, counts mixed with probabilities.

    Examples:
        >>> import vbpi_mix as vm
        >>> taxa = vm.read_alignment("primates").taxa
        >>> sample = vm.read_trees(["primates_run/posterior/sample.trees"], taxa)
        >>> float(sample.weights.sum())
        1000.0
    """
    if not 0 <= burn_in < 1:
        raise InputError(f"the burn-in is a share of the trees, 0 <= burn-in < 1, not {burn_in}")
    if not paths:
        raise InputError("no tree file given")
    labels = TaxonLabels(taxa)
    if len(labels.taxa) < 3:
        raise InputError(f"trees need three taxa at least, not {len(labels.taxa)}")
    distinct = _Distinct(len(labels.taxa))
    totals = np.zeros(0)
    counted: Path | str | None = None
    fractional: Path | str | None = None
    for path in paths:
        positions, weights = _read_file(Path(path), labels, distinct)
        if weights is None:
            kept = positions[int(burn_in * len(positions)) :]
            given = np.ones(len(kept))
        else:
            if burn_in > 0:
                raise InputError(
                    f"{path} holds weighted trees, which have no order: a burn-in cannot be left out of it"
                )
            kept, given = positions, weights
        if np.any(given != np.floor(given)):
            fractional = fractional or path
        elif weights is None or given.max() > 1:
            counted = counted or path
        if counted is not None and fractional is not None:
            raise InputError(
                f"{counted} counts trees and {fractional} gives probabilities: their weights cannot be added; "
                "read them separately"
            )
        grown = np.zeros(len(distinct))
        grown[: len(totals)] = totals
        totals = grown + np.bincount(kept, weights=given, minlength=len(distinct))
    if not totals.any():
        raise InputError(f"{paths[0]}: no tree has a positive weight")
    return collect(labels.taxa, distinct.topologies(), totals)


class _Distinct:
    """Distinct topologies in order of first appearance, as bytes of the smallest integer type."""

    def __init__(self, n_taxa: int) -> None:
        self._shape = (n_taxa - 2, 2)
        self._dtype = np.min_scalar_type(2 * n_taxa - 3)
        self._position: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._position)

    def add(self, children: np.ndarray) -> np.ndarray:
        """(T,) int64 positions of the topologies (T, N-2, 2), new ones appended."""
        data = children.astype(self._dtype).tobytes()
        width = len(data) // max(len(children), 1)
        known = self._position
        rows = (data[i : i + width] for i in range(0, len(data), width))
        return np.fromiter((known.setdefault(row, len(known)) for row in rows), dtype=np.int64, count=len(children))

    def topologies(self) -> TopologyBatch:
        rows = np.frombuffer(b"".join(self._position), dtype=self._dtype)
        return TopologyBatch(rows.reshape(-1, *self._shape).astype(np.int32))


def _read_file(path: Path, labels: TaxonLabels, distinct: _Distinct) -> tuple[np.ndarray, np.ndarray | None]:
    positions: list[np.ndarray] = []
    weights: list[np.ndarray] = []
    reader = TopologyReader(labels)
    trees = multifurcating = first_line = 0
    for batch in read_batches(path):
        if batch.translate != reader.translate:
            reader = TopologyReader(labels, batch.translate)
        children, status = reader.read(batch.buffer, batch.spans)
        trees += len(status)
        for tree in np.flatnonzero(status == REFUSED).tolist():
            children[tree] = _read_refused(batch, tree, reader, path)
        wide = np.flatnonzero(status == MULTIFURCATING)
        if len(wide):
            first_line = first_line or batch.line(int(wide[0]))
            multifurcating += len(wide)
        if not multifurcating:
            positions.append(distinct.add(children))
            if batch.weights is not None:
                weights.append(batch.weights)
    if multifurcating:
        raise InputError(
            f"{path}: {multifurcating} of {trees} trees have multifurcations (nodes with more than two children), the "
            f"first at line {first_line}; only binary trees are read: resolve them or leave these trees out"
        )
    if not trees:
        raise InputError(f"{path}: no trees found")
    return np.concatenate(positions), np.concatenate(weights) if weights else None


def _read_refused(batch: TreeBatch, tree: int, reader: TopologyReader, path: Path) -> np.ndarray:
    """Raise the error of a tree that the compiled reader refused; return its children if nothing is wrong."""
    where = f"{path}, line {batch.line(tree)}"
    return read_tree(batch.text(tree), reader.labels, reader.translate, where, with_lengths=False)[0].children
