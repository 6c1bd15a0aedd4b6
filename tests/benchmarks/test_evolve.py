import numpy as np

from benchmarks.evolve import evolve_states, jukes_cantor
from tests.statistics import FAILURE_RATE
from vbpi_mix.phylo import random_topologies


def test_pairs_of_taxa_agree_as_often_as_jc69_says():
    n_taxa, n_sites = 6, 20_000
    generator = np.random.default_rng(3)
    (topology,) = random_topologies(1, n_taxa, generator)
    lengths = generator.exponential(0.2, size=2 * n_taxa - 3)
    states = evolve_states(topology, generator.integers(4, size=n_sites), jukes_cantor(lengths, generator))

    edges = [{0} if edge == 0 else taxa for edge, taxa in _taxa_below(topology).items()]
    for a in range(n_taxa):
        for b in range(a):
            apart = sum(lengths[edge] for edge, taxa in enumerate(edges) if (a in taxa) != (b in taxa))
            expected = 0.25 + 0.75 * np.exp(-4 / 3 * apart)
            error = np.sqrt(expected * (1 - expected) / n_sites)
            assert abs((states[a] == states[b]).mean() - expected) < 6.5 * error, FAILURE_RATE
    assert (np.abs([(row == 0).mean() - 0.25 for row in states]) < 6.5 * np.sqrt(0.1875 / n_sites)).all()


def _taxa_below(topology):
    """Taxa on the lower side of each edge; the edge of taxon 0 has all others, or taxon 0 alone, on a side."""
    n = topology.n_taxa
    below = {i: {i} for i in range(n)}
    for i, pair in enumerate(topology.children.tolist()):
        below[n + i] = below[pair[0]] | below[pair[1]]
    return {edge: below[edge] for edge in range(2 * n - 3)}
