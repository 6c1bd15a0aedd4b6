"""The posterior of one small locus by a few short chains of local moves.

Chains begin at trees of neighbour joining on bootstrap resamples, go uphill, and get parameters drawn from Laplace's
approximation around the optimum of the best of them, in pairs that lie opposite each other. Topologies mix within a few
rounds of Gibbs-like moves over all edges; the substitution parameters, which mix slowest, are spread as they should be
from the start.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vbpi_mix.anneal.chains import ParameterSpread, Walker, WalkSettings
from vbpi_mix.anneal.particles import Particles
from vbpi_mix.anneal.sampler import Chains, ChainSample, SamplerSettings
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate.diagnostics.thresholds import ASDSF, SPLIT_DIFFERENCE
from vbpi_mix.model import PhyloModel
from vbpi_mix.phylo import Alignment, TopologyBatch
from vbpi_mix.start import Mode, find_modes
from vbpi_mix.support.veryfasttree import veryfasttree_bootstrap

_START_LENGTH = 0.05
_CLIMBS = 4  # greedy rounds
_LONG_BURN_IN = 0.5  # share of the rounds


@dataclass(frozen=True, kw_only=True)
class ShortSettings:
    """Settings for the chains of a small locus.

    Arguments:
        n_chains: even; odd ones and even ones are the two groups that must agree.
        adapting: rounds at the beginning in which steps are tuned; they are left out of the sample.
        fewest, most: rounds of each chain.
        every: rounds between looks.
        asdsf, largest: chains end when the split frequencies of the two groups are this close, or ...
        effective_trees: ... their ASDSF is what groups of so many independent trees, both together, have by chance.
        error: largest standard error of a split's frequency, by its autocorrelation, at the end at most: all chains
            begin near the best tree, and agree on too low a share of others before they have come and gone a few times.
        r_hat: largest R-hat of log joint density, tree length and all parameters, at the end at most.
        scalings: steps of the parameters and the tree length a round.
        passes: see `chains.WalkSettings`.
        interchanged, regrafted: acceptances at which all interchanges and regrafts are tried; where fewer are accepted
            while steps are tuned, fewer are tried afterwards, ...
        fewest_tried: ... but this share of them at least.
        slow: rounds for which the presence of a split stays correlated, on average, beyond which chains try more
            regrafts: `more` times as many at each look, ...
        far: ... and this share of them to places far away.

    Raises:
        ConfigError: a number out of range.
    """

    n_chains: int = 4
    adapting: int = 20
    fewest: int = 80
    most: int = 2000
    every: int = 20
    asdsf: float = 0.015
    largest: float = 0.1
    effective_trees: float = 400.0
    error: float = 0.05
    r_hat: float = 1.1
    scalings: int = 4
    passes: int = 4
    interchanged: float = 0.02
    regrafted: float = 0.005
    fewest_tried: float = 0.25
    slow: float = 5.0
    more: float = 4.0
    far: float = 0.5

    def __post_init__(self) -> None:
        if self.n_chains < 4 or self.n_chains % 4 or not self.adapting < self.fewest <= self.most or self.every < 1:
            raise ConfigError(f"chains of a locus: a number is out of range in {self}")


def sample_locus(
    alignment: Alignment,
    model: PhyloModel,
    *,
    seed: int,
    settings: ShortSettings | None = None,
    stop: Callable[[], bool] | None = None,
) -> ChainSample:
    """Trees of short chains that agree, or of the most rounds that were allowed.

    Arguments:
        alignment: N >= 4 taxa.
        model: likelihood and priors.
        seed: seed of all draws.
        settings: length of the chains.
        stop: asked between rounds whether to end with what there is.

    Raises:
        BackendError: VeryFastTree is missing or fails.
        NumericalError: the optimum of the parameters cannot be found.
    """
    settings = settings or ShortSettings()
    own, climbing, moving = np.random.SeedSequence(entropy=seed, spawn_key=(23,)).spawn(3)
    # how often interchanges are tried is tuned below (`moves_by_acceptance`), for long edges, too
    walker = Walker(model, settings=WalkSettings(passes=settings.passes, substitutions=math.inf))
    starts = _starts(alignment, model, walker, settings.n_chains, seed, climbing)
    starts, known = _with_parameters(model, starts, np.random.default_rng(own))
    chains = Chains(
        walker,
        starts,
        seed=moving,
        settings=SamplerSettings(
            n_chains=settings.n_chains,
            adapting=settings.adapting,
            fewest=settings.fewest,
            most=settings.most,
            asdsf=settings.asdsf,
            effective_trees=settings.effective_trees,
            largest=settings.largest,
            r_hat=settings.r_hat,
            effective_size=0.0,
            error=settings.error,
            scalings=settings.scalings,
            scalings_per_coordinate=0.0,
        ),
        climb=False,
        known=known,
    )
    target = settings.fewest
    chains.run(settings.adapting, stop=stop)
    walker.settings = moves_by_acceptance(walker, settings)
    while True:
        chains.run(target - chains.n_rounds, stop=stop)
        sample = chains.sample()
        if not sample.converged:  # perhaps a chain came to where the others are after the burn-in
            shorter = chains.sample(burn_in=_LONG_BURN_IN)
            sample = shorter if shorter.converged else sample
        if sample.converged or chains.n_rounds >= settings.most or (stop is not None and stop()):
            return replace(sample, converged=level_of_agreement(sample) != "poor")
        walker.settings = moves_by_mixing(walker, sample.split_times.time, settings)
        if sample.waiting:
            chains.hurry_parameters()
        target = min(settings.most, chains.n_rounds + max(settings.every, chains.n_rounds // 5))


def moves_by_acceptance(walker: Walker, settings: ShortSettings) -> WalkSettings:
    """Moves of topologies as often as they have been accepted: a peaked posterior needs few of them."""
    moved_at, _, rearranged, regrafts, regrafted, *_ = walker.counts.tolist()
    plain = walker.settings
    n = walker.model.n_taxa
    inner = moved_at * (n - 3) / (2 * n - 3)

    def share(accepted: int, tried: float, wanted: float) -> float:
        return float(np.clip(accepted / max(1.0, tried) / wanted, settings.fewest_tried, 1.0))

    return replace(
        plain,
        rearrangements=plain.rearrangements * share(rearranged, inner, settings.interchanged),
        regrafts_beside=plain.regrafts_beside * share(regrafted, regrafts, settings.regrafted),
    )


def moves_by_mixing(walker: Walker, times: np.ndarray, settings: ShortSettings) -> WalkSettings:
    """More regrafts where splits come and go slowly.

    Clades on long edges have several places far from each other, between which interchanges take them step by step.

    Arguments:
        walker: what moved the chains.
        times: (X,) see `convergence.SplitTimes`.
        settings: settings of the chains.
    """
    now = walker.settings
    if not len(times) or times.mean() <= settings.slow:
        return now
    plain = WalkSettings()
    return replace(
        now,
        rearrangements=plain.rearrangements,
        regrafts_beside=min(1.0, settings.more * max(now.regrafts_beside, plain.regrafts_beside)),
        far=settings.far,
    )


def level_of_agreement(sample: ChainSample) -> str:
    """The level of the agreement of split frequencies: good, fair or poor."""
    found = sample.convergence
    levels = ASDSF.level(found.asdsf), SPLIT_DIFFERENCE.level(found.largest)
    return max(levels, key=("good", "fair", "poor").index)


def _starts(
    alignment: Alignment, model: PhyloModel, walker: Walker, n: int, seed: int, climbing: np.random.SeedSequence
) -> Particles:
    """Trees of neighbour joining after a few greedy rounds, one for each chain."""
    found = veryfasttree_bootstrap(alignment, n - 1, seed=seed, rough=True).topologies
    chosen = np.arange(n) % found.n_trees
    first = Particles(
        topologies=TopologyBatch(found.children[chosen]),
        log_lengths=np.full((n, found.n_edges), np.log(_START_LENGTH)),
        coordinates=np.tile(model.parameters.start().numpy(), (n, 1)),
        log_likelihood=np.zeros(n),
    )
    generators = [np.random.default_rng(s) for s in climbing.spawn(n)]
    typical = np.full(2, np.log(_START_LENGTH))
    return walker.move(first, generators, rounds=_CLIMBS, typical=typical, greedy=True)


def _with_parameters(
    model: PhyloModel, starts: Particles, generator: np.random.Generator
) -> tuple[Particles, ParameterSpread | None]:
    """Starts with coordinates drawn in opposite pairs from Laplace's approximation at the best, and this."""
    n, d = starts.coordinates.shape
    if d == 0:
        return starts, None
    best = int(np.argmax(starts.log_likelihood))
    modes = find_modes(model, starts.topologies[[best]], starts.log_lengths[best])
    mode: Mode = max(modes, key=lambda m: m.log_weight)
    z = generator.standard_normal((n // 2, d)) @ np.linalg.cholesky(mode.covariance).T
    drawn = replace(starts, coordinates=mode.centre + np.concatenate([z, -z]))
    return drawn, ParameterSpread(mean=mode.centre, covariance=mode.covariance)
