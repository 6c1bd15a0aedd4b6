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

from benchmarks.evolve import evolve_states
from vbpi_mix.io.alignments import write_fasta
from vbpi_mix.model import substitution_model
from vbpi_mix.model.rate_matrices import rate_matrix
from vbpi_mix.model.substitution import ReversibleModel
from vbpi_mix.phylo import PROTEIN, Alignment, Topology, random_topologies, site_patterns

_ANY = np.full((4, 1), PROTEIN.missing, dtype=PROTEIN.dtype)
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


def evolve_protein(n_taxa: int, n_sites: int, generator: np.random.Generator) -> tuple[Alignment, np.ndarray, Topology]:
    """Proteins evolved under LG+G4 (shape 0.8) on a random tree with exponential lengths of mean 0.1.

    Returns:
        The alignment, (2N-3,) lengths and the topology.
    """
    alignment = Alignment(taxa=tuple(f"t{i}" for i in range(4)), state_sets=_ANY, data_type=PROTEIN)
    model = substitution_model("LG+G4{0.8}", site_patterns(alignment))
    assert isinstance(model, ReversibleModel)
    frequencies = model.root_frequencies()
    matrix = rate_matrix(model.exchangeabilities, frequencies).numpy()
    (topology,) = random_topologies(1, n_taxa, generator)
    lengths = generator.exponential(0.1, size=2 * n_taxa - 3)
    category = generator.integers(4, size=n_sites)
    rates = model.site_rates.rates().numpy()

    def along(states: np.ndarray, edge: int) -> np.ndarray:
        steps = np.stack([expm(matrix * rate * lengths[edge]) for rate in rates]).cumsum(axis=2)[category, states]
        return (generator.random(n_sites)[:, None] > steps).sum(axis=1).clip(0, 19)

    root_states = generator.choice(20, size=n_sites, p=frequencies.numpy())
    sets = (1 << evolve_states(topology, root_states, along)).astype(PROTEIN.dtype)
    taxa = tuple(f"t{i}" for i in range(n_taxa))
    return Alignment(taxa=taxa, state_sets=sets, data_type=PROTEIN), lengths, topology


def simulate_protein(n_taxa: int, seed: int, folder: Path, *, n_sites: int = 500) -> Path:
    """Write what `evolve_protein` makes as FASTA; returns its path."""
    alignment, _, _ = evolve_protein(n_taxa, n_sites, np.random.default_rng(seed))
    path = folder / f"protein{n_taxa}_{seed}.fasta"
    write_fasta(alignment, path)
    return path
