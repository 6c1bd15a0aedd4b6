"""The last step of a fit: importance weights where they are good, annealing from the mixture where they are not."""

from dataclasses import replace

import numpy as np
import torch

from vbpi_mix.anneal.batched.path_moves import BatchedMoves
from vbpi_mix.anneal.chains import Scaling, Walker
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.path_moves import LocalMoves, PathMoves
from vbpi_mix.anneal.result import load_annealed
from vbpi_mix.anneal.smc import AnnealSettings
from vbpi_mix.anneal.target import typical_lengths
from vbpi_mix.anneal.tree_reference import TreeReference
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate import Evaluation
from vbpi_mix.evaluate.diagnostics.thresholds import EFFECTIVE_DRAWS
from vbpi_mix.evaluate.sampling import draw_weighted
from vbpi_mix.experiment.device import annealing_device
from vbpi_mix.experiment.groups import Groups
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
_REFERENCE_DRAWS = 2_000
_JUDGED_BY = (5, 500)  # repeats and draws of each component
_EVALUATED = 40_000  # draws of a whole evaluation


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
    log_ml_error: float | None = None,
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
        log_ml_error: standard error that the log marginal likelihood may have; further groups are annealed until it
            is so small. None: no further groups.
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
    if log_ml_error is not None and not log_ml_error > 0:
        raise ConfigError(f"the error of the log marginal likelihood must be positive, not {log_ml_error}")
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
    particles = Groups(
        moves=moves, settings=settings, seed=run.config.seed, reporter=reporter, until=until, kept=kept
    )  # fmt: skip
    groups = particles.annealed(n_groups)
    if len(groups) < 2:
        what = "importance weights" if past is None else "the chains from candidate topologies alone"
        reporter.warning(f"no time left to anneal: the posterior comes from {what}; `vbpi-mix anneal` makes up for it")
        return run if past is None else replace(run, annealed=of_chains(past))
    # chains that do not agree say where the modes are, and nothing of their shares
    result = rounds_at_the_posterior(
        run, walker, groups, past if agreed else None, rounds, reporter, until=until, kept=kept
    )
    result = particles.evidence(result, groups, log_ml_error)
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
