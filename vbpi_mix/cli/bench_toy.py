"""`vbpi-mix bench toy`: the funnel toy, Figures 3 and 8 to 12 of the paper."""

from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import Quiet, output_option

EXAMPLE = "Example: vbpi-mix bench toy -o toy --scale small"


def toy(
    output: Annotated[
        Path,
        output_option("Folder for the results; made if need be."),
    ],
    rows: Annotated[
        list[str] | None,
        typer.Option(
            help="Rows as ESTIMATOR:S:A, such as s2a:2:5, separated by ;. May be repeated. The paper's if not given."
        ),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(help="Scale: paper (50,000 iterations, three seeds) or small (3,000 at a higher rate, one seed)."),
    ] = "paper",
    iterations: Annotated[
        int | None, typer.Option(help="Number of optimiser steps; that of the scale if not given.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds, from 1 on; that of the scale if not given.")
    ] = None,
    data_seed: Annotated[int, typer.Option(min=0, help="Seed of the simulated data.")] = 1,
    latents: Annotated[
        str, typer.Option(help="Latents that the data are drawn with: one for all points, or per-point.")
    ] = "one",
    energy: Annotated[
        str, typer.Option(help="Evaluation of a step's components: sequential, as in the paper, or together.")
    ] = "sequential",
    train_only: Annotated[
        bool,
        typer.Option(
            "--train-only", help="Make no timings, tables and pictures, so that several processes can share the rows."
        ),
    ] = False,
    quiet: Quiet = False,
) -> int:
    """Train mixtures of Gaussians on Neal's funnel with A2A, S2A and S2S, beside the exact marginal likelihood.

    The folder gets one JSON file per trained model, timings, a CSV and a Markdown table, and Figures 3 and 8 to 12 as
    pictures. Models that are there already are kept: a call that was stopped goes on with the model it was at.
    """
    from vbpi_mix.replication.toy.config import make_toy_config
    from vbpi_mix.replication.toy.run import run_toy
    from vbpi_mix.replication.toy.tables import markdown

    config = make_toy_config(
        scale=scale,
        rows=rows or (),
        iterations=iterations,
        n_seeds=seeds,
        data_seed=data_seed,
        latents=latents,
        energy=energy,
    )
    with ConsoleReporter(quiet=quiet) as reporter:
        outcome = run_toy(config, output, only_train=train_only, reporter=reporter)
        if outcome.signal_number is not None:
            reporter.warning(f"stopped; {len(outcome.files)} trained models are kept: the same command goes on")
            return 128 + outcome.signal_number
    if outcome.tables is not None:
        typer.echo(markdown(outcome.tables))
    typer.echo("files:")
    for file in outcome.files:
        typer.echo(f"  {file}")
    return 0
