"""Small problems for the start of a fit."""

import numpy as np

from tests.experiment.simulated import simulate
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, random_topologies, site_patterns
from vbpi_mix.phylo.alignment import IUPAC


def example(n_taxa=6, n_sites=120, seed=2, missing=False):
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    characters = simulate(topology, generator.exponential(0.1, 2 * n_taxa - 3), n_sites, seed)
    if missing:
        characters = np.full_like(characters, "-")
    sets = np.vectorize(IUPAC.__getitem__)(characters).astype(np.uint8)
    names = tuple(f"t{i}" for i in range(n_taxa))
    patterns = site_patterns(Alignment(taxa=names, state_sets=sets))
    return names, PhyloModel(patterns, n_taxa), topology
