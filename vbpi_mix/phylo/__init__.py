"""Values of the field: alignments, site patterns, clades, topologies, tree samples. NumPy only."""

from vbpi_mix.phylo.alignment import Alignment, Section, SitePatterns, merge_relabelled, site_patterns
from vbpi_mix.phylo.data_type import DNA, PROTEIN, DataType, data_type, standard
from vbpi_mix.phylo.enumerate import all_topologies, log_n_topologies, random_topologies
from vbpi_mix.phylo.neighbours import nni_neighbours, spr_neighbours
from vbpi_mix.phylo.partition import Partition
from vbpi_mix.phylo.topology import Topology, TopologyBatch, from_neighbours, stack
from vbpi_mix.phylo.tree_sample import TreeSample, collect

__all__ = [
    "DNA",
    "PROTEIN",
    "Alignment",
    "DataType",
    "Partition",
    "Section",
    "SitePatterns",
    "Topology",
    "TopologyBatch",
    "TreeSample",
    "all_topologies",
    "collect",
    "data_type",
    "from_neighbours",
    "log_n_topologies",
    "merge_relabelled",
    "nni_neighbours",
    "random_topologies",
    "site_patterns",
    "spr_neighbours",
    "stack",
    "standard",
]
