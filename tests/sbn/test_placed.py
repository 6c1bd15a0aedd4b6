import numpy as np
import torch

from vbpi_mix.phylo import random_topologies
from vbpi_mix.sbn import place
from vbpi_mix.support import build_support, encode


def test_parents_sides_and_clades_follow_the_children():
    n_taxa = 9
    topologies = random_topologies(20, n_taxa, np.random.default_rng(1))
    placed = place(encode(build_support(topologies), topologies), torch.device("cpu"))
    np.testing.assert_array_equal(placed.children.numpy(), topologies.children)
    for t in range(20):

        def inner_nodes(node, t=t):
            """Internal nodes of a clade, counted from 0."""
            if node < n_taxa:
                return []
            kids = topologies.children[t, node - n_taxa]
            return [node - n_taxa] + [i for kid in kids for i in inner_nodes(int(kid), t)]

        for i in range(n_taxa - 2):
            clade = sorted(inner_nodes(n_taxa + i))
            assert clade == list(range(int(placed.first[t, i]), i + 1))
            for side, kid in enumerate(topologies.children[t, i].tolist()):
                if kid >= n_taxa:
                    assert (placed.parent[t, kid - n_taxa], placed.side[t, kid - n_taxa]) == (i, side)


def test_entries_of_unknown_topologies_are_marked():
    topologies = random_topologies(30, 7, np.random.default_rng(2))
    support = build_support(topologies[np.arange(3)])
    known, strangers = (
        place(encode(support, topologies[rows]), torch.device("cpu")).entries
        for rows in (np.arange(3), np.arange(3, 30))
    )
    assert (known >= 0).all()
    assert known.max() < support.n_params
    assert (strangers < 0).any(dim=1).sum() > 20
