"""Posterior trees in the files of MrBayes: `.t` with `.p`, and `.trprobs`."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.nexus import write_nexus_statements
from vbpi_mix.posterior.export.topology_ranking import TopologyRanking
from vbpi_mix.posterior.export.tree_files import decimal, newick_lines, numbers_of, refuse_weights
from vbpi_mix.posterior.export.tree_stream import CHUNK, TreeStream


def write_mrbayes_trees(stream: TreeStream, path: Path | str) -> None:
    """A `.t` file: `tree gen.1 = [&U] (...);` with the generations of `write_mrbayes_parameters`.

    There is no burn-in to discard: `sumt filename=posterior.mb nruns=1 relburnin=no burnin=0` for the `posterior.mb.t`
    of an export; what it writes is called `posterior.mb.con.tre` and so on, which no file of an export is. MrBayes
    itself takes names of letters, digits and `_.-` only; others are quoted as NEXUS wants it.

    Raises:
        InputError: the trees are weighted, or the file cannot be written.
    """
    refuse_weights(stream, "a MrBayes .t file")
    lines = enumerate(newick_lines(stream, numbers_of(stream)), start=1)
    statements = (f"gen.{generation} = [&U] {newick}" for generation, (_, newick) in lines)
    comments = [_identity(stream), "Param: tree", *stream.describe()]
    write_nexus_statements(path, stream.taxa, statements, comments=comments, taxa_block=False)


def write_mrbayes_parameters(stream: TreeStream, path: Path | str) -> None:
    """A `.p` file: generation, log-likelihood (LnL), log prior (LnPr), tree length (TL) and parameters of each tree.

    Raises:
        InputError: the trees are weighted, or the file cannot be written.
    """
    refuse_weights(stream, "a MrBayes .p file")
    with atomic_write(path) as file:
        heading = "\t".join(["Gen", "LnL", "LnPr", "TL", *stream.parameter_names])
        file.write(f"[{_identity(stream)}]\n{heading}\n")
        for chunk in stream.read():
            lengths = chunk.branch_lengths.sum(axis=1)
            columns = (chunk.log_likelihood.tolist(), chunk.log_prior.tolist(), lengths.tolist())
            rows = enumerate(zip(*columns, chunk.parameters.tolist(), strict=True), start=chunk.first + 1)
            for i, (lnl, lnpr, tl, values) in rows:
                line = [f"{i}\t{lnl:.6f}\t{lnpr:.6f}\t{tl:.9g}", *(f"{x:.9g}" for x in values)]
                file.write("\t".join(line) + "\n")


def write_trprobs(stream: TreeStream, ranking: TopologyRanking, path: Path | str) -> None:
    """A `.trprobs` file: topologies by probability, `tree tree_1 [p = 0.281, P = 0.281] = [&W 0.281014] (...);`.

    p is the topology's own probability, P that of it and all before it; the weight W is p to ten digits.

    Arguments:
        stream: the trees, weighted or not.
        ranking: ranking of the same stream.
        path: the file to write.

    Raises:
        InputError: the file cannot be written.
    """
    comments = [_identity(stream), *stream.describe(), "topologies sorted by posterior probability"]
    statements = _ranked(stream, ranking)
    write_nexus_statements(path, stream.taxa, statements, comments=comments, taxa_block=False)


def _ranked(stream: TreeStream, ranking: TopologyRanking) -> Iterator[str]:
    numbers, cumulative = numbers_of(stream), np.cumsum(ranking.probability)
    for begin in range(0, ranking.n_topologies, CHUNK):
        rows = slice(begin, min(begin + CHUNK, ranking.n_topologies))
        chunk = stream.take(ranking.first[rows])
        columns = (ranking.probability[rows].tolist(), cumulative[rows].tolist())
        for i, (p, P, topology) in enumerate(zip(*columns, chunk.topologies, strict=True), start=begin + 1):
            newick = topology.newick(numbers)
            yield f"tree_{i} [p = {p:.3f}, P = {min(P, 1.0):.3f}] = [&W {decimal(p)}] {newick}"


def _identity(stream: TreeStream) -> str:
    """MrBayes marks the files of one run with a number; here one that equal runs share."""
    text = "\0".join([*stream.taxa, str(stream.n_trees), repr(stream.effective_sample_size)])
    return f"ID: {zlib.crc32(text.encode()):010d}"
