"""The benchmark of Table 3: train what is missing, measure it, and keep a record of each model."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vbpi_mix.errors import ConfigError
from vbpi_mix.experiment.config import FitConfig, load_config
from vbpi_mix.experiment.device import check_device
from vbpi_mix.experiment.fit import fit_folder
from vbpi_mix.experiment.fleet import FleetMember, fit_folders
from vbpi_mix.experiment.folder import RunFolder
from vbpi_mix.experiment.reporter import Reporter, Silent
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.start import shared_start
from vbpi_mix.experiment.warm_up import warm_up
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.io.trees import read_trees
from vbpi_mix.replication.locks import hold_lock
from vbpi_mix.replication.records import make_folder, read_record, write_record
from vbpi_mix.replication.signals import Stopped, stoppable
from vbpi_mix.replication.table3.config import PATHS, Table3Config, Table3Data, Table3Job, settings_default
from vbpi_mix.replication.table3.evaluate import Reference, evaluate_model, read_reference, training_curve
from vbpi_mix.replication.table3.timing import operation_costs
from vbpi_mix.start import Start
from vbpi_mix.train import FitResult


@dataclass(frozen=True, kw_only=True)
class Table3Outcome:
    """Outcome of `run_table3`.

    Arguments:
        records: files of the models asked for that are there now.
        n_trained: number of these that this call trained or measured.
        n_taken: models left to other processes.
        signal_number: number of the signal that ended the call, if one did.
    """

    records: tuple[Path, ...]
    n_trained: int
    n_taken: int
    signal_number: int | None = None


def run_table3(
    config: Table3Config,
    folder: Path,
    *,
    command: str = "",
    device: str = "cpu",
    fleet: int | None = None,
    reporter: Reporter | None = None,
) -> Table3Outcome:
    """Train every model that has no record yet, and write its record.

    `starts/` keeps what all rows of a data set and seed start from, `runs/` a run folder per model, `models/` the
    records. A run folder is needed until its record is there. A call that is stopped goes on where it was, and several
    processes may work in the same folder: a model is trained by the first that comes to it.

    Arguments:
        config: see `make_table3_config`.
        folder: folder of the results, made if need be.
        command: command as the user typed it, for the records.
        device: what makes starts and trains, a word of `experiment.device.Device`.
        fleet: number of models of a data set that are trained together (`experiment.fleet`); None: one after another.
        reporter: told about progress.

    Raises:
        InputError, ConfigError: the folder holds results of other settings, or cannot be written.
        BackendError: the device cannot be used.
        NumericalError: a training failed.
    """
    check_device(device)
    if fleet is not None and fleet < 1:
        raise ConfigError(f"a fleet has at least one model, not {fleet}")
    reporter = reporter or Silent()
    models, locks = make_folder(folder / "models"), make_folder(folder / "locks")
    for name in ("starts", "runs"):
        make_folder(folder / name)
    jobs = config.jobs()
    paths = {job: models / f"{config.name(job)}.json" for job in jobs}
    missing = [job for job in jobs if _read(config, job, paths[job]) is None]  # all first: a mistake stops here
    for job in missing:
        _check_run(config, job, folder)
    references = {data: _read_inputs(data) for data in dict.fromkeys(job.data for job in missing)}
    n_taken = 0
    bench = _Bench(config, folder, command, references, reporter, device, together=fleet is not None)

    def outcome(signal_number: int | None = None) -> Table3Outcome:
        there = tuple(path for path in paths.values() if path.is_file())
        return Table3Outcome(records=there, n_trained=bench.n_made, n_taken=n_taken, signal_number=signal_number)

    try:
        with stoppable():
            for group in _groups(jobs, fleet):
                mine = []
                with ExitStack() as held:
                    for job in (job for job in group if job in missing):
                        state = held.enter_context(hold_lock(locks / f"{config.name(job)}.lock"))
                        if state == "taken":
                            n_taken += 1
                            reporter.message(f"{config.name(job)}: another process is at it")
                            continue
                        if state == "unknown":
                            reporter.warning(f"{folder}: no locks there: let no other process train the same models")
                        if _read(config, job, paths[job]) is None:  # nobody was faster
                            mine.append(job)
                    if mine:
                        bench.make(mine, paths)
    except Stopped as stopped:
        return outcome(stopped.signal_number)
    return outcome()


def _groups(jobs: Sequence[Table3Job], fleet: int | None) -> list[list[Table3Job]]:
    """The jobs that are trained together: each by itself, or so many of a data set at a time.

    Groups do not depend on what is done already, so that a call goes on with the fleets of the one before.
    """
    if fleet is None:
        return [[job] for job in jobs]
    of_data = [[job for job in jobs if job.data == data] for data in dict.fromkeys(job.data for job in jobs)]
    return [some[i : i + fleet] for some in of_data for i in range(0, len(some), fleet)]


def make_starts(
    config: Table3Config, folder: Path, *, device: str = "cpu", reporter: Reporter | None = None
) -> tuple[tuple[Path, ...], int | None]:
    """Make what the rows of each data set and seed start from, where it is not there yet, and train nothing.

    Arguments:
        config: see `make_table3_config`.
        folder: folder of the results, made if need be.
        device: what weighs topologies, a word of `experiment.device.Device`.
        reporter: told about progress.

    Returns:
        The files in `starts/` that are there now, and the number of the signal that ended the call, if one did.

    Raises:
        InputError: a file there was made with other settings, or the folder cannot be written.
        BackendError: the device cannot be used.
    """
    check_device(device)
    starts = make_folder(folder / "starts")
    make_folder(folder / "locks")
    bench = _Bench(config, folder, "", {}, reporter or Silent(), device)
    first = {config.start_name(job): job for job in reversed(config.jobs())}
    signal_number = None
    try:
        with stoppable():
            for name in reversed(first):
                bench.start(first[name], config.fit_config(first[name]), _Named(bench.reporter, name))
    except Stopped as stopped:
        signal_number = stopped.signal_number
    paths = (starts / f"{name}.npz" for name in reversed(first))
    return tuple(path for path in paths if path.is_file()), signal_number


class _Bench:
    """State that models share while a process goes through them."""

    def __init__(
        self,
        config: Table3Config,
        folder: Path,
        command: str,
        references: Mapping[Table3Data, Reference | None],
        reporter: Reporter,
        device: str = "cpu",
        *,
        together: bool = False,
    ) -> None:
        self.config, self.folder, self.command, self.references = config, folder, command, references
        self.reporter: Reporter = reporter
        self.device, self.together = device, together
        self.n_made = 0  # records
        self._start: tuple[str, Start] | None = None

    def make(self, jobs: Sequence[Table3Job], paths: Mapping[Table3Job, Path]) -> None:
        """Train and measure models, and write their records; `Stopped` if a signal ended the training."""
        before = os.getloadavg()[0]
        begun = time.perf_counter()
        settings = self.config.fit_config(jobs[0])
        warm_up(settings.model, settings.flow, Silent())
        loaded = time.perf_counter() - begun
        members = [self._member(job) for job in jobs]
        for job, member, (run, fitted) in zip(jobs, members, self._trained(members), strict=True):
            if fitted.signal_number is not None:
                raise Stopped(fitted.signal_number)
            result = self._result(job, run, fitted, RunFolder(member.path), member.reporter)
            result["seconds"]["kernels"] = loaded
            result["trained"] = {"together": len(jobs), "device": self.device}
            result["load_average"] = [before, os.getloadavg()[0]]
            result["command"] = self.command
            write_record(paths[job], self.config.of_model(job), result)
            self.n_made += 1
            evidence = result["evaluation"]
            self.reporter.message(
                f"{member.name}: log ML {evidence['log_ml']:.3f} ({evidence['log_ml_std']:.3f}), "
                f"ELBO {evidence['elbo']:.3f}"
            )

    def _member(self, job: Table3Job) -> FleetMember:
        name = self.config.name(job)
        reporter = _Named(self.reporter, name)
        reporter.message(f"{name}: begins")
        settings = self.config.fit_config(job)
        folder = RunFolder(self.folder / "runs" / name)
        return FleetMember(
            name=name,
            config=settings,
            path=folder.path,
            start=None if folder.checkpoint.is_file() else self.start(job, settings, reporter),
            resume=folder.config.exists(),
            reporter=reporter,
        )

    def _trained(self, members: Sequence[FleetMember]) -> list[tuple[Run, FitResult]]:
        if self.together:
            return fit_folders(members, device=self.device, reporter=self.reporter)
        return [
            fit_folder(m.config, m.path, start=m.start, resume=m.resume, device=self.device, reporter=m.reporter)
            for m in members
        ]

    def start(self, job: Table3Job, settings: FitConfig, reporter: Reporter) -> Start:
        """The shared start, kept in memory until another is asked for."""
        name = self.config.start_name(job)
        if self._start is None or self._start[0] != name:
            self._start = None
            with hold_lock(self.folder / "locks" / f"{name}.start.lock") as state:
                if state == "taken":
                    reporter.message(f"{name}: another process makes the start, waiting for it")
            with hold_lock(self.folder / "locks" / f"{name}.start.lock", wait=True):
                start = shared_start(
                    settings, self.folder / "starts" / f"{name}.npz", device=self.device, reporter=reporter
                )
            self._start = name, start
        return self._start[1]

    def _result(
        self, job: Table3Job, run: Run, fitted: FitResult, folder: RunFolder, reporter: Reporter
    ) -> dict[str, Any]:
        begun = time.perf_counter()
        measured = evaluate_model(
            run,
            n_repeats=self.config.n_repeats,
            n_samples=self.config.n_samples,
            reference=self.references[job.data],
            component_weights=run.problem.mixture.component_weights,
            reporter=reporter,
        )
        evaluated = time.perf_counter() - begun
        start = folder.read_start()
        seconds = {**start["seconds"], "training": fitted.seconds}
        return {
            "iterations": fitted.iteration,
            "ending": fitted.ending,
            # from the alignment to the trained mixture, compiled kernels at hand
            "seconds": {**seconds, "total": sum(seconds.values()), "evaluation": evaluated},
            "threads": get_threads(),
            "start": {
                "made": start["made"],
                "account": folder.read_growth() or None,
                "n_rootsplits": run.inputs.support.n_rootsplits,
                "n_pcsps": run.inputs.support.n_pcsps,
            },
            **measured,
            "component_weights": None if run.learned is None else run.learned.to_dict(),
            "operations": operation_costs(run, job.row),
            "curve": training_curve(folder.read_metrics()),
        }


class _Named:
    """A reporter whose stages carry the name of a model."""

    def __init__(self, reporter: Reporter, name: str) -> None:
        self._reporter, self._name = reporter, name

    def message(self, text: str) -> None:
        self._reporter.message(text)

    def warning(self, text: str) -> None:
        self._reporter.warning(f"{self._name}: {text}")

    def progress(self, stage: str, done: int, total: int, detail: str = "") -> None:
        self._reporter.progress(f"{self._name}: {stage}", done, total, detail)


def without_folders(arguments: Sequence[str]) -> list[str]:
    """Words of a command line with every path reduced to its name; lists by commas are taken apart."""
    return [",".join(_name(part) for part in word.split(",")) for word in arguments]


def _name(word: str) -> str:
    option, sign, value = word.partition("=")
    if sign:
        return f"{option}={_name(value)}"
    return Path(word).name if "/" in word else word


def _read_inputs(data: Table3Data) -> Reference | None:
    """The reference of a data set, after a look at its candidates: taxa that differ are found before any training."""
    taxa = read_alignment(data.alignment).taxa
    if data.trees is not None:
        read_trees([data.trees], taxa)
    return read_reference(data, taxa)


def _read(config: Table3Config, job: Table3Job, path: Path) -> dict[str, Any] | None:
    return read_record(path, config.of_model(job), otherwise=settings_default)


def _check_run(config: Table3Config, job: Table3Job, folder: Path) -> None:
    """Raise ConfigError if the model's run folder holds a run of other settings."""
    run = RunFolder(folder / "runs" / config.name(job))
    if not run.config.is_file():
        return
    wanted = config.fit_config(job)
    saved = replace(load_config(run.config), **{name: getattr(wanted, name) for name in PATHS})
    for name, then in asdict(saved).items():
        now = getattr(wanted, name)
        if then != now:
            raise ConfigError(
                f"{run.path}: the run was started with {name} = {then}, now it is {now}: give another folder with -o, "
                "another name with --label, or delete the run"
            )
