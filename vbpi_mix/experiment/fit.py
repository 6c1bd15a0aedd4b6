"""The whole path: from an alignment to a trained mixture and a posterior over trees."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import cast

from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment.beside import annealing_beside
from vbpi_mix.experiment.build import check, for_data, make_inputs, make_parts, make_problem, start_problem
from vbpi_mix.experiment.component_weights import finish_weights
from vbpi_mix.experiment.config import FitConfig, load_config, recorded
from vbpi_mix.experiment.deadlines import Deadlines
from vbpi_mix.experiment.device import check_device, choose_device
from vbpi_mix.experiment.finish import finish_run
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.prepare import Prepared, prepare
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.start import make_start
from vbpi_mix.phylo import Alignment, TreeSample
from vbpi_mix.start import Start
from vbpi_mix.threads import torch_threads
from vbpi_mix.train import FitResult, fit_training
from vbpi_mix.variational import PhyloProblem


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
    prepared = Prepared(config=config, folder=None, inputs=inputs, problem=problem)
    result = fit_training(prepared.training(reporter), device=choose_device(device, problem, config, reporter))
    return conclude(prepared, result, reporter)


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
    prepared = prepare(
        config,
        folder,
        locks,
        alignment=alignment,
        start=start,
        resume=resume,
        iterations=iterations,
        deadlines=deadlines,
        device=device,
        reporter=reporter,
    )
    seconds_left = [x for x in (max_seconds, deadlines.left("training")) if x is not None]
    until = deadlines.until("annealing")
    with annealing_beside(prepared.run, reporter, until=until, device=device) as annealed:
        result = fit_training(
            prepared.training(reporter),
            max_seconds=min(seconds_left, default=None),
            device=choose_device(device, prepared.problem, prepared.config, reporter),
        )
        run = conclude(prepared, result, reporter)
        if result.ending == "time" and max_seconds is None:
            reporter.warning(
                f"time is up for training at iteration {result.iteration:,} of {run.config.iterations:,}; "
                "--resume goes on"
            )
        if result.ending != "signal" and (result.ending != "time" or max_seconds is None):
            run = (
                finish_run(run, reporter, until=until, device=device)
                if annealed is None
                else replace(run, annealed=annealed())
            )
    return run, result


def conclude(prepared: Prepared, result: FitResult, reporter: Reporter) -> Run:
    """The run after training: what belongs to the mixture as it was goes, and weights are learned if asked for."""
    folder = prepared.folder
    if folder is not None:
        for past in (folder.search, folder.chains_so_far):
            past.unlink(missing_ok=True)
        if result.iteration > prepared.iteration and not folder.chains.is_file():
            of_the_old = folder.annealed, folder.annealed_groups, folder.annealed_rounds, folder.candidate_rounds
            for past in of_the_old:
                past.unlink(missing_ok=True)
    problem = cast(PhyloProblem, result.problem)
    run = replace(
        prepared.run,
        inputs=replace(prepared.inputs, support=problem.mixture.support),
        problem=problem,
        iteration=result.iteration,
        seconds=result.seconds,
    )
    return finish_weights(run, result, reporter)


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
