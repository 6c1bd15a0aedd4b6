"""The effective number of topologies of a posterior, from few trees."""

import numpy as np

from vbpi_mix.anneal.flatness import effective_topologies
from vbpi_mix.phylo import TopologyBatch, all_topologies


def test_a_single_topology_is_not_flat_and_all_different_ones_are():
    topologies = all_topologies(6)
    chains = np.arange(60) % 2
    assert effective_topologies(TopologyBatch(topologies.children[np.zeros(60, dtype=int)]), chains) == 1.0
    assert effective_topologies(TopologyBatch(topologies.children[:60]), chains) > 300
