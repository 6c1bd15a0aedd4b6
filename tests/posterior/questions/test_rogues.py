"""Rogue taxa, against the entropies of pruned topologies."""

import numpy as np
import pytest

from tests.posterior.questions.examples import SIX, random_draws, weighted
from vbpi_mix.phylo import all_topologies
from vbpi_mix.phylo.topology import from_neighbours, stack
from vbpi_mix.posterior.questions.rogues import rogue_taxa


def pruned(topology, taxon):
    """The topology of the other taxa, numbered anew."""
    n = topology.n_taxa
    around = [set() for _ in range(2 * n - 2)]
    edges = [(0, 2 * n - 3), *((n + i, int(c)) for i, pair in enumerate(topology.children) for c in pair)]
    for a, b in edges:
        around[a].add(b)
        around[b].add(a)
    (joint,) = around[taxon]
    a, b = around[joint] - {taxon}
    around[a] = (around[a] - {joint}) | {b}
    around[b] = (around[b] - {joint}) | {a}
    kept = [i for i in range(2 * n - 2) if i not in (taxon, joint)]
    number = {old: new for new, old in enumerate(kept)}
    return from_neighbours([[number[x] for x in sorted(around[i])] for i in kept], n - 1)[0]


@pytest.mark.parametrize("taxon", [None, 0, 1, 4])
def test_entropies_without_a_taxon(taxon):
    from vbpi_mix.evaluate.clade_distribution import clade_distribution

    draws = random_draws(9)
    trees = draws.distinct if taxon is None else stack([pruned(t, taxon) for t in draws.distinct])
    expected = clade_distribution(trees, draws.probability).entropy()
    found = rogue_taxa(draws)
    assert (found.entropy if taxon is None else found.without[taxon]) == pytest.approx(expected, abs=1e-10)


def test_a_taxon_that_may_be_anywhere_is_a_rogue():
    generator = np.random.default_rng(10)
    five = all_topologies(5)[[3]].children[0]
    placed = [t for t in SIX if (pruned(t, 5).children == five).all()]
    found = rogue_taxa(weighted(stack(placed), generator.dirichlet(np.full(len(placed), 5.0))))
    assert len(placed) == 7
    name, fall = found.largest(1)[0]
    assert name == "t5"
    assert fall == pytest.approx(found.entropy)
