"""Chains of local moves from candidate topologies: the start of a fit where the posterior is flat."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vbpi_mix.anneal.chains import Walker
from vbpi_mix.anneal.excursions import ExcursionSettings, make_excursions, with_excursions
from vbpi_mix.anneal.flatness import effective_topologies
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.run_chains import Look, run_chains
from vbpi_mix.anneal.sampler import Chains, ChainSample, SamplerSettings
from vbpi_mix.anneal.saved import restore_chains, save_chains
from vbpi_mix.clock import time_is_up
from vbpi_mix.experiment.build import model_of
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.kept_search import KeptSearch
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.streams import CHAIN_STREAM
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, TopologyBatch, TreeSample

_FLAT = 100.0  # effective topologies from which a list of them is the wrong start, ...
_FLAT_OF_30 = 1000.0  # ... and fewer of more than 40 taxa: this, falling with the eighth power of their number
_PROBE_ROUNDS = 60
_PER_SECOND = 15.0  # squared taxa: a list of topologies takes at least about so long
_ALWAYS_LISTED = 20  # fewer taxa are not worth a probe, ...
_FEW_DISTINCT = 0.5  # ... if so small a share of the candidates is distinct ...
_MANY_EQUAL = 4  # ... and so few sequences are equal
_START_LENGTH = 0.05
_TOLD_EVERY = 10  # rounds
_SAVED_EVERY = 20.0  # seconds
_PURPOSE_EXCURSIONS = 4
_MOST_SHOWN = 2  # times that chains are shown modes which they have missed


@dataclass(frozen=True, kw_only=True)
class Probe:
    """Short chains and what they say.

    Arguments:
        chains: begun; can be run on.
        effective_topologies: see `anneal.flatness`.
    """

    chains: Chains
    effective_topologies: float


def flat_from(n_taxa: int) -> float:
    """Effective topologies from which a sample is the better start; the list of many taxa takes long."""
    return min(_FLAT, _FLAT_OF_30 * (30.0 / n_taxa) ** 8)


def _hurried(n_taxa: int, until: float | None) -> bool:
    """Whether the time left is too short to list topologies of so many taxa."""
    return until is not None and n_taxa >= _ALWAYS_LISTED and until - time.perf_counter() < n_taxa**2 / _PER_SECOND


def chains_are_likely(config: FitConfig, n_taxa: int) -> bool:
    """Whether a fit of so many taxa probably runs chains or anneals."""
    if config.finish == "anneal" or config.start == "sample":
        return True
    return config.start == "auto" and config.recipe != "paper" and n_taxa >= _ALWAYS_LISTED


def chain_seed(seed: int, purpose: int) -> np.random.SeedSequence:
    """The seed of all chains of one purpose."""
    return np.random.SeedSequence(entropy=seed, spawn_key=(CHAIN_STREAM, purpose))


def begin_chains(
    model: PhyloModel,
    topologies: TopologyBatch,
    seed: int,
    settings: SamplerSettings,
    *,
    purpose: int = 0,
    climb: bool = True,
) -> Chains:
    """Chains from candidate topologies, as different ones as there are.

    Arguments:
        model: likelihood and priors.
        topologies: candidates.
        seed: seed of the fit.
        settings: settings of the chains.
        purpose: tells chains of one fit apart.
        climb: go uphill before sampling.
    """
    n = settings.n_chains
    chosen = np.arange(n) * max(1, topologies.n_trees // n) % topologies.n_trees
    start = model.parameters.start().numpy()
    starts = Particles(
        topologies=topologies[chosen],
        log_lengths=np.full((n, topologies.n_edges), np.log(_START_LENGTH)),
        coordinates=np.tile(start, (n, 1)),
        log_likelihood=np.zeros(n),
    )
    return Chains(Walker(model, topologies), starts, seed=chain_seed(seed, purpose), settings=settings, climb=climb)


def sample_start(
    config: FitConfig,
    alignment: Alignment,
    candidates: TreeSample,
    reporter: Reporter,
    *,
    until: float | None = None,
    kept: KeptSearch | None = None,
) -> ChainSample | None:
    """A sample of the posterior to start from, or None where a list of topologies is the better start.

    Arguments:
        config: configuration: with `start` "auto" short chains decide, with "sample" chains are run in any case.
        alignment: the data.
        candidates: topologies that chains begin at.
        reporter: told about progress and the decision.
        until: `time.perf_counter()` at which chains end.
        kept: state from which an interrupted search goes on.
    """
    kept = kept or KeptSearch()
    if config.start == "list" or alignment.n_taxa < 4:
        return None
    hurried = _hurried(alignment.n_taxa, until)
    few = alignment.n_taxa < _ALWAYS_LISTED and candidates.n_trees <= _FEW_DISTINCT * candidates.weights.sum()
    if config.start == "auto" and not hurried and few and len(alignment.duplicates()) < _MANY_EQUAL:
        return None
    model = model_of(config, alignment)
    settings = SamplerSettings()
    if kept.chains is not None and kept.chains.is_file():
        chains = begin_chains(model, candidates.topologies, config.seed, settings, climb=False)
        restore_chains(chains, kept.chains, kept.identity)
        reporter.message(f"chains go on after {chains.n_rounds:,} rounds")
        return finish_chains(chains, config.seed, reporter, until=until, save=_saver(chains, kept))
    reporter.progress("chains", 0, settings.fewest, "going uphill")
    begun: list[Chains] = []

    def probe() -> tuple[np.ndarray]:
        begun.append(begin_chains(model, candidates.topologies, config.seed, settings))
        if config.start != "auto" or hurried:
            return (np.array(np.inf),)
        for done in range(0, _PROBE_ROUNDS, _TOLD_EVERY):
            begun[0].run(_TOLD_EVERY, stop=partial(time_is_up, until))
            reporter.progress("chains", done + _TOLD_EVERY, settings.fewest, "how flat is the posterior?")
            if time_is_up(until):
                return (np.array(np.nan),)
        found = begun[0].sample()
        return (np.array(effective_topologies(found.particles.topologies, found.chains)),)

    asked = (candidates.topologies.children, np.array([config.seed, hurried]))
    size = float(kept.results.of("effective topologies", asked, probe)[0])
    if np.isnan(size) and alignment.n_taxa < _ALWAYS_LISTED:
        reporter.message("no time to find out how flat the posterior is: its topologies are listed")
        return None
    if config.start == "auto" and not np.isfinite(size):
        reporter.message("little time for so many taxa: the fit starts from a sample of chains and not from a list")
    elif config.start == "auto":
        if size < flat_from(alignment.n_taxa):
            reporter.message(f"about {size:,.0f} effective topologies: few enough to be listed and weighed one by one")
            return None
        reporter.message(
            f"about {size:,.0f} effective topologies of {alignment.n_taxa} taxa: too many to list, so the fit starts "
            f"from a sample of {settings.n_chains} chains of local moves"
        )
    if not begun:  # interrupted between the decision and the first saving
        probe()
    save = _saver(begun[0], kept)
    return finish_chains(begun[0], config.seed, reporter, until=until, save=save)


def _saver(chains: Chains, kept: KeptSearch) -> Callable[[], None] | None:
    """Saves chains, where they are to be kept, now and then after their search: called after every round."""
    path = kept.chains
    if path is None:
        return None
    last = -np.inf

    def save() -> None:
        nonlocal last
        if not (chains.searching or chains.heated) and time.perf_counter() - last > _SAVED_EVERY:
            save_chains(chains, path, kept.identity)
            last = time.perf_counter()

    return save


def finish_chains(
    chains: Chains,
    seed: int,
    reporter: Reporter,
    *,
    until: float | None = None,
    save: Callable[[], None] | None = None,
) -> ChainSample:
    """Run chains until they agree, telling how far they are, and look for modes that all of them have missed.

    Arguments:
        chains: begun.
        seed: seed of the fit.
        reporter: told about progress.
        until: `time.perf_counter()` at which to end.
        save: called before and after every round of the chains.
    """
    if save is not None:
        save()
    begun = time.perf_counter()
    settings = chains.settings

    def tell(look: Look) -> None:
        found = look.convergence
        detail = f"split frequencies of two groups differ by {found.asdsf:.4f} (ASDSF, wanted {settings.asdsf:g})"
        if math.isfinite(found.r_hat):  # there are rounds enough, also after steps were tuned again
            detail += f", R-hat {found.r_hat:.2f}, effective size {found.effective_size:,.0f}"
        reporter.progress("chains", look.n_rounds, max(settings.fewest, round(1.3 * look.n_rounds)), detail)

    def tell_of_heat() -> None:
        reporter.message("chains stay in modes of their own: from now on each has three heated companions")

    while True:
        sample = run_chains(chains, until=until, report=tell, heating=tell_of_heat, after_round=save)
        if not sample.converged or chains.heated or time_is_up(until):
            break
        reporter.progress("excursions", 0, 1, "are there modes that the chains have missed?")
        excursions = make_excursions(
            chains.walker,
            sample,
            seed=chain_seed(seed, _PURPOSE_EXCURSIONS).spawn(chains.n_shown + 1)[-1],
            # chains that have been shown a mode and hardly go there know what it is worth
            settings=replace(ExcursionSettings(), rare=0.0) if chains.n_shown else None,
        )
        if not excursions.n_elsewhere:
            break
        text = (
            f"{excursions.n_elsewhere} of {excursions.n_tried} heated copies of the chains ended in a mode that the "
            "chains had missed"
        )
        if chains.n_shown == _MOST_SHOWN or chains.n_rounds + settings.fewest > settings.most:
            reporter.message(f"{text}; annealing will weigh the modes")
            return with_excursions(sample, excursions)
        reporter.message(f"{text}: the chains have learnt of it and go on")
        chains.show(excursions.particles)
    found = sample.convergence
    text = (
        f"{len(sample.particles):,} trees of {settings.n_chains} chains after {sample.n_rounds:,} rounds in "
        f"{time.perf_counter() - begun:.0f} s: ASDSF {found.asdsf:.4f}, largest difference of a split "
        f"{found.largest:.3f}, R-hat {found.r_hat:.3f}, effective size {found.effective_size:,.0f}"
    )
    if sample.converged:
        reporter.message(text)
    elif sample.stuck:
        reporter.message(f"chains still stay in modes of their own, which annealing will weigh: {text}")
    else:
        reporter.warning(f"chains had not yet agreed when time or rounds were up: {text}")
    return sample
