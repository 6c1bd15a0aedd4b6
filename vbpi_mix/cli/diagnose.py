"""`vbpi-mix diagnose`: whether to trust a run, and how far several runs agree."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import AsJson, Quiet, Repeats, Threads, use_threads

if TYPE_CHECKING:
    from vbpi_mix.evaluate.diagnostics.diagnostic import Diagnostic

EXAMPLE = "Example: vbpi-mix diagnose primates_run primates_run_seed2"
_SIGNS = {"good": "good: ", "fair": "fair: ", "poor": "POOR: ", "info": ""}
_COLOURS = {"good": "green", "fair": "yellow", "poor": "red", "info": None}


def diagnose(
    runs: Annotated[
        list[Path], typer.Argument(help="Folder of a run; several folders: runs of the same data with different seeds.")
    ],
    repeats: Repeats = 10,
    neighbours: Annotated[
        bool, typer.Option(help="Weigh neighbours of the best topologies that the support lacks (takes seconds).")
    ] = True,
    definitions: Annotated[bool, typer.Option(help="Print the definitions of the numbers.")] = True,
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Say whether a run can be trusted: weights, topologies, components, support, training.

    Every number comes with its definition and a verdict. With several runs of the same alignment, the command also says
    how far they agree.
    """
    from vbpi_mix.analysis.diagnose import agreement
    from vbpi_mix.analysis.diagnose import diagnose as diagnose_run
    from vbpi_mix.analysis.posteriors import posterior_of_sample
    from vbpi_mix.analysis.verdict import verdict
    from vbpi_mix.evaluate.diagnostics.diagnostic import worst
    from vbpi_mix.experiment import Run

    use_threads(threads)
    loaded = [Run.load(path) for path in runs]
    found, posteriors = [], []
    with ConsoleReporter(quiet=quiet) as reporter:
        for path, run in zip(runs, loaded, strict=True):
            sample = run.weighted_sample(n_repeats=repeats, reporter=reporter)
            found.append(diagnose_run(run, sample, name=str(path), neighbours=neighbours))
            posteriors.append(posterior_of_sample(run, sample, name=str(path), taxa=loaded[0].inputs.taxa))
        if len({(run.config.seed, run.config.recipe) for run in loaded}) < len(loaded):
            reporter.warning("some runs have the same seed: their agreement says little")
    together = agreement(posteriors) if len(runs) > 1 else []
    if as_json:
        content = {
            "overall": worst([*(d for one in found for d in one.diagnostics), *together]),
            "runs": [one.to_dict() for one in found],
            "agreement": {d.key: d.to_dict() for d in together},
        }
        typer.echo(json.dumps(content))
        return
    known: dict[str, Diagnostic] = {}
    for one in found:
        _print_table(one.name, one.diagnostics)
        typer.echo(f"verdict: {verdict(one.diagnostics)}\n")
        known |= {d.key: d for d in one.diagnostics}
    if together:
        _print_table(f"agreement of the {len(runs)} runs", together)
        known |= {d.key: d for d in together}
    if definitions:
        typer.echo("what the numbers are:")
        for diagnostic in known.values():
            typer.echo(f"  {diagnostic.label}: {diagnostic.definition}.")


def _print_table(title: str, diagnostics: Sequence["Diagnostic"]) -> None:
    width = max(len(d.label) for d in diagnostics) + 2
    typer.echo(title)
    for d in diagnostics:
        sign = typer.style(_SIGNS[d.level], fg=_COLOURS[d.level], bold=d.level == "poor")
        typer.echo(f"  {d.label:<{width}}{d.text}")
        typer.echo(f"  {'':<{width}}{sign}{d.verdict}")
    typer.echo("")
