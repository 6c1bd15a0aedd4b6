"""`vbpi-mix export`: the posterior in the formats of other programs."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import AsJson, Quiet, RunArgument, Threads, output_option, use_threads

EXAMPLE = "Example: vbpi-mix export primates_run -o primates_trees --format trees,log,consensus -n 10000"


def export(
    run: RunArgument,
    output: Annotated[Path, output_option("Folder for the files.")],
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="Formats to write, separated by commas: trees, mrbayes, trprobs, newick, log, consensus, map, splits, "
            "netcdf, or all. All but netcdf if not given. May be repeated.",
        ),
    ] = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="Number of trees to write.")] = 10_000,
    weighted: Annotated[
        bool,
        typer.Option(
            "--weighted/--resample",
            help="Write draws of the mixture with their importance weights, or equally weighted trees resampled by "
            "them.",
        ),
    ] = False,
    oversampling: Annotated[int, typer.Option(min=1, help="Number of draws from the mixture per resampled tree.")] = 20,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draws; the run's own if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files of the same names.")] = False,
    threads: Threads = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write posterior trees and their summaries in the formats of other programs.

    \b
    trees      NEXUS (.trees)
    mrbayes    MrBayes's .mb.t and .mb.p, for sumt filename=posterior.mb
    trprobs    topologies with their probabilities
    newick     a Newick tree on each line
    log        a table for Tracer
    consensus  majority rule, annotated for FigTree and treeio (.con.tre),
               and with supports as node labels for ape (.con.nwk)
    map        most probable topology, annotated (.map.tre)
    splits     a table of splits
    netcdf     InferenceData for ArviZ (needs the extra 'netcdf')

    All files describe the same trees, and appear together or not at all. Equal seeds write equal files.
    """  # noqa: D301
    from vbpi_mix.analysis import export_run
    from vbpi_mix.experiment import Run
    from vbpi_mix.experiment.lock import hold_if_within

    use_threads(threads)
    loaded = Run.load(run)
    with hold_if_within(run, output), ConsoleReporter(quiet=quiet) as reporter:
        result = export_run(
            loaded,
            output,
            formats=formats or (),
            n_trees=number,
            weighted=weighted,
            oversampling=oversampling,
            seed=seed,
            overwrite=overwrite,
            reporter=reporter,
        )
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
        return
    kind = "weighted" if result.weighted else "equally weighted"
    typer.echo(f"{result.n_trees:,} {kind} trees written to {output}: {', '.join(result.files)}")
    typer.echo(f"effective sample size {result.effective_sample_size:,.0f} of {result.n_draws:,} draws")
    if result.effective_sample_size < result.n_trees and not result.weighted:
        typer.echo(
            "these trees say no more than that many independent ones: raise --oversampling, or train longer", err=True
        )
