"""Rounds of moves at the posterior after annealing, until what came from the mixture agrees with what did not."""

from dataclasses import replace
from functools import partial

import numpy as np

from vbpi_mix.anneal.chains import ParameterSpread, Walker
from vbpi_mix.anneal.convergence import (
    Convergence,
    NumberedSplits,
    Scalar,
    as_close_as_chance,
    expected_asdsf,
    follow,
    split_agreement_of_groups,
    split_times,
)
from vbpi_mix.anneal.particles import Particles, join_particles
from vbpi_mix.anneal.result import FROM_CANDIDATES, FROM_EXCURSIONS, FROM_MIXTURE, AnnealedPosterior
from vbpi_mix.anneal.sampler import Chains, ChainSample, SamplerSettings, scalars_of
from vbpi_mix.anneal.smc import Annealed, AnnealSettings
from vbpi_mix.clock import time_is_up
from vbpi_mix.evaluate.diagnostics.thresholds import SPLIT_DIFFERENCE, SPLIT_ERROR
from vbpi_mix.experiment.chains import chain_seed
from vbpi_mix.experiment.kept_annealing import KeptAnnealing
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.run import Run

_N_CHAINS = 16  # that go on from particles, for ...
_LEAST = 50  # ... so many rounds or more
_AGREE = 1.5  # times the ASDSF that chains of one side must reach
_PURPOSE_ROUNDS, _PURPOSE_CANDIDATES = 2, 3
_BURN_IN = 0.1
_LOOKS = 4  # in as many rounds as there are at least
_TOLD_EVERY = 80  # rounds of one chain


