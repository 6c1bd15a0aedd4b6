"""Made-up posteriors of six taxa."""

import numpy as np

from tests.phylo.test_constraint_counts import names
from vbpi_mix.phylo import all_topologies
from vbpi_mix.posterior.questions.hypotheses import TopologyDraws

SIX = all_topologies(6)


def weighted(topologies, p):
    return TopologyDraws(
        taxa=names(topologies.n_taxa), topologies=topologies, weights=np.asarray(p) / np.sum(p), effective_size=1000.0
    )


def random_draws(seed, n=30):
    generator = np.random.default_rng(seed)
    chosen = generator.choice(SIX.n_trees, n, replace=False)
    return weighted(SIX[chosen], generator.dirichlet(np.full(n, 0.4)))
