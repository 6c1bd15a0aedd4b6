"""Simulated alignments of many taxa with few sites: birth-death trees, relaxed rates, HKY.

After the benchmarks of VINE (Siepel, Hassett and Staklinski, bioRxiv 2025.12.24.696405): kappa 4, frequencies .3 .2 .2
.3, 300 sites, root height about 1.
"""

import random
from pathlib import Path

import dendropy
import numpy as np
from dendropy.simulate import treesim
from scipy.linalg import expm

KAPPA, FREQUENCIES = 4.0, np.array([0.3, 0.2, 0.2, 0.3])


def simulate(n_taxa: int, seed: int, folder: Path, *, n_sites: int = 300) -> tuple[Path, Path]:
    """Write an alignment and the tree it evolved on; returns their paths, FASTA and Newick."""
    generator = np.random.default_rng(seed)
    tree = treesim.birth_death_tree(1.0, 0.5, num_extant_tips=n_taxa, rng=random.Random(seed))
    height = max(leaf.distance_from_root() for leaf in tree.leaf_node_iter())
    for edge in tree.preorder_edge_iter():
        if edge.length is not None:
            edge.length = max(edge.length / height * float(generator.lognormal(-0.18, 0.6)), 0.02)
    rates = np.tile(FREQUENCIES, (4, 1))
    for a, b in ((0, 2), (2, 0), (1, 3), (3, 1)):
        rates[a, b] *= KAPPA
    np.fill_diagonal(rates, 0.0)
    np.fill_diagonal(rates, -rates.sum(axis=1))
    rates /= -(FREQUENCIES * np.diag(rates)).sum()
    states: dict[dendropy.Node, np.ndarray] = {}
    for node in tree.preorder_node_iter():
        if node.parent_node is None:
            states[node] = generator.choice(4, n_sites, p=FREQUENCIES)
            continue
        steps = expm(rates * (node.edge.length or 0.0)).cumsum(axis=1)[states[node.parent_node]]
        states[node] = (generator.random(n_sites)[:, None] > steps).sum(axis=1).clip(0, 3)
    alignment, truth = folder / f"sim{n_taxa}_{seed}.fasta", folder / f"sim{n_taxa}_{seed}.nwk"
    with alignment.open("w") as file:
        for leaf in tree.leaf_node_iter():
            file.write(f">{leaf.taxon.label}\n{''.join('ACGT'[i] for i in states[leaf])}\n")
    tree.write(path=truth, schema="newick", suppress_rooting=True, unquoted_underscores=True)
    return alignment, truth
