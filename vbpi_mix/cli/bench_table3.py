"""`vbpi-mix bench table3`: the mixtures of the paper's Table 3."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import Quiet, Threads, output_option, use_threads

EXAMPLE = "Example: vbpi-mix bench table3 --data DS1 --rows 'a2a:1:1;s2a:1:4' --seeds 1 -o table3"


def table3(
    output: Annotated[
        Path,
        output_option("Folder for the results; made if need be."),
    ] = Path("table3"),
    data: Annotated[
        str | None, typer.Option(help="Data sets or alignment files, separated by commas; DS1 to DS8 if not given.")
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(
            help="Rows as ESTIMATOR:S:A, such as s2a:1:4, separated by ;. a2a, s2a or s2s alone: all of one estimator. "
            "May be repeated. All sixteen if not given."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds; three, as in the paper, if not given.")] = 3,
    first_seed: Annotated[int, typer.Option(help="First seed.")] = 1,
    recipe: Annotated[
        str, typer.Option(help="Named set of settings: default, or paper for the published training.")
    ] = "default",
    flow: Annotated[
        str | None, typer.Option(help="Flow of the branch lengths; realnvp, as in the paper, if not given.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Number of optimiser steps; that of the recipe if not given.")
    ] = None,
    trees: Annotated[
        Path | None,
        typer.Option(
            help="Candidate topologies: a file, or a folder with DS1.ufboot.topologies.tsv.gz and so on; a bootstrap "
            "is made if not given."
        ),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            help="Folder with DS1.KIND.topologies.tsv.gz of MCMC runs, where KIND is golden, short or wmb. No "
            "distances to MCMC if not given."
        ),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Further setting of a fit as NAME=VALUE. May be repeated.")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Word at the end of the models' names, to tell other settings apart.")
    ] = None,
    starts_only: Annotated[
        bool, typer.Option("--starts-only", help="Search the topologies that the rows start from, and train nothing.")
    ] = False,
    repeats: Annotated[
        int, typer.Option(help="Number of repeats of 1,000 draws per component in the evaluation.")
    ] = 100,
    fleet: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of models of a data set to train together, a step of all of them at once; one model after "
            "another if not given.",
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            help="Device that weighs topologies and trains: cpu, cuda (an NVIDIA GPU), or auto (a GPU if there is one "
            "and the work is large enough).",
            show_default=True,
        ),
    ] = "cpu",
    threads: Threads = None,
    quiet: Quiet = False,
) -> int:
    """Train the mixtures of Table 3 and keep a record of each: settings, estimates, bounds, distances to MCMC, times.

    The folder gets a JSON file per model in models/; `vbpi-mix bench render` makes tables and pictures of them. Models
    that are there already are kept. A call that was stopped goes on where it was; several may share a folder.
    """
    from vbpi_mix.errors import ConfigError
    from vbpi_mix.experiment import check_device
    from vbpi_mix.replication.table3.config import make_table3_config
    from vbpi_mix.replication.table3.run import make_starts, run_table3, without_folders

    use_threads(threads)
    check_device(device)
    if fleet is not None and starts_only:
        raise ConfigError("--fleet is for training, and --starts-only trains nothing: leave one of them out")
    config = make_table3_config(
        data=data,
        rows=rows or ("all",),
        n_seeds=seeds,
        first_seed=first_seed,
        recipe=recipe,
        flow=flow,
        iterations=iterations,
        trees=trees,
        references=references,
        settings=settings or (),
        label=label,
        n_repeats=repeats,
    )
    if starts_only:
        with ConsoleReporter(quiet=quiet) as reporter:
            paths, signal_number = make_starts(config, output, device=device, reporter=reporter)
            if signal_number is not None:
                reporter.warning("stopped: the same command goes on")
                return 128 + signal_number
        for path in paths:
            typer.echo(str(path))
        return 0
    command = shlex.join(["vbpi-mix", *without_folders(sys.argv[1:])])
    with ConsoleReporter(quiet=quiet) as reporter:
        outcome = run_table3(config, output, command=command, device=device, fleet=fleet, reporter=reporter)
        if outcome.signal_number is not None:
            reporter.warning(f"stopped; {len(outcome.records)} models have their record: the same command goes on")
            return 128 + outcome.signal_number
    taken = f"; {outcome.n_taken} are being trained by other processes" if outcome.n_taken else ""
    typer.echo(f"{len(outcome.records)} of {len(config.jobs())} models have their record{taken}")
    typer.echo(f"tables and pictures: vbpi-mix bench render {shlex.quote(str(output))}")
    return 0
