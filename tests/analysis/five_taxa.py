"""A fit on five taxa, where the posterior of every topology is known from importance sampling from its mode."""

from functools import cache

import numpy as np

from tests.anneal.examples import conflicting_patterns, exact_conflicting
from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.experiment import fit_alignment, make_config
from vbpi_mix.phylo import Alignment, all_topologies, collect

TAXA = tuple("abcde")
EVERY = all_topologies(5)
Z = 4.7  # standard errors: one in 500,000 tests fails by chance
NOT_KNOWN = 0.004  # of the exact probabilities


@cache
def exact():
    log_ml, _ = exact_conflicting()
    return log_ml, np.exp(log_ml - np.logaddexp.reduce(log_ml))


@cache
def fitted(candidates=15, n_repeats=10):
    alignment = Alignment(taxa=TAXA, state_sets=conflicting_patterns().state_sets)
    order = np.argsort(-exact()[1])[:candidates]
    extra = {} if candidates == 15 else {"recipe": "paper", "annealing_iterations": 0}  # a support of candidates alone
    config = make_config(alignment="x", model="JC69", components=2, iterations=500, seed=2, **extra)
    run = fit_alignment(alignment, collect(TAXA, EVERY[order]), config)
    return Posterior(run, run.weighted_sample(n_particles=1000, n_repeats=n_repeats))
