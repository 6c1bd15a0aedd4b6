"""From a configuration to objects: the only place where configuration words meet constructors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vbpi_mix.branch import check_flow
from vbpi_mix.errors import ConfigError, InputError
from vbpi_mix.estimators import Objective
from vbpi_mix.evaluate.diagnostics.thresholds import WARNED_MODES
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.inputs import RunInputs, RunPart
from vbpi_mix.experiment.reporter import Reporter, stage
from vbpi_mix.experiment.streams import START_STREAM
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.io.notices import notice
from vbpi_mix.io.partitions import read_partitions
from vbpi_mix.model import PhyloModel, parse_branch_prior, parse_model, parse_priors
from vbpi_mix.phylo import Alignment, SitePatterns, TreeSample, site_patterns
from vbpi_mix.seeding import torch_generator
from vbpi_mix.start import (
    WeightedTopologies,
    find_parameters,
    fit_parameters,
    fit_parameters_to_trees,
    start_fitted,
    start_published,
    weigh_topologies,
)
from vbpi_mix.support import SubsplitSupport, build_support
from vbpi_mix.train import PlateauRule, TrainSettings
from vbpi_mix.variational import PhyloMixture, PhyloProblem, check_gradient

# numbers that memory is taken for: beyond these, what was meant is another one
_MOST = {
    "components": 10_000,
    "sampled": 10_000,
    "particles": 100_000,
    "flow_layers": 1_000,
    "flow_hidden": 100_000,
    "bootstrap_replicates": 1_000_000,
}


def load_alignment(path: str, reporter: Reporter, alignment: Alignment | None = None) -> Alignment:
    """Read the alignment, unless it has been read already, and tell what is in it."""
    alignment = read_alignment(Path(path)) if alignment is None else alignment
    reporter.message(f"{path}: {alignment.n_taxa} taxa, {alignment.n_sites} sites")
    codes = ", ".join(f"{symbol} {count:,}" for symbol, count in sorted(alignment.symbol_counts.items()))
    reporter.message(f"characters: {codes}")
    pairs = alignment.duplicates()
    if pairs:
        first, later = pairs[0]
        also = f" (and {len(pairs) - 1} more taxa like it)" if len(pairs) > 1 else ""
        reporter.warning(f"'{later}' has the same sequence as '{first}'{also}; all are kept")
    return alignment


def make_parts(config: FitConfig, alignment: Alignment) -> tuple[RunPart, ...]:
    """The parts of the alignment by codon position or by the configuration's file, each with its model."""
    if config.codon_positions:
        if alignment.n_sites < 3:
            raise InputError(f"{config.alignment}: {alignment.n_sites} sites have no three codon positions")
        every = np.arange(alignment.n_sites)
        return tuple(
            RunPart(name=f"pos{i + 1}", model=config.model, patterns=site_patterns(alignment, every[i::3]))
            for i in range(3)
        )
    if not config.partitions:
        return ()
    found = []
    for part in read_partitions(Path(config.partitions), alignment.n_sites_of_file, excluded=alignment.excluded):
        empty = len(alignment.taxa_without_data(part.sites))
        if empty > alignment.n_taxa - 2:
            notice(
                f"{config.partitions}: the part {part.name!r} has data of {alignment.n_taxa - empty} taxa: what is "
                "shown for its parameters is their prior"
            )
        try:
            model = config.model if part.model is None else _inferable(part.model)
            parse_model(model, infer=True)
        except ConfigError as error:
            raise ConfigError(f"{config.partitions}, part '{part.name}': {error}") from None
        found.append(RunPart(name=part.name, model=model, patterns=site_patterns(alignment, part.sites)))
    return tuple(found)


def _inferable(text: str) -> str:
    """A model string of a file of partitions, or the nearest that can be inferred, which a notice names."""
    nearest = parse_model(text, infer=True, nearest=True)
    try:
        parse_model(text, infer=True)
    except ConfigError:
        return str(nearest)
    return text


def make_inputs(alignment: Alignment, candidates: TreeSample, parts: tuple[RunPart, ...] = ()) -> RunInputs:
    """Patterns and support of a run."""
    if candidates.taxa != alignment.taxa:
        raise InputError("the candidate trees must be on the taxa of the alignment, in its order")
    return RunInputs(
        taxa=alignment.taxa,
        patterns=site_patterns(alignment),
        support=build_support(candidates.topologies),
        parts=parts,
    )


def model_of(config: FitConfig, alignment: Alignment) -> PhyloModel:
    """Likelihood and priors of an alignment."""
    return make_model(config, site_patterns(alignment), make_parts(config, alignment), alignment.taxa)


def make_model(
    config: FitConfig, patterns: SitePatterns, parts: tuple[RunPart, ...], taxa: Sequence[str]
) -> PhyloModel:
    """Likelihood and priors."""
    return PhyloModel(
        [part.patterns for part in parts] if parts else patterns,
        patterns.n_taxa,
        substitution_model=[part.model for part in parts] if parts else config.model,
        part_names=[part.name for part in parts] or None,
        branch_prior=parse_branch_prior(config.branch_prior, config.branch_prior_rate),
        priors=parse_priors(config.priors),
        constraints=parse_constraints(config.constraints, taxa) if config.constraints else None,
    )


