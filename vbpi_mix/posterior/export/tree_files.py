"""Posterior trees as NEXUS and as Newick lists."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.nexus import newick_label, write_nexus_statements
from vbpi_mix.posterior.export.tree_stream import TreeStream


def newick_lines(stream: TreeStream, labels: list[str], *, precision: int = 10) -> Iterator[tuple[float, str]]:
    """The weight of each tree, normalised, and its Newick text with branch lengths.

    Arguments:
        stream: the trees.
        labels: (N,) written as they are.
        precision: significant digits of a length.
    """
    for chunk in stream.read():
        weights = (chunk.weights / stream.total_weight).tolist()
        for weight, topology, lengths in zip(weights, chunk.topologies, chunk.branch_lengths, strict=True):
            yield weight, topology.newick(labels, lengths.tolist(), precision=precision)


def numbers_of(stream: TreeStream) -> list[str]:
    """The words of a TRANSLATE table: 1 to N."""
    return [str(i) for i in range(1, stream.n_taxa + 1)]


def decimal(weight: float) -> str:
    """A weight to ten digits and without an exponent, which not every reader takes."""
    return np.format_float_positional(weight, precision=10, fractional=False, trim="0")


def write_nexus_stream(stream: TreeStream, path: Path | str) -> None:
    """NEXUS trees `tree STATE_1 = [&U] (...);`, numbered as the rows of the Tracer log of the same stream.

    Weighted trees have their weights as `[&W 0.01]` before the tree, which DendroPy reads with
    `store_tree_weights=True`, as does `vbpi_mix.read_trees`. Programs that know nothing of weights count every tree
    the same.

    Raises:
        InputError: the file cannot be written.
    """
    lines = enumerate(newick_lines(stream, numbers_of(stream)), start=1)
    statements = (
        f"STATE_{state} = {f'[&W {decimal(weight)}] ' if stream.weighted else ''}[&U] {newick}"
        for state, (weight, newick) in lines
    )
    write_nexus_statements(path, stream.taxa, statements, comments=stream.describe())


def write_newick_stream(stream: TreeStream, path: Path | str) -> None:
    """Newick trees, one a line, names quoted where Newick needs it.

    Raises:
        InputError: the trees are weighted, which Newick cannot tell, or the file cannot be written.
    """
    refuse_weights(stream, "a Newick list")
    labels = [newick_label(name) for name in stream.taxa]
    with atomic_write(path) as file:
        file.writelines(f"{newick}\n" for _, newick in newick_lines(stream, labels))


def refuse_weights(stream: TreeStream, what: str) -> None:
    """Raise InputError where a format that has no place for weights would lose them."""
    if stream.weighted:
        raise InputError(f"{what} holds no weights: write resampled trees into it, or choose another format")
