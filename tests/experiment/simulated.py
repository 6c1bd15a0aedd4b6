"""Small simulated alignments and candidate trees on disk."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.evolve import evolve_states, jukes_cantor
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import Alignment, all_topologies, random_topologies
from vbpi_mix.phylo.alignment import IUPAC


def simulate(topology, lengths, n_sites, seed):
    """(N, n_sites) JC69 characters on a tree: from the top node outwards."""
    generator = np.random.default_rng(seed)
    states = evolve_states(topology, generator.integers(4, size=n_sites), jukes_cantor(lengths, generator))
    return np.array(list("ACGT"))[states]


def write_example(folder, n_taxa=6, n_sites=200, seed=1):
    """An alignment and a list of candidate trees; returns their paths."""
    generator = np.random.default_rng(seed)
    topology = next(iter(random_topologies(1, n_taxa, generator)))
    rows = simulate(topology, generator.exponential(0.1, 2 * n_taxa - 3), n_sites, seed)
    names = [f"taxon {i}" if i == 2 else f"t{i}" for i in range(n_taxa)]
    alignment = folder / "example.fasta"
    alignment.write_text("".join(f">{name}\n{''.join(row)}\n" for name, row in zip(names, rows, strict=True)))
    quoted = [f"'{name}'" for name in names]
    trees = folder / "candidates.nwk"
    candidates = all_topologies(n_taxa) if n_taxa < 7 else random_topologies(200, n_taxa, generator)
    trees.write_text("".join(t.newick(quoted) + "\n" for t in candidates))
    return alignment, trees


@cache
def fitted_example(n_taxa=6, n_components=2, *, model="JC69"):
    """A hardly trained mixture on a small alignment, so that its importance weights matter."""
    with tempfile.TemporaryDirectory() as folder:
        alignment_path, trees = write_example(Path(folder), n_taxa)
        alignment = read_alignment(alignment_path)
        candidates = read_trees([trees], alignment.taxa)
    config = make_config(alignment="example", components=n_components, iterations=60, particles=4, seed=3, model=model)
    return fit_alignment(alignment, candidates, config)


def two_modes():
    """An alignment of 5 taxa under which gamma shape and invariant sites have two modes, and its topology."""
    generator = np.random.default_rng(1)
    topology = next(iter(random_topologies(1, 5, generator)))
    characters = simulate(topology, generator.exponential(0.3, 7) + 0.02, 400, 1)
    characters[:, :280] = characters[:1, :280]
    sets = np.vectorize(IUPAC.__getitem__)(characters).astype(np.uint8)
    return Alignment(taxa=tuple(f"t{i}" for i in range(5)), state_sets=sets), topology
