"""From a configuration to a problem in a run folder that is ready to be trained."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace

from vbpi_mix import provenance
from vbpi_mix.errors import ConfigError, VBPIError
from vbpi_mix.experiment.build import (
    all_patterns,
    check,
    check_ascertained,
    for_data,
    load_alignment,
    make_inputs,
    make_model,
    make_objective,
    make_parts,
    make_problem,
    make_settings,
    start_problem,
)
from vbpi_mix.experiment.candidates import load_candidates, make_sources
from vbpi_mix.experiment.chains import chains_are_likely
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.deadlines import Deadlines
from vbpi_mix.experiment.device import check_device
from vbpi_mix.experiment.folder import RunFolder, write_json
from vbpi_mix.experiment.inputs import RunInputs, load_inputs, write_equal_sequences
from vbpi_mix.experiment.kept_search import KeptSearch
from vbpi_mix.experiment.lock import hold
from vbpi_mix.experiment.recipes import RECIPES
from vbpi_mix.experiment.refresh import current_inputs, make_refresh
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.rounds import chains_as_posterior
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.start import check_start, make_start
from vbpi_mix.experiment.streams import TRAIN_STREAM
from vbpi_mix.experiment.warm_up import warm_up
from vbpi_mix.io.files import atomic_write
from vbpi_mix.phylo import Alignment, SitePatterns, TreeSample
from vbpi_mix.seeding import torch_generator
from vbpi_mix.start import Start, WeightedTopologies
from vbpi_mix.train import Progress, Training, load_checkpoint
from vbpi_mix.variational import PhyloProblem

_FROM_A_SAMPLE = 100, 300  # iterations, fewest and most: the posterior comes from annealing then, ...
_WORK = 4e6  # ... and most are too many where taxa times patterns times squared states are more than this


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A problem with its first parameters, or one whose training goes on.

    Arguments:
        config: the settings, as they are in the folder.
        folder: where the run is kept; None: nowhere.
        inputs: taxa, patterns and the support that the run began with.
        problem: target and mixture.
        resume: whether training goes on from the checkpoint in the folder.
        iteration: steps done before.
        seconds: wall time of the support and of the mixture's first parameters.
    """

    config: FitConfig
    folder: RunFolder | None
    inputs: RunInputs
    problem: PhyloProblem
    resume: bool = False
    iteration: int = 0
    seconds: float = 0.0

    @property
    def run(self) -> Run:
        """The run as it is before training."""
        return Run(
            config=self.config,
            inputs=self.inputs,
            problem=self.problem,
            iteration=self.iteration,
            seconds=0.0,
            folder=self.folder,
        )

    def training(self, reporter: Reporter, *, name: str = "") -> Training:
        """What `train.fit_training` needs; the reporter is told about progress."""
        config = self.config

        def tell(progress: Progress) -> None:
            detail = (
                f"{progress.iterations_per_second:.0f} it/s, bound {progress.bound:.2f}, "
                f"ESS {progress.ess:.1f} of {config.particles}"
            ) + (f"; {progress.words}" if progress.words else "")
            reporter.progress("training", progress.iteration, progress.n_iterations, detail)

        return Training(
            name=name,
            problem=self.problem,
            objective=make_objective(config),
            settings=make_settings(config),
            generator=torch_generator(config.seed, stream=TRAIN_STREAM),
            checkpoint=None if self.folder is None else self.folder.checkpoint,
            identity=self.inputs.identity,
            metrics=None if self.folder is None else self.folder.metrics,
            resume=self.resume,
            on_progress=tell,
            change=make_refresh(config, self.inputs, reporter) if config.refresh_every else None,
        )


