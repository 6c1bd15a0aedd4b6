"""Made-up posteriors for the tests of this folder."""

import numpy as np

from vbpi_mix.phylo import random_topologies
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.export.tree_stream import CHUNK, stream_draws

PRIMATES = (
    "Tarsius_syrichta", "Lemur catta", "Homo_sapiens", "Pan", "Gorilla", "Pongo", "Hylobates", "Macaca 'fuscata'",
    "M_mulatta", "M_fascicularis", "M (sylvanus)", "Saimiri_sciureus",
)  # fmt: skip


def made_up_draws(n_trees=400, n_taxa=12, *, n_topologies=4, ratio=0.3, seed=3, equal=False, taxa=None, parameters=()):
    """Draws over random topologies, each `ratio` as frequent as the one before, with log-normal weights."""
    generator = np.random.default_rng(seed)
    pool = random_topologies(n_topologies, n_taxa, generator)
    share = ratio ** np.arange(n_topologies)
    picked = generator.choice(n_topologies, n_trees, p=share / share.sum())
    if taxa is None:
        taxa = PRIMATES[:n_taxa] if n_taxa <= len(PRIMATES) else tuple(f"t{i}" for i in range(n_taxa))
    return PosteriorDraws(
        taxa=taxa,
        topologies=pool[picked],
        branch_lengths=generator.gamma(2.0, 0.05, (n_trees, 2 * n_taxa - 3)),
        log_weights=np.zeros(n_trees) if equal else generator.normal(-7000, 0.8, n_trees),
        components=generator.integers(0, 2, n_trees),
        parameters=generator.gamma(2.0, 0.5, (n_trees, len(parameters))),
        parameter_names=tuple(parameters),
    )


def made_up_stream(n_trees=400, n_taxa=12, *, chunk_size=CHUNK, **options):
    """The same as a stream, with made-up scores."""
    draws = made_up_draws(n_trees, n_taxa, **options)
    generator = np.random.default_rng(9)
    log_likelihood, log_prior = generator.normal(-6000, 3, n_trees), generator.normal(14, 1, n_trees)
    return stream_draws(draws, log_likelihood, log_prior, chunk_size=chunk_size)
