"""The whole path: from an alignment to a trained mixture and a posterior over trees."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

from vbpi_mix import provenance
from vbpi_mix.errors import ConfigError, VBPIError
from vbpi_mix.experiment.beside import annealing_beside
from vbpi_mix.experiment.build import (
    all_patterns,
    check,
    check_ascertained,
    for_data,
    load_alignment,
    make_inputs,
    make_model,
    make_parts,
    make_problem,
    start_problem,
)
from vbpi_mix.experiment.candidates import load_candidates, make_sources
from vbpi_mix.experiment.component_weights import finish_weights
from vbpi_mix.experiment.config import FitConfig, load_config, recorded
from vbpi_mix.experiment.deadlines import Deadlines
from vbpi_mix.experiment.device import check_device
from vbpi_mix.experiment.finish import finish_run
from vbpi_mix.experiment.folder import RunFolder, write_json
from vbpi_mix.experiment.inputs import RunInputs, load_inputs, write_equal_sequences
from vbpi_mix.experiment.kept_search import KeptSearch
from vbpi_mix.experiment.lock import hold
from vbpi_mix.experiment.recipes import RECIPES
from vbpi_mix.experiment.refresh import current_inputs
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.rounds import chains_as_posterior
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.start import check_start, make_start
from vbpi_mix.experiment.training import train
from vbpi_mix.experiment.warm_up import warm_up
from vbpi_mix.io.files import atomic_write
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.start import Start, WeightedTopologies
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import FitResult, load_checkpoint
from vbpi_mix.variational import PhyloProblem

_ITERATIONS_FROM_A_SAMPLE = 500  # the posterior comes from annealing then


@torch_threads(1)
def fit_alignment(
    alignment: Alignment,
    candidates: TreeSample,
    config: FitConfig,
    *,
    device: str = "cpu",
    reporter: Reporter | None = None,
) -> Run:
    """Train a mixture in memory.

    Arguments:
        alignment: The data.
        candidates: Topologies whose subsplits make up the support; the default recipe grows them first.
        config: See `experiment.recipes.make_config`.
        device: What weighs topologies and trains, a word of `experiment.device.Device`; all else is done on the CPU.
        reporter: Told about progress.

    Examples:
        >>> import vbpi_mix as vm
        >>> alignment = vm.read_alignment("primates")
        >>> candidates = vm.veryfasttree_bootstrap(alignment, 4, seed=1)
        >>> config = vm.make_config(alignment="primates", model="JC69", components=1, iterations=20, start="list")
        >>> vm.fit_alignment(alignment, candidates, config).iteration
        20
    """
    check(config)
    check_device(device)
    reporter = reporter or Silent()
    config = for_data(config, alignment)
    start = make_start(config, alignment, reporter, candidates=lambda few: candidates, device=device)  # noqa: ARG005
    inputs = make_inputs(alignment, start.sample, make_parts(config, alignment))
    problem = make_problem(config, inputs)
    start_problem(problem, config, start.topologies, reporter)
    result = train(problem, config, reporter, inputs, device=device)
    return finish_weights(_run(config, inputs, result), result, reporter)


@torch_threads(1)
def fit_folder(
    config: FitConfig,
    path: Path,
    *,
    alignment: Alignment | None = None,
    start: Start | None = None,
    resume: bool = False,
    iterations: int | None = None,
    max_seconds: float | None = None,
    deadlines: Deadlines | None = None,
    device: str = "cpu",
    reporter: Reporter | None = None,
) -> tuple[Run, FitResult]:
    """Train a mixture in a run folder, or go on with one; one process at a time, see `lock.hold`.

    Nothing is written before alignment and candidate trees have been read, but for a bootstrap's replicates. A run
    that stopped before its first checkpoint begins anew on resume, its finished replicates apart, and gives what it
    would have given.

    Arguments:
        config: The settings; with `resume` those of the folder, see `resumed_config`.
        path: The folder; must not hold a run yet, unless `resume`.
        alignment: Alignment of the configuration, if it has been read already.
        start: Topologies made before (`experiment.start`) in place of candidates and growth; the outcome is
            bit for bit the same. Not used where a run in the folder is past its start.
        resume: Go on with the run in the folder.
        iterations: Number of steps to train to with `resume`, in place of the run's own.
        max_seconds: Training time allowed to this call.
        deadlines: Times by which each stage must end; a stage that runs out of time ends with what it has.
        device: What weighs topologies, trains and anneals, a word of `experiment.device.Device`; all else is done on
            the CPU. It is no setting of the run, which may go on elsewhere.
        reporter: Told about progress.

    Raises:
        ConfigError: The folder holds a run already, or none to resume, another process works on it, or `start` was
            made with other settings.

    Examples:
        >>> import vbpi_mix as vm
        >>> from pathlib import Path
        >>> config = vm.make_config(
        ...     alignment="primates", model="JC69", components=1, iterations=20, bootstrap_replicates=4, start="list",
        ...     finish="importance",
        ... )
        >>> run, result = vm.fit_folder(config, Path("another_run"))
        >>> result.ending
        'iterations'
    """
    with ExitStack() as locks:
        return _fit_folder(
            config,
            RunFolder(path),
            locks,
            alignment=alignment,
            start=start,
            resume=resume,
            iterations=iterations,
            max_seconds=max_seconds,
            deadlines=deadlines or Deadlines.from_now(None),
            device=device,
            reporter=reporter or Silent(),
        )


def _fit_folder(
    config: FitConfig,
    folder: RunFolder,
    locks: ExitStack,
    *,
    alignment: Alignment | None,
    start: Start | None,
    resume: bool,
    iterations: int | None,
    max_seconds: float | None,
    deadlines: Deadlines,
    device: str,
    reporter: Reporter,
) -> tuple[Run, FitResult]:
    """`fit_folder`; the lock of the folder is taken as soon as there is one."""
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
    else:
        resume = False
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
            warm_up(config.model, config.flow, reporter, patterns.data_type)
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
        config = _shortened(config, start)
        _write_config(folder, config)
        inputs = make_inputs(alignment, start.sample, parts)
        problem = make_problem(config, inputs)
        if start.account:
            write_json(folder.growth, start.account)
        reporter.message(
            f"support: {inputs.support.n_rootsplits:,} splits, {inputs.support.n_pcsps:,} parent-child subsplit pairs"
        )
        start_problem(problem, config, start.topologies, reporter, until=deadlines.until("tables"))
        seconds = {**start.seconds, "start": time.perf_counter() - begun}
        write_json(folder.start, {"seconds": seconds, "made": dict(start.made)})
        inputs.save(folder.inputs)
        write_equal_sequences(folder.path / "equal_sequences.tsv", alignment)
    before = load_checkpoint(folder.checkpoint, identity=inputs.identity)["iteration"] if resume else 0
    seconds_left = [x for x in (max_seconds, deadlines.left("training")) if x is not None]
    untrained = Run(config=config, inputs=inputs, problem=problem, iteration=before, seconds=0.0, folder=folder)
    until = deadlines.until("annealing")
    with annealing_beside(untrained, reporter, until=until, device=device) as annealed:
        result = train(
            problem,
            config,
            reporter,
            inputs,
            folder=folder,
            resume=resume,
            device=device,
            max_seconds=min(seconds_left, default=None),
        )
        for past in (folder.search, folder.chains_so_far):
            past.unlink(missing_ok=True)
        if result.iteration > before and not folder.chains.is_file():
            of_the_old = folder.annealed, folder.annealed_groups, folder.annealed_rounds, folder.candidate_rounds
            for past in of_the_old:  # which began at the mixture as it was
                past.unlink(missing_ok=True)
        run = finish_weights(_run(config, inputs, result, folder), result, reporter)
        if result.ending == "time" and max_seconds is None:
            reporter.warning(
                f"time is up for training at iteration {result.iteration:,} of {config.iterations:,}; --resume goes on"
            )
        if result.ending != "signal" and (result.ending != "time" or max_seconds is None):
            run = (
                finish_run(run, reporter, until=until, device=device)
                if annealed is None
                else replace(run, annealed=annealed())
            )
    return run, result


def _shortened(config: FitConfig, start: Start) -> FitConfig:
    """The configuration with the short training that suits a start from a sample, unless its length was chosen."""
    found = start.topologies
    if not isinstance(found, WeightedTopologies) or found.trees is None or config.finish == "importance":
        return config
    if config.iterations != RECIPES[config.recipe]["iterations"]:
        return config
    return config.with_iterations(_ITERATIONS_FROM_A_SAMPLE)


def _run(config: FitConfig, inputs: RunInputs, result: FitResult, folder: RunFolder | None = None) -> Run:
    problem = cast(PhyloProblem, result.problem)
    return Run(
        config=config,
        inputs=replace(inputs, support=problem.mixture.support),
        problem=problem,
        iteration=result.iteration,
        seconds=result.seconds,
        folder=folder,
    )


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


def resumed_config(path: Path, given: FitConfig, explicit: set[str]) -> FitConfig:
    """The configuration of the run in a folder, after checking that nothing said now contradicts it.

    Weights can be asked for of a run that began without: training is the same with and without them.

    Arguments:
        path: the folder.
        given: the configuration as the user says it now.
        explicit: names of the settings given explicitly; the others come from the run.

    Raises:
        ConfigError: no run there, or a setting that differs.
    """
    saved = load_config(RunFolder(path).config)
    saved = replace(saved, learn_weights=saved.learn_weights or given.learn_weights)
    for name in sorted(explicit - {"learn_weights"}):
        now, then = getattr(given, name), getattr(saved, name)
        if recorded(now) != then:
            raise ConfigError(
                f"{path}: the run was started with {name} = {then}, now it is {now}; "
                "leave the option out to go on, or choose another folder"
            )
    # paths as they are given now: the record has escapes for what is not UTF-8
    return replace(saved, **{name: getattr(given, name) for name in explicit - {"learn_weights"}})


def _write_config(folder: RunFolder, config: FitConfig) -> None:
    with atomic_write(folder.config) as file:
        file.write(config.to_toml())