def prepare(
    config: FitConfig,
    folder: RunFolder,
    locks: ExitStack,
    *,
    alignment: Alignment | None = None,
    start: Start | None = None,
    resume: bool = False,
    iterations: int | None = None,
    deadlines: Deadlines,
    alike: Prepared | None = None,
    device: str = "cpu",
    reporter: Reporter,
) -> Prepared:
    """Read or make all that training needs; the arguments are those of `fit_folder`.

    The lock of the folder is taken, as one of `locks`, as soon as there is a folder. The first parameters of the
    mixture are those of `alike`, if that is given: a run not trained yet, of the same start (`begin_alike`).
    """
    check_device(device)
    path = folder.path
    if iterations is not None:
        config = config.with_iterations(iterations)
    check(config)
    if path.is_dir():
        locks.enter_context(hold(path))
    if not resume and (folder.config.exists() or folder.checkpoint.exists()):
        raise ConfigError(f"{path}: holds a run already; go on with it by --resume, or choose another folder")
    if resume and folder.checkpoint.is_file():
        inputs = load_inputs(folder.inputs)
        saved = load_checkpoint(folder.checkpoint, identity=inputs.identity)
        done = saved["iteration"]
        if config.iterations < done:
            raise ConfigError(
                f"{path}: {done:,} iterations are done already, more than the {config.iterations:,} asked for"
            )
        warm_up(config.model, config.flow, reporter, inputs.patterns.data_type)
        problem = make_problem(config, current_inputs(inputs, saved.get("extra", {})))
        del saved
        _write_config(folder, config)
        spent = 0.0
    else:
        resume, done = False, 0
        alignment = load_alignment(config, reporter, alignment)
        config = for_data(config, alignment)
        parts = make_parts(config, alignment)
        check_ascertained(config, alignment)
        patterns = all_patterns(alignment, parts)
        # so that a mistake is met before anything is computed
        check_device(device, make_model(config, patterns, parts, alignment.taxa))
        if start is None:
            for source in make_sources(config):
                source.check()
            likely = chains_are_likely(config, alignment.n_taxa)
            warm_up(config.model, config.flow, reporter, patterns.data_type, chains=likely)
            start = make_start(
                config,
                alignment,
                reporter,
                candidates=lambda few: _candidates(
                    config, alignment, folder, locks, reporter, deadlines.until("candidates"), few
                ),
                keep=lambda sample: chains_as_posterior(sample).save(folder.chains),
                until=deadlines.until("start"),
                kept=KeptSearch.of(folder, config, alignment),
                device=device,
            )
        else:
            check_start(start, config, alignment)
            warm_up(config.model, config.flow, reporter, patterns.data_type)
            _make_folder(folder, config, locks)
        begun = time.perf_counter()
        config = _shortened(config, start, patterns)
        _write_config(folder, config)
        inputs = make_inputs(alignment, start.sample, parts)
        problem = make_problem(config, inputs)
        if start.account:
            write_json(folder.growth, start.account)
        reporter.message(
            f"support: {inputs.support.n_rootsplits:,} splits, {inputs.support.n_pcsps:,} parent-child subsplit pairs"
        )
        if alike is None:
            start_problem(problem, config, start.topologies, reporter, until=deadlines.until("tables"))
            spent = time.perf_counter() - begun
        else:
            problem.mixture.load_state_dict(alike.problem.mixture.state_dict())
            spent = alike.seconds
        seconds = {**start.seconds, "start": spent}
        write_json(folder.start, {"seconds": seconds, "made": dict(start.made)})
        inputs.save(folder.inputs)
        write_equal_sequences(folder.path / "equal_sequences.tsv", alignment)
    return Prepared(
        config=config, folder=folder, inputs=inputs, problem=problem, resume=resume, iteration=done, seconds=spent
    )


def begin_alike(one: FitConfig, other: FitConfig) -> bool:
    """Whether mixtures have the same first parameters if their start is the same: only their bounds differ."""
    return replace(one, estimator=other.estimator, sampled=other.sampled) == other


def _shortened(config: FitConfig, start: Start, patterns: SitePatterns) -> FitConfig:
    """The configuration with the short training that suits a start from a sample, unless its length was chosen."""
    found = start.topologies
    if not isinstance(found, WeightedTopologies) or found.trees is None or config.finish == "importance":
        return config
    if config.iterations != RECIPES[config.recipe]["iterations"]:
        return config
    return config.with_iterations(_iterations_from_a_sample(patterns))


def _iterations_from_a_sample(patterns: SitePatterns) -> int:
    """Fewer where likelihoods take long, as those of proteins do."""
    fewest, most = _FROM_A_SAMPLE
    work = patterns.n_taxa * patterns.n_patterns * patterns.n_states**2
    return max(fewest, round(most * min(1.0, _WORK / work)))


def _candidates(
    config: FitConfig,
    alignment: Alignment,
    folder: RunFolder,
    locks: ExitStack,
    reporter: Reporter,
    until: float | None,
    few: bool,
) -> TreeSample:
    """Candidate topologies, or a few of them, and the folder with its configuration.

    Tree files are read before anything is written. A bootstrap takes long, so the folder is there before it, and
    replicates are kept in it: a run that is interrupted meanwhile goes on. If the bootstrap fails, what was written
    goes.
    """
    if config.trees:
        candidates = load_candidates(config, alignment, reporter)
        _make_folder(folder, config, locks)
        return candidates
    made, began = not folder.path.exists(), not folder.config.exists()
    _make_folder(folder, config, locks)
    try:
        return load_candidates(config, alignment, reporter, keep=folder.bootstrap, until=until, few=few)
    except VBPIError:
        if began:
            folder.config.unlink(missing_ok=True)
            folder.provenance.unlink(missing_ok=True)
        locks.close()  # which removes the file of the lock
        if made and not any(folder.path.iterdir()):
            folder.path.rmdir()
        raise


def _make_folder(folder: RunFolder, config: FitConfig, locks: ExitStack) -> None:
    there = folder.path.is_dir()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make the folder {folder.path}: {error.strerror}") from error
    locks.enter_context(hold(folder.path))
    if not there and folder.config.exists():
        raise ConfigError(f"{folder.path}: another process has begun a run there; choose another folder")
    _write_config(folder, config)
    write_json(folder.provenance, provenance.describe())


def _write_config(folder: RunFolder, config: FitConfig) -> None:
    with atomic_write(folder.config) as file:
        file.write(config.to_toml())
