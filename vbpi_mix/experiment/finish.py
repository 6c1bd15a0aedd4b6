"""The last step of a fit: importance weights where they are good, annealing from the mixture where they are not."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from vbpi_mix.anneal.batched.path_moves import BatchedMoves
from vbpi_mix.anneal.bridge import bridged_log_ml
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.path_moves import LocalMoves, PathMoves
from vbpi_mix.anneal.result import FROM_MIXTURE, AnnealedPosterior, load_annealed
from vbpi_mix.anneal.smc import Annealed, AnnealSettings, anneal, heat
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.clock import time_is_up
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate import Evaluation
from vbpi_mix.evaluate.diagnostics.thresholds import EFFECTIVE_DRAWS
from vbpi_mix.evaluate.sampling import draw_weighted
from vbpi_mix.experiment.chains import chain_seed
from vbpi_mix.experiment.device import annealing_device
from vbpi_mix.experiment.kept_annealing import KeptAnnealing
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.rounds import of_chains, rounds_at_the_posterior
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import CHAIN_STREAM
from vbpi_mix.seeding import torch_generator
from vbpi_mix.threads import torch_threads

_N_GROUPS = 4
_MANY_PARTICLES = 256  # of a group that weighs modes between which chains do not pass, ...
_MANY_TAXA = 150  # ... and fewer for more taxa,
_FEWEST_PARTICLES = 40  # but not below this
_FIRST_SHARE = 0.5  # the group that chooses the temperatures has so many times as many particles as the others, ...
_FEWEST_OF_FIRST = 32  # ... but not fewer than this


class _OutOfTimeError(Exception):
    """No time for another temperature."""


_REFERENCE_DRAWS = 2_000
_JUDGED_BY = (5, 500)  # repeats and draws of each component
_EVALUATED = 40_000  # draws of a whole evaluation
_ONE_WAY = 0.2  # nats: error of the log marginal likelihood up to which the way to the posterior suffices
_PURPOSE_ANNEAL, _PURPOSE_HEAT = 1, 5


@torch_threads(1)
def finish_run(run: Run, reporter: Reporter, *, until: float | None = None, device: str = "cpu") -> Run:
    """Anneal a trained run if its settings ask for it, or leave the decision to its importance weights.

    A run that started from a sample of chains is annealed unless its settings say otherwise.

    Arguments:
        run: run in a folder.
        reporter: told about progress.
        until: `time.perf_counter()` at which annealing ends.
        device: a word of `experiment.device.Device`: what moves the particles.
    """
    if run.folder is None or run.config.finish == "importance":
        return run
    if run.folder.annealed.is_file():
        return replace(run, annealed=load_annealed(run.folder.annealed))
    # few draws say little of rare large weights; where chains have sampled already, annealing costs less than a mistake
    if run.config.finish == "auto" and not run.folder.chains.is_file():
        n_repeats, n_particles = _JUDGED_BY
        evaluation = run.evaluate(n_particles=n_particles, n_repeats=n_repeats)
        enough = EFFECTIVE_DRAWS.good if until is None else EFFECTIVE_DRAWS.fair  # little time is better kept
        if good_weights(evaluation, enough):
            return run
        reporter.message(
            f"importance weights are not dependable (Pareto k {evaluation.pareto_k:.2f}, effective share "
            f"{evaluation.relative_ess:.1%}): annealing from the mixture to the posterior"
        )
    return anneal_run(run, reporter, until=until, device=device)


def good_weights(evaluation: Evaluation, enough: float = EFFECTIVE_DRAWS.good) -> bool:
    """Whether importance weights are dependable, and a whole evaluation would have enough effective draws."""
    return evaluation.tail.verdict != "unreliable" and evaluation.relative_ess * _EVALUATED >= enough


@torch_threads(1)
def anneal_run(
    run: Run,
    reporter: Reporter,
    *,
    settings: AnnealSettings | None = None,
    n_groups: int = _N_GROUPS,
    rounds: int | None = None,
    until: float | None = None,
    device: str = "cpu",
) -> Run:
    """Anneal groups of particles from the mixture to the posterior, and compare them with the chains of the start.

    Arguments:
        run: run in a folder; results of an earlier annealing are replaced.
        reporter: told about progress.
        settings: settings of the groups.
        n_groups: independent groups that the marginal likelihood is estimated from.
        rounds: rounds of the particles at the posterior; chosen if not given.
        until: `time.perf_counter()` at which annealing ends.
        device: a word of `experiment.device.Device`: what moves the particles of the groups.

    Raises:
        ConfigError: the run is kept in no folder, or there are fewer than two groups.
        ConfigError, BackendError: the device cannot be used, see `experiment.device.annealing_device`.
    """
    if run.folder is None:
        raise ConfigError("annealing needs a run that is kept in a folder")
    if n_groups < 2:
        raise ConfigError(f"annealing needs two groups at least, not {n_groups}: their spread is the error")
    past = load_annealed(run.folder.chains) if run.folder.chains.is_file() else None
    agreed = past is not None and past.converged
    if settings is None:
        usual = AnnealSettings.n_particles if agreed or past is None else _MANY_PARTICLES
        share = min(1.0, _MANY_TAXA / run.problem.model.n_taxa)
        settings = AnnealSettings(n_particles=max(_FEWEST_PARTICLES, round(share * usual)))
    drawn = mixture_particles(run, _REFERENCE_DRAWS) if past is None else past.particles
    walker = Walker(run.problem.model, drawn.topologies)
    few = drawn.take(np.linspace(0, len(drawn) - 1, min(len(drawn), 500)).astype(np.int64))
    place = annealing_device(device, walker.model, settings.n_particles, reporter)
    reference = TreeReference(drawn, np.ones(len(drawn)), None if past is None else past.chains)
    moves = _moves_on(place, walker, reference, drawn, few)
    kept = KeptAnnealing.of(run, drawn, settings, n_groups, place)
    groups = _anneal_groups(moves, settings, n_groups, run.config.seed, reporter, until, kept)
    if len(groups) < 2:
        what = "importance weights" if past is None else "the chains from candidate topologies alone"
        reporter.warning(f"no time left to anneal: the posterior comes from {what}; `vbpi-mix anneal` makes up for it")
        return run if past is None else replace(run, annealed=of_chains(past))
    # chains that do not agree say where the modes are, and nothing of their shares
    result = rounds_at_the_posterior(
        run, walker, groups, past if agreed else None, rounds, reporter, until=until, kept=kept
    )
    result = _both_ways(result, moves, groups, settings, run.config.seed, reporter, until, kept)
    result.save(run.folder.annealed)
    kept.clear()
    return replace(run, annealed=result)


def _moves_on(
    place: torch.device | None, walker: Walker, reference: TreeReference, drawn: Particles, few: Particles
) -> PathMoves:
    """Moves on a device, or on the CPU without one; steps of the parameters are tuned to a few of the trees drawn."""
    model = walker.model if place is None else walker.model.placed("triton", place)
    scaling = Scaling(model)
    scaling.learn(few)
    if place is None:
        return LocalMoves(walker, scaling, reference, typical_lengths(drawn.log_lengths))
    return BatchedMoves(model, scaling, reference)


def mixture_particles(run: Run, n_draws: int) -> Particles:
    """Trees drawn from the mixture, not weighted."""
    generator = torch_generator(run.config.seed, stream=CHAIN_STREAM)
    each = -(-n_draws // run.problem.n_components)
    with torch_threads(1):
        trees = draw_weighted(run.problem, each, generator).trees
    return Particles(
        topologies=trees.encoded.topologies,
        log_lengths=trees.log_lengths.numpy(),
        coordinates=trees.parameters.numpy(),
        log_likelihood=np.full(len(trees.log_lengths), np.nan),
    )


def _anneal_groups(
    moves: PathMoves,
    settings: AnnealSettings,
    n_groups: int,
    seed: int,
    reporter: Reporter,
    until: float | None,
    kept: KeptAnnealing,
) -> list[Annealed]:
    """Groups with temperatures and tuning of a first, smaller one, which is left out; fewer where time is up."""
    seeds = chain_seed(seed, _PURPOSE_ANNEAL).spawn(n_groups + 1)

    def tell(done: int) -> Callable[[float], None]:
        def report(beta: float) -> None:
            reporter.progress(
                "annealing", done * 100 + round(100 * beta), (n_groups + 1) * 100, f"inverse temperature {beta:.3f}"
            )
            if time_is_up(until):
                raise _OutOfTimeError

        return report

    def one(number: int, first: Annealed | None) -> Annealed:
        few = min(settings.n_particles, max(_FEWEST_OF_FIRST, round(_FIRST_SHARE * settings.n_particles)))
        return anneal(
            moves,
            seed=seeds[number],
            settings=replace(settings, n_particles=few) if first is None else settings,
            betas=None if first is None else first.betas,
            tuned=None if first is None else first.tuned,
            report=tell(number),
        )

    groups: list[Annealed] = []
    if len(kept.groups):
        done = min(len(kept.groups), n_groups + 1)  # others of those kept are on their way back
        reporter.message(f"annealing goes on after {done} of {n_groups + 1} groups")
    try:
        first = kept.group(0, lambda: one(0, None))
        for number in range(1, n_groups + 1):
            found = kept.group(number, partial(one, number, first))
            groups.append(found)
    except _OutOfTimeError:
        if len(groups) < 2:
            return []
        reporter.warning(f"time is up: {len(groups)} of {n_groups} groups were annealed")
    left = np.mean([g.n_ancestors for g in groups]) / settings.n_particles
    reporter.message(
        f"{len(groups)} groups of {settings.n_particles} particles annealed in {len(groups[0].betas)} temperatures; "
        f"{left:.0%} of the first ancestors are left"
    )
    return groups


def _both_ways(
    result: AnnealedPosterior,
    moves: PathMoves,
    groups: list[Annealed],
    settings: AnnealSettings,
    seed: int,
    reporter: Reporter,
    until: float | None,
    kept: KeptAnnealing,
) -> AnnealedPosterior:
    """The result with a marginal likelihood from particles of both directions, where one knows it too roughly."""
    _, error = result.log_ml
    if error <= _ONE_WAY or time_is_up(until):
        return result
    # the reference knows the trees that it was made of too well
    trees, n = result.particles.take(np.flatnonzero(result.sides == FROM_MIXTURE)), settings.n_particles
    seeds = chain_seed(seed, _PURPOSE_HEAT).spawn(len(groups))
    bridged: list[float] = []

    def report(beta: float) -> None:
        done = len(bridged) * 100 + round(100 * (1.0 - beta))
        reporter.progress("back to the reference", done, len(groups) * 100, f"inverse temperature {beta:.3f}")
        if time_is_up(until):
            raise _OutOfTimeError

    try:
        for group, own in zip(groups, seeds, strict=True):
            chosen = np.random.default_rng(own).choice(len(trees), n, replace=len(trees) < n)
            start = trees.take(chosen)
            back = partial(heat, moves, start, group, seed=own, settings=settings, report=report)
            bridged.append(bridged_log_ml(group, kept.way_back(len(bridged), start, back)))
    except _OutOfTimeError:
        reporter.warning("time is up: the marginal likelihood comes from the way to the posterior alone")
        return result
    found = replace(result, group_log_ml=tuple(bridged), bridged=True)
    reporter.message(
        f"log marginal likelihood {result.log_ml[0]:.2f} ± {error:.2f} on the way to the posterior, "
        f"{found.log_ml[0]:.2f} ± {found.log_ml[1]:.2f} with the way back"
    )
    return found
