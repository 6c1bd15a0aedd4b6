"""Tree files read with their branch lengths, and the taxa that a tree file is on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.baliphy import scales_of_trees
from vbpi_mix.io.files import read_text
from vbpi_mix.io.labels import TaxonLabels, first_repeated, plain_name
from vbpi_mix.io.newick import NegativeLengthError, read_tree, tokens
from vbpi_mix.io.nexus_text import is_nexus, unquote
from vbpi_mix.io.notices import notice
from vbpi_mix.io.tree_lists import TreeBatch, read_batches
from vbpi_mix.phylo.topology import Topology, stack
from vbpi_mix.phylo.tree_sample import TreesWithLengths


def read_taxa(path: Path | str) -> tuple[str, ...]:
    """Names of the taxa of a tree file, as its first tree has them, in their order there.

    Raises:
        InputError: no tree list, or no tree in it.
    """
    batch = next(read_batches(Path(path)), None)
    if batch is None:
        raise InputError(f"{path}: no trees found")
    names, before = [], ""
    for _, token in tokens(batch.text(0), str(path)):
        if before in ("(", ",") and token not in "(),:;":
            names.append(plain_name(unquote(batch.translate.get(unquote(token), token)), str(path)))
        before = token
    repeated = first_repeated(names)
    if repeated is not None:
        raise InputError(f"{path}: taxon {repeated!r} is in the first tree more than once")
    if len(names) < 3:
        raise InputError(f"{path}: trees need three taxa at least, the first one has {len(names)}")
    return tuple(names)


def read_trees_with_lengths(
    paths: Sequence[Path | str], taxa: Sequence[str], *, burn_in: float = 0.0, at_most: int = 5000
) -> TreesWithLengths | None:
    """Trees with branch lengths, from the files that `io.trees.read_trees` reads.

    A tree takes about half a millisecond. Of unweighted files with more than `at_most` trees in all, evenly spaced
    ones are read.

    Arguments:
        paths: the files.
        taxa: (N,) names.
        burn_in: share of each file's trees left out from its beginning.
        at_most: trees to read of unweighted files.

    Lengths of BAli-Phy's `C1.trees` are multiplied by the scale of `C1.log` beside them.

    Returns:
        The trees; None if the first one has no branch lengths, or one has a negative length, which a notice tells.

    Raises:
        InputError: as `read_trees`, or a later tree has no lengths where the first has.
    """
    labels = TaxonLabels(taxa)
    counts = [sum(len(batch.spans) for batch in read_batches(Path(path))) for path in paths]
    first = [int(burn_in * count) for count in counts]
    step = max(1, -(-(sum(counts) - sum(first)) // at_most))
    topologies, lengths, weights = [], [], []
    for path, skipped, count in zip(paths, first, counts, strict=True):
        scales = scales_of_trees(Path(path), count)
        for index, batch, tree in _numbered(Path(path)):
            if batch.weights is None and (index < skipped or (index - skipped) % step):
                continue
            where = f"{path}, line {batch.line(tree)}"
            try:
                topology, its_lengths = read_tree(batch.text(tree), labels, batch.translate, where)
            except NegativeLengthError as error:
                notice(f"{error}; branch lengths are not compared")
                return None
            if its_lengths is None:
                if topologies:
                    raise InputError(f"{where}: this tree has no branch lengths, those before it have")
                return None
            topologies.append(topology)
            lengths.append(its_lengths if scales is None else its_lengths * scales[index])
            weights.append(1.0 if batch.weights is None else float(batch.weights[tree]))
    if not topologies:
        raise InputError(f"{paths[0]}: no trees are left after the burn-in")
    total = np.asarray(weights)
    return TreesWithLengths(
        taxa=labels.taxa, topologies=stack(topologies), branch_lengths=np.stack(lengths), weights=total / total.sum()
    )


def read_one_tree(path: Path | str, taxa: Sequence[str]) -> tuple[Topology, np.ndarray | None]:
    """The only tree of a file of any kind that `io.trees.read_trees` reads, with its branch lengths if it has them.

    A tree without a semicolon at its end is read too.

    Raises:
        InputError: as `newick.parse_newick`, or there is more than one tree.
    """
    labels = TaxonLabels(taxa)
    if not is_nexus(text := read_text(path)) and text.lstrip()[:1] in ("(", "["):
        return read_tree(text, labels, None, str(path))
    trees = [(batch, tree) for _, batch, tree in _numbered(Path(path))]
    if len(trees) != 1:
        raise InputError(f"{path}: it has {len(trees)} trees; give one tree")
    batch, tree = trees[0]
    return read_tree(batch.text(tree), labels, batch.translate, f"{path}, line {batch.line(tree)}")


def _numbered(path: Path) -> Iterator[tuple[int, TreeBatch, int]]:
    """(number in the file, batch, number in the batch) of every tree."""
    index = 0
    for batch in read_batches(path):
        for tree in range(len(batch.spans)):
            yield index, batch, tree
            index += 1
