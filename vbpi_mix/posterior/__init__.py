"""Weighted draws from the posterior: summaries, consensus, pictures, files."""

from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.consensus_text import consensus_newick, consensus_nexus
from vbpi_mix.posterior.draw_text import draw_consensus
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.files import PosteriorSummary, write_posterior, write_sample
from vbpi_mix.posterior.picture import consensus_figure
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary, summarise_splits, summarise_topologies
from vbpi_mix.posterior.tables import write_splits, write_topologies

__all__ = [
    "ConsensusTree",
    "PosteriorDraws",
    "PosteriorSummary",
    "SplitSummary",
    "TopologySummary",
    "consensus_figure",
    "consensus_newick",
    "consensus_nexus",
    "consensus_tree",
    "draw_consensus",
    "summarise_splits",
    "summarise_topologies",
    "write_posterior",
    "write_sample",
    "write_splits",
    "write_topologies",
]
