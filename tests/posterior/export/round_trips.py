"""All text formats of a made-up stream, and readers for them."""

from pathlib import Path

import dendropy
import numpy as np

from tests.posterior.examples import made_up_stream
from vbpi_mix.posterior import annotated_consensus, annotated_map, rank_topologies, summarise_stream
from vbpi_mix.posterior.export.consensus_files import write_annotated
from vbpi_mix.posterior.export.mrbayes_files import write_mrbayes_parameters, write_mrbayes_trees, write_trprobs
from vbpi_mix.posterior.export.trace_file import write_trace
from vbpi_mix.posterior.export.tree_files import write_newick_stream, write_nexus_stream

HARD_NAMES = (
    "a b", "it's", "x-y", "Åse", "(p)[q]", "7", "2", "t=e,s;t", '"dq"', "z|y", "q:r", "<b>x</b> & y", "日本 語", "A/B",
)  # fmt: skip
PARAMETERS = ("kappa", "pi(A)", "pi(C)", "alpha{1}")
PLAIN_NAMES = ("Homo_sapiens", "Pan", "t.3", "Åse", "7", "z|y", "A/B", "x1")


def write_all(folder: Path, names, n_trees=150, *, equal=True, parameters=()):
    """All text formats of one stream."""
    stream = made_up_stream(n_trees, len(names), taxa=tuple(names), equal=equal, n_topologies=5, parameters=parameters)
    write_nexus_stream(stream, folder / "x.trees")
    if equal:
        write_newick_stream(stream, folder / "x.nwk")
        write_mrbayes_trees(stream, folder / "x.t")
        write_mrbayes_parameters(stream, folder / "x.p")
    write_trace(stream, folder / "x.log")
    ranking, splits = rank_topologies(stream), summarise_stream(stream)
    write_trprobs(stream, ranking, folder / "x.trprobs")
    consensus = annotated_consensus(stream, splits, folder=folder)
    write_annotated(consensus, "consensus", folder / "x.con.tre")
    best = annotated_map(stream, splits, ranking, folder=folder)
    write_annotated(best, "MAP", folder / "x.map.tre")
    return stream, ranking, splits, consensus, best


def whole(stream):
    """All trees of a stream as one chunk."""
    return stream.take(np.arange(stream.n_trees))


def dendropy_list(path, schema="nexus"):
    return dendropy.TreeList.get(
        path=str(path), schema=schema, preserve_underscores=True, store_tree_weights=True, rooting="default-unrooted"
    )