def make_problem(config: FitConfig, inputs: RunInputs) -> PhyloProblem:
    """Target and mixture, the mixture's parameters still at zero."""
    model = make_model(config, inputs.patterns, inputs.parts, inputs.taxa)
    return PhyloProblem(
        model,
        make_mixture(config, inputs.support, model.parameters.n_coordinates),
        gradient=config.gradient,
    )


def make_mixture(config: FitConfig, support: SubsplitSupport, n_parameters: int = 0) -> PhyloMixture:
    """The mixture on a support, its parameters still at zero."""
    return PhyloMixture(
        support,
        n_components=config.components,
        tying=config.tying,
        features=config.features,
        flow=config.flow,
        flow_layers=config.flow_layers,
        flow_hidden=config.flow_hidden,
        flow_per_component=config.flow_per_component,
        n_parameters=n_parameters,
        tie_parameters=config.tie_parameters,
    )


def start_problem(
    problem: PhyloProblem,
    config: FitConfig,
    candidates: TreeSample | WeightedTopologies,
    reporter: Reporter,
    *,
    until: float | None = None,
) -> None:
    """Give the mixture its first parameters, by the recipe; candidates without weights are weighed here.

    Fitting its tables ends early at `until` (`time.perf_counter()`).
    """
    generator = torch_generator(config.seed, stream=START_STREAM)
    model = problem.model
    if config.recipe == "paper":
        start_published(problem.mixture, generator=generator, parameter_start=model.parameters.start().numpy())
        return
    if isinstance(candidates, TreeSample):
        candidates = _weighed(model, candidates, reporter)
    parameters = None
    if candidates.coordinates is not None:
        support, trees = problem.mixture.support, candidates.trees
        parameters = (
            fit_parameters(model, candidates, support, candidates.coordinates)
            if trees is None
            else fit_parameters_to_trees(support, trees)
        )
        posterior = problem.mixture.parameter_posterior
        if posterior is not None and parameters.other_share >= WARNED_MODES and posterior.n_distributions == 1:
            reporter.warning(
                f"the parameters have another mode with about {parameters.other_share:.0%} of the posterior, which "
                "one distribution of them cannot hold: use two components or more and no --tie-parameters"
            )
    start_fitted(
        problem.mixture, candidates, n_sites=model.n_sites, generator=generator, parameters=parameters, until=until
    )


def _weighed(model: PhyloModel, candidates: TreeSample, reporter: Reporter) -> WeightedTopologies:
    coordinates = None
    if model.parameters.n_coordinates:
        coordinates = find_parameters(model, candidates.topologies)
        model = model.at(torch.from_numpy(coordinates))
    found = weigh_topologies(model, candidates, on_progress=stage(reporter, "branch lengths"))
    reporter.message(
        f"candidates weighted by Laplace's method: {found.effective_number:.1f} effective topologies, "
        f"the best has {found.sample.weights[0]:.3f}"
    )
    return replace(found, coordinates=coordinates)


def make_objective(config: FitConfig) -> Objective:
    """The bound and its estimator."""
    return Objective(
        estimator=config.estimator,
        n_components=config.components,
        n_sampled=config.sampled,
        n_particles=config.particles,
    )


def make_settings(config: FitConfig) -> TrainSettings:
    """The schedule."""
    return TrainSettings(
        n_iterations=config.iterations,
        learning_rates={
            "topology": config.rate_topology,
            "base": config.rate_base,
            "flow": config.rate_flow,
            "parameters": config.rate_parameters,
        },
        decay_every=config.decay_every,
        annealing_iterations=config.annealing_iterations,
        change_every=config.refresh_every,
        plateau=PlateauRule() if config.stop == "plateau" else None,
    )


def check(config: FitConfig) -> None:
    """Raise ConfigError for settings that cannot work, before anything is read or written."""
    for name, most in _MOST.items():
        if getattr(config, name) > most:
            raise ConfigError(f"{name} = {getattr(config, name):,} is too many: at most {most:,}")
    make_objective(config)
    make_settings(config)
    check_gradient(config.gradient)
    parse_model(config.model, infer=True)
    parse_priors(config.priors)
    parse_branch_prior(config.branch_prior, config.branch_prior_rate)
    check_flow(
        config.flow,
        n_layers=config.flow_layers,
        n_hidden=config.flow_hidden,
        per_component=config.flow_per_component,
    )
    if config.codon_positions and config.partitions:
        raise ConfigError("give either --codon-positions or --partitions: each divides the sites")
    if config.bootstrap_replicates < 1:
        raise ConfigError(f"bootstrap_replicates must be at least 1, not {config.bootstrap_replicates}")
    if not config.branch_prior_rate > 0:
        raise ConfigError(f"the rate of the branch-length prior must be positive, not {config.branch_prior_rate}")
