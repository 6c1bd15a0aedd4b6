"""`vbpi-mix report`: one page with everything a run found."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import Quiet, Repeats, RunArgument, Threads, output_option, use_threads

EXAMPLE = "Example: vbpi-mix report primates_run --outgroup Lemur_catta"


def report(
    run: RunArgument,
    output: Annotated[
        Path | None,
        output_option("HTML file for the report; RUN/report.html if not given."),
    ] = None,
    outgroup: Annotated[
        str | None, typer.Option(help="Taxon at whose branch the drawings are rooted; the midpoint if not given.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for the SVG files of the figures; RUN/figures if not given.")
    ] = None,
    repeats: Repeats = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print the files as one JSON object.")] = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Write a report of a run: one HTML page that fetches nothing, and its figures as SVG files.

    The page holds a summary, the consensus tree, a cloud of trees, splits and topologies with errors, branch lengths,
    diagnostics with verdicts, the model and its priors. It ends with how to make it again and what to cite.
    """
    from vbpi_mix.analysis.report import write_report
    from vbpi_mix.errors import InputError
    from vbpi_mix.experiment import Run, RunFolder
    from vbpi_mix.experiment.lock import hold_if_within

    use_threads(threads)
    loaded = Run.load(run)
    page = RunFolder(run).report if output is None else output
    if not page.parent.is_dir():
        raise InputError(f"{page.parent}: no such folder to write {page.name} into")
    if outgroup is not None and outgroup not in loaded.inputs.taxa:
        raise InputError(f"there is no taxon {outgroup!r} to root at; taxa: {', '.join(loaded.inputs.taxa)}")
    figures = RunFolder(run).figures if figures is None else figures
    with hold_if_within(run, page, figures), ConsoleReporter(quiet=quiet) as reporter:
        sample = loaded.weighted_sample(n_repeats=repeats, reporter=reporter)
        written = write_report(loaded, sample, page, figures=figures, outgroup=outgroup, neighbours=True)
    if as_json:
        typer.echo(json.dumps({"report": str(written[0]), "figures": [str(path) for path in written[1:]]}))
        return
    for path in written:
        typer.echo(path)
