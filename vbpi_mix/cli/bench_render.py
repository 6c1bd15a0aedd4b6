"""`vbpi-mix bench render`: tables and pictures of a benchmark's records."""

from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.options import output_option

EXAMPLE = "Example: vbpi-mix bench render table3"


def render(
    folder: Annotated[
        Path, typer.Argument(help="Folder that `vbpi-mix bench table3`, `mnist`, `fashion` or `cifar10` wrote.")
    ],
    output: Annotated[
        Path | None,
        output_option("Folder for tables and pictures; that of the records if not given."),
    ] = None,
) -> int:
    """Write Table 3 beside the published one as Markdown, CSV and LaTeX, with pictures as SVG and PNG.

    For image models: Tables 1, 2 and 4 as Markdown and CSV, Figures 1, 4, 5, 6, 13 and 14 as PNG.

    Whatever is trained so far is shown, and what falls short is said; recipes, flows and labels have a table each.
    """
    from vbpi_mix.replication.render import render as render_records

    paths = render_records(folder, output)
    typer.echo("files:")
    for path in paths:
        typer.echo(f"  {path}")
    return 0
