"""Small posteriors whose topologies can be enumerated, and moves on them."""

from functools import cache

import numpy as np
import torch
from scipy.stats import multivariate_t

from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.model import PhyloModel
from vbpi_mix.model.length_density import negative_hessian
from vbpi_mix.phylo import SitePatterns, TopologyBatch, all_topologies
from vbpi_mix.start.lengths import optimise_lengths

TAXA = 5
TYPICAL = np.array([-2.5, -3.0])
GENERAL = "GTR{1.2,3.1,0.7,0.9,4.0}+F{0.3,0.2,0.2,0.3}+I{0.2}+G4{0.5}"


def conflicting_patterns(n_sites=60, seed=3):
    """Sites of five taxa that leave several topologies possible."""
    generator = np.random.default_rng(seed)

    def mutated(states, share):
        changed = generator.random(n_sites) < share
        return np.where(changed, generator.integers(4, size=n_sites), states)

    root = generator.integers(4, size=n_sites)
    x, y = mutated(root, 0.06), mutated(root, 0.06)
    rows = [mutated(x, 0.15), mutated(x, 0.15), mutated(y, 0.15), mutated(y, 0.2), mutated(root, 0.1)]
    return SitePatterns(state_sets=(1 << np.array(rows)).astype(np.uint8), weights=np.ones(n_sites))


def no_data(n_taxa=TAXA):
    """One site of which nothing is known: the posterior is the prior."""
    return SitePatterns(state_sets=np.full((n_taxa, 1), 15, dtype=np.uint8), weights=np.ones(1))


def exact_posterior(model, n_draws=20_000, seed=0):
    """Log marginal likelihoods (T,) of all topologies and mean lengths (T, E), by importance sampling from modes."""
    generator = np.random.default_rng(seed)
    topologies = all_topologies(model.n_taxa)
    modes = optimise_lengths(model, topologies)
    log_ml, means = [], []
    for i in range(topologies.n_trees):
        values, vectors = np.linalg.eigh(negative_hessian(model, topologies[[i]], modes.log_lengths[[i]])[0])
        covariance = (vectors / np.maximum(values, 0.3)) @ vectors.T
        proposal = multivariate_t(modes.log_lengths[i], 1.3 * covariance, df=4, seed=generator)
        x = proposal.rvs(n_draws)
        same = TopologyBatch(np.repeat(topologies.children[[i]], n_draws, axis=0))
        log_w = model.log_joint(torch.from_numpy(np.exp(x)), same).numpy() + x.sum(axis=1) - proposal.logpdf(x)
        w = np.exp(log_w - log_w.max())
        log_ml.append(log_w.max() + np.log(w.mean()))
        means.append((w[:, None] * np.exp(x)).sum(axis=0) / w.sum())
    return np.array(log_ml), np.array(means)


@cache
def exact_conflicting():
    """The exact posterior of `small_model()`; log marginal likelihoods are known to about 0.003."""
    return exact_posterior(small_model(), n_draws=80_000)


def walk_chains(model, settings=None, *, n_chains=40, n_rounds=300, burn_in=30, seed=1, rounds=0.5, **of_move):
    """Frequencies (chains, T) of topologies and mean lengths (chains, E) of independent chains of moves.

    Arguments, besides those of `Chains` and `Walker`:
        rounds: over the edges, between draws.
        of_move: arguments of `Walker.move`.
    """
    walker = Walker(model, settings=settings)
    topologies = all_topologies(model.n_taxa)
    number = {row.tobytes(): i for i, row in enumerate(topologies.children)}
    allowed = np.flatnonzero(model.allows(topologies))
    start = allowed[np.arange(n_chains) % len(allowed)]
    particles = Particles(
        topologies=topologies[start],
        log_lengths=np.full((n_chains, topologies.n_edges), -2.0),
        coordinates=np.zeros((n_chains, 0)),
        log_likelihood=np.zeros(n_chains),
    )
    generators = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n_chains)]
    frequencies = np.zeros((n_chains, topologies.n_trees))
    lengths = np.zeros((n_chains, topologies.n_edges))
    for i in range(n_rounds):
        particles = walker.move(particles, generators, rounds=rounds, typical=TYPICAL, **of_move)
        if i >= burn_in:
            found = [number[row.tobytes()] for row in particles.topologies.children]
            frequencies[np.arange(n_chains), found] += 1
            lengths += np.exp(particles.log_lengths)
    kept = n_rounds - burn_in
    return frequencies / kept, lengths / kept, particles


def small_model(patterns=None, model="JC69", **options):
    found = conflicting_patterns() if patterns is None else patterns
    return PhyloModel(found, found.n_taxa, substitution_model=model, **options)
