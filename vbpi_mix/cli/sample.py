"""`vbpi-mix sample`: trees from the posterior."""

from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.options import RunArgument, output_option

EXAMPLE = "Example: vbpi-mix sample primates_run -n 1000 -o primates.trees"


def sample(
    run: RunArgument,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Number of trees to write.")] = 1000,
    output: Annotated[
        Path | None,
        output_option("NEXUS file for the trees; RUN/posterior/sample.trees if not given."),
    ] = None,
    oversampling: Annotated[int, typer.Option(min=1, help="Number of draws from the mixture per tree written.")] = 20,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draws; the run's own if not given.")] = None,
) -> None:
    """Write equally weighted posterior trees with branch lengths, as NEXUS.

    Trees are drawn from the mixture and resampled by their importance weights, so that they follow the posterior and
    not its approximation.
    """
    from vbpi_mix.errors import InputError
    from vbpi_mix.experiment import Run
    from vbpi_mix.experiment.lock import hold_if_within
    from vbpi_mix.posterior import write_sample

    loaded = Run.load(run)
    path = run / "posterior" / "sample.trees" if output is None else output
    if output is not None and not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder to write {path.name} into")
    with hold_if_within(run, path):
        if output is None:
            path.parent.mkdir(exist_ok=True)
        write_sample(loaded.sample(number, oversampling=oversampling, seed=seed), path)
    typer.echo(f"{number:,} trees written to {path}")
