"""Weighted draws from the posterior: summaries, consensus, pictures, files."""

from vbpi_mix.posterior.annotated import AnnotatedTree, annotated_consensus, annotated_map, summarise_stream
from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.consensus_text import consensus_newick, consensus_nexus, write_annotated
from vbpi_mix.posterior.draw_text import draw_consensus
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.files import PosteriorSummary, write_posterior, write_sample
from vbpi_mix.posterior.intervals import highest_density_interval, weighted_median
from vbpi_mix.posterior.mrbayes_files import write_mrbayes_parameters, write_mrbayes_trees, write_trprobs
from vbpi_mix.posterior.netcdf_file import write_netcdf
from vbpi_mix.posterior.parameter_summary import ParameterSummary, summarise_parameters
from vbpi_mix.posterior.picture import consensus_figure
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary, summarise_splits, summarise_topologies
from vbpi_mix.posterior.tables import write_parameters, write_splits, write_topologies
from vbpi_mix.posterior.topology_table import TopologyRanking, rank_topologies
from vbpi_mix.posterior.trace_file import write_trace
from vbpi_mix.posterior.tree_files import write_newick_stream, write_nexus_stream
from vbpi_mix.posterior.tree_stream import TreeChunk, TreeStream, stream_draws

__all__ = [
    "AnnotatedTree",
    "ConsensusTree",
    "ParameterSummary",
    "PosteriorDraws",
    "PosteriorSummary",
    "SplitSummary",
    "TopologyRanking",
    "TopologySummary",
    "TreeChunk",
    "TreeStream",
    "annotated_consensus",
    "annotated_map",
    "consensus_figure",
    "consensus_newick",
    "consensus_nexus",
    "consensus_tree",
    "draw_consensus",
    "highest_density_interval",
    "rank_topologies",
    "stream_draws",
    "summarise_parameters",
    "summarise_splits",
    "summarise_stream",
    "summarise_topologies",
    "weighted_median",
    "write_annotated",
    "write_mrbayes_parameters",
    "write_mrbayes_trees",
    "write_netcdf",
    "write_newick_stream",
    "write_nexus_stream",
    "write_parameters",
    "write_posterior",
    "write_sample",
    "write_splits",
    "write_topologies",
    "write_trace",
    "write_trprobs",
]
