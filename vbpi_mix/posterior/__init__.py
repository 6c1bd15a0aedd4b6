"""Weighted draws from the posterior: summaries, consensus, pictures, files."""

from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.drawing.tree_text import draw_consensus
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.export.annotated import AnnotatedTree, annotated_consensus, annotated_map, summarise_stream
from vbpi_mix.posterior.export.consensus_files import consensus_newick, consensus_nexus, write_annotated
from vbpi_mix.posterior.export.folder import PosteriorSummary, write_posterior, write_sample
from vbpi_mix.posterior.export.mrbayes_files import write_mrbayes_parameters, write_mrbayes_trees, write_trprobs
from vbpi_mix.posterior.export.netcdf_file import write_netcdf
from vbpi_mix.posterior.export.tables import write_parameters, write_splits, write_topologies
from vbpi_mix.posterior.export.topology_ranking import TopologyRanking, rank_topologies
from vbpi_mix.posterior.export.trace_file import write_trace
from vbpi_mix.posterior.export.tree_files import write_newick_stream, write_nexus_stream
from vbpi_mix.posterior.export.tree_stream import TreeChunk, TreeStream, stream_draws
from vbpi_mix.posterior.intervals import highest_density_interval, weighted_median
from vbpi_mix.posterior.parameter_summary import ParameterSummary, summarise_parameters
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary, summarise_splits, summarise_topologies
from vbpi_mix.posterior.weighted_sample import WeightedSample

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
    "WeightedSample",
    "annotated_consensus",
    "annotated_map",
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
