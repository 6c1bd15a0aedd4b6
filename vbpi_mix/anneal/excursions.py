"""Excursions: do chains that agree lack a mode?

Chains that begin at similar trees agree with each other also where all of them have missed a mode that holds a part of
the posterior behind a valley of low probability. A copy of every chain is heated (the posterior to a power below 1) for
some rounds, in which it crosses valleys, and cooled again. Where it is in splits then that the chains have hardly ever
visited, it samples there for a while. If it stays, there is a mode that the chains lack, and the mode is known well
enough afterwards; if it leaves, no valley keeps chains from going there as often as they should. How much of the
posterior the mode holds is not known so; annealing weighs it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vbpi_mix.anneal.chains import PathDensity, Walker
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.sampler import ChainSample
from vbpi_mix.anneal.trees import split_hashes


@dataclass(frozen=True, kw_only=True)
class ExcursionSettings:
    """How chains are heated, and what counts as elsewhere.

    Arguments:
        betas: powers of the posterior, which the copies take in turns: some valleys are crossed at the one, some at
            the other.
        hot: rounds at these powers.
        cooling: rounds at the posterior before trees are looked at.
        watched: rounds in which they are.
        steps: number of steps of the parameters and the tree length in a round.
        rare: largest frequency among the chains' trees ...
        lasting: ... of a split that at least this share of the watched trees has, and of those after them.
        collected: rounds of the excursions that ended elsewhere, whose trees are kept.
    """

    betas: tuple[float, ...] = (0.5, 0.3)
    hot: int = 20
    cooling: int = 10
    watched: int = 10
    steps: int = 2
    rare: float = 0.01
    lasting: float = 0.7
    collected: int = 100


@dataclass(frozen=True, kw_only=True)
class Excursions:
    """Where excursions ended.

    Arguments:
        n_tried: number of excursions.
        n_elsewhere: number of those that ended in trees which the chains lack.
        particles: trees of these after that, each excursion's together.
        log_joint: log density of data, tree, log lengths and coordinates, of each tree.
    """

    n_tried: int
    n_elsewhere: int
    particles: Particles
    log_joint: np.ndarray


def make_excursions(
    walker: Walker, sample: ChainSample, *, seed: np.random.SeedSequence, settings: ExcursionSettings | None = None
) -> Excursions:
    """Heat a copy of every chain, cool it, and look where it is.

    Arguments:
        walker: moves trees.
        sample: chains that agree.
        seed: seed of all draws.
        settings: settings of the heating.
    """
    settings = settings or ExcursionSettings()
    n = int(sample.chains.max()) + 1
    own, *others = seed.spawn(n + 1)
    generator, generators = np.random.default_rng(own), [np.random.default_rng(s) for s in others]
    now = sample.particles.take(np.arange(len(sample.chains) - n, len(sample.chains)))

    def move(particles: Particles, of: Sequence[np.random.Generator], beta: float = 1.0) -> Particles:
        moved = walker.move(particles, of, rounds=1.0, typical=sample.typical, beta=beta)
        return sample.scaling.move(moved, generator, steps=settings.steps, beta=beta)

    parts = []
    for k, beta in enumerate(settings.betas[:n]):
        rows = np.arange(k, n, len(settings.betas))
        part = now.take(rows)
        for _ in range(settings.hot):
            part = move(part, [generators[i] for i in rows], beta)
        parts.append((rows, part))
    now = join_particles([part for _, part in parts])
    now = now.take(np.argsort(np.concatenate([rows for rows, _ in parts])))
    visited = []
    for i in range(settings.cooling + settings.watched):
        now = move(now, generators)
        if i >= settings.cooling:
            visited.append(split_hashes(now.topologies))
    known, counts = np.unique(split_hashes(sample.particles.topologies), return_counts=True)
    common = known[counts > settings.rare * len(sample.particles)]
    seen = np.stack(visited)  # (rounds, n, splits)
    elsewhere = [i for i in range(n) if _lasting(seen[:, i], common, settings.lasting)]
    nothing = Excursions(n_tried=n, n_elsewhere=0, particles=now.take(np.arange(0)), log_joint=np.empty(0))
    if not elsewhere:
        return nothing
    now = now.take(np.array(elsewhere))
    kept = []
    for _ in range(settings.collected):
        now = move(now, [generators[i] for i in elsewhere])
        kept.append(now)
    seen = np.stack([split_hashes(p.topologies) for p in kept])
    stayed = [i for i in range(len(elsewhere)) if _lasting(seen[:, i], common, settings.lasting)]
    if not stayed:
        return nothing
    particles = join_particles([p.take(np.array([i])) for i in stayed for p in kept])
    density = PathDensity(walker.model, particles.topologies, None, 1.0)
    joint = density.log_posterior(particles.log_lengths, particles.coordinates, particles.log_likelihood)
    return Excursions(n_tried=n, n_elsewhere=len(stayed), particles=particles, log_joint=joint)


def with_excursions(sample: ChainSample, found: Excursions, share: float = 0.1) -> ChainSample:
    """A sample that knows of the modes that its chains lack, and nothing of their shares; it counts as not converged.

    Arguments:
        sample: sample of the chains.
        found: excursions, some of which ended elsewhere; each becomes a chain of its own.
        share: share of the trees that theirs get, by being repeated.
    """
    times = max(1, round(share * len(sample.particles) / len(found.particles)))
    rows = np.repeat(np.arange(len(found.particles)), times)
    each = len(rows) // found.n_elsewhere
    chains = sample.chains.max() + 1 + np.arange(len(rows)) // each
    return replace(
        sample,
        particles=join_particles([sample.particles, found.particles.take(rows)]),
        chains=np.concatenate([sample.chains, chains]),
        log_joint=np.concatenate([sample.log_joint, found.log_joint[rows]]),
        n_elsewhere=len(rows),
        converged=False,
        stuck=True,
    )


def _lasting(visited: np.ndarray, common: np.ndarray, share: float) -> bool:
    """Whether most trees, (rounds, splits), have one and the same split that is not among the common ones."""
    splits, counts = np.unique(visited, return_counts=True)
    return bool((~np.isin(splits, common) & (counts >= share * len(visited))).any())