def rounds_at_the_posterior(
    run: Run,
    walker: Walker,
    groups: list[Annealed],
    past: AnnealedPosterior | None,
    rounds: int | None,
    reporter: Reporter,
    *,
    until: float | None,
    kept: KeptAnnealing,
) -> AnnealedPosterior:
    """Go on with annealed particles until they agree with the chains of the start, or with each other without those.

    Where the particles have gone on for longer than the chains had, the chains go on, too, from where they ended: a
    side that was short would never be met by the other, however long that is.

    Arguments:
        run: a run in a folder.
        walker: moves trees.
        groups: annealed ones.
        past: the chains of the start, if they agreed.
        rounds: rounds of the particles; chosen if not given.
        reporter: told about progress.
        until: `time.perf_counter()` at which to end.
        kept: state that an interrupted call goes on from.
    """
    wanted = SamplerSettings()
    if past is None:
        starts = join_particles([g.particles for g in groups])
        least = rounds or max(4, 40 * AnnealSettings.n_particles // len(groups[0].particles))
    else:  # a few of each group: many, since a mode in which none begins may never be met
        each = min(max(1, _N_CHAINS // len(groups)), *(len(g.particles) for g in groups))
        starts = join_particles([g.particles.take(np.arange(each)) for g in groups])
        least = rounds or _LEAST
    known = _known_trees(groups, past)
    begin = partial(_begin, run, walker, least, _spread(known), known)
    mixture = begin(starts, _PURPOSE_ROUNDS)
    save = kept.go_on(mixture, kept.rounds)
    other: Chains | None = None
    save_other = save
    limit = rounds or 8 * least
    most = limit if rounds or past is None else max(limit, wanted.most)  # where both sides do not agree at all
    target, step = least, max(1, least // _LOOKS)
    told_every = max(1, _TOLD_EVERY // len(starts))

    late = partial(time_is_up, until)

    def advance(chains: Chains, words: str, rounds_wanted: int) -> None:
        while chains.n_rounds < rounds_wanted and not late():
            chains.run(min(told_every, rounds_wanted - chains.n_rounds), stop=late)
            (save if chains is mixture else save_other)()
            reporter.progress(words, chains.n_rounds, rounds_wanted)

    while True:
        advance(mixture, "rounds at the posterior", target)
        if mixture.n_rounds > target:  # saved in a later turn
            target += step
            continue
        side, looked_at = past, []
        if past is not None and target > _length(past):
            save(now=True)  # the file of this side must never be older than that of the other
            if other is None:
                other = begin(_last(past), _PURPOSE_CANDIDATES)
                save_other = kept.go_on(other, kept.other_rounds)
            advance(other, "further rounds of the chains from candidate topologies", target - _length(past))
            sample = other.sample()
            looked_at.append((other, sample))
            further = chains_as_posterior(sample)
            side = past.followed_by(further, np.unique(past.chains)[further.chains])
        sample = mixture.sample()
        looked_at.append((mixture, sample))
        result, splits = _join(run, sample, groups, side)
        enough = result.converged if past is None else _settled(result, splits)
        if enough or mixture.n_rounds >= (limit if result.converged else most) or late():
            break
        for chains, sample in looked_at:
            if sample.waiting:
                chains.hurry_parameters()
        target += step
    found = result.convergence
    what = "both sides" if past is not None else "two halves of the groups"
    text = (
        f"{what} after {mixture.n_rounds} rounds: ASDSF {found.asdsf:.4f}, largest difference of a split "
        f"{found.largest:.3f}, R-hat {found.r_hat:.3f}"
    )
    if result.converged:
        reporter.message(text)
    else:
        more = (
            "--rounds goes on from the mixture" if past is not None else "--groups or --particles weighs modes better"
        )
        reporter.warning(f"{text}: they do not agree yet; `vbpi-mix anneal` with more {more}")
    return result


def chains_as_posterior(sample: ChainSample, side: int = FROM_CANDIDATES) -> AnnealedPosterior:
    """The trees of chains, by default those of a start, in the form that a run's folder keeps."""
    sides = np.full(len(sample.chains), side)
    sides[len(sides) - sample.n_elsewhere :] = FROM_EXCURSIONS
    return AnnealedPosterior(
        particles=sample.particles,
        chains=sample.chains,
        sides=sides,
        log_joint=sample.log_joint,
        group_log_ml=(),
        betas=(),
        n_particles=0,
        n_ancestors=(),
        convergence=sample.convergence,
        converged=sample.converged,
    )


def of_chains(past: AnnealedPosterior) -> AnnealedPosterior:
    """Without the trees of excursions."""
    return past.take(np.flatnonzero(past.sides != FROM_EXCURSIONS))


def _begin(
    run: Run,
    walker: Walker,
    least: int,
    known: ParameterSpread | None,
    shown: Particles,
    starts: Particles,
    purpose: int,
) -> Chains:
    settings = replace(
        SamplerSettings(), n_chains=len(starts), burn_in=_BURN_IN, adapting=min(20, least // 4), fewest=least
    )
    seed = chain_seed(run.config.seed, purpose)
    return Chains(walker, starts, seed=seed, settings=settings, climb=False, known=known, shown=shown)


def _spread(trees: Particles) -> ParameterSpread | None:
    """Mean and covariance of the coordinates of trees; None without parameters."""
    u = trees.coordinates
    d = u.shape[1]
    return ParameterSpread(u.mean(axis=0), np.atleast_2d(np.cov(u.T)) + 1e-8 * np.eye(d)) if d else None


def _known_trees(groups: list[Annealed], past: AnnealedPosterior | None) -> Particles:
    """Those of all particles, and as many of the chains of the start: both sides move by what both know."""
    trees = [g.particles for g in groups]
    if past is not None:
        n = min(len(past.chains), sum(len(t) for t in trees))
        trees.append(past.particles.take(np.linspace(0, len(past.chains) - 1, n).astype(np.int64)))
    return join_particles(trees)


def _length(past: AnnealedPosterior) -> int:
    """Trees of each chain."""
    return int(np.bincount(past.chains).min())


def _last(past: AnnealedPosterior) -> Particles:
    """The last tree of every chain."""
    return past.particles.take(np.array([np.flatnonzero(past.chains == c)[-1] for c in np.unique(past.chains)]))


def _join(
    run: Run, sample: ChainSample, groups: list[Annealed], past: AnnealedPosterior | None
) -> tuple[AnnealedPosterior, NumberedSplits]:
    """The trees of both sides with their agreement, and the trees' splits."""
    settings = SamplerSettings()
    joined = chains_as_posterior(sample, FROM_MIXTURE)
    noise = 0.0
    if past is not None:
        joined = past.followed_by(joined, joined.chains + past.chains.max() + 1)
    splits = NumberedSplits.of(joined.particles.topologies)
    if past is None:
        begun_in = joined.chains // len(groups[0].particles)  # the group that a chain began in
        halves = (2 * begun_in >= len(groups)).astype(np.int64)  # two sides, as where there are chains of the start
        ancestors = sum(g.n_ancestors for g in groups)
        noise = expected_asdsf(splits, 0.5 * ancestors)
        asdsf, largest, n_splits = split_agreement_of_groups(splits, halves)
        scalars = _of_groups(run, joined, begun_in, groups)
    else:
        asdsf, largest, n_splits = split_agreement_of_groups(splits, joined.sides)
        scalars = follow(_by_chain(run, joined, joined.chains))
    error = split_times(splits, joined.chains).largest_error
    convergence = Convergence(asdsf=asdsf, largest=largest, n_splits=n_splits, scalars=scalars, error=error)
    result = replace(
        joined,
        group_log_ml=tuple(g.log_ml for g in groups),
        betas=groups[0].betas,
        n_particles=len(groups[0].particles),
        n_ancestors=tuple(g.n_ancestors for g in groups),
        convergence=convergence,
        converged=convergence.asdsf <= _AGREE * max(settings.asdsf, noise)
        and convergence.r_hat <= 2 * settings.r_hat - 1,
    )
    return result, splits


def _settled(result: AnnealedPosterior, splits: NumberedSplits) -> bool:
    """Whether both sides agree so well that further rounds are not worth their time.

    Frequencies that are not known well may agree by chance at one of many looks, so their error has a limit, too.
    """
    wanted, found = SamplerSettings(), result.convergence
    return (
        as_close_as_chance(found.asdsf, wanted.asdsf, splits, wanted.effective_trees)
        and found.largest <= SPLIT_DIFFERENCE.good
        and found.error <= SPLIT_ERROR.good
        and found.r_hat <= wanted.r_hat
        and found.effective_size >= 2 * wanted.effective_size
    )


def _of_groups(run: Run, trees: AnnealedPosterior, group: np.ndarray, groups: list[Annealed]) -> tuple[Scalar, ...]:
    """R-hat between groups; effective sizes are those of the chains, or the number of ancestors where that is more."""
    between = follow(_by_chain(run, trees, group))
    ancestors = float(sum(g.n_ancestors for g in groups))
    within = {s.name: s.effective_size for s in trees.convergence.scalars}
    return tuple(replace(s, effective_size=np.fmax(ancestors, within[s.name])) for s in between)


def _by_chain(run: Run, trees: AnnealedPosterior, chains: np.ndarray) -> dict[str, np.ndarray]:
    """Scalars (chains, draws) of chains cut to the length of the shortest."""
    columns = scalars_of(run.problem.model, trees.particles, trees.log_joint)
    numbers = np.unique(chains)
    rows = [np.flatnonzero(chains == c) for c in numbers]
    shortest = min(len(r) for r in rows)
    evenly = [r[np.linspace(0, len(r) - 1, shortest).astype(np.int64)] for r in rows]
    return {name: np.stack([x[r] for r in evenly]) for name, x in columns.items()}
