"""`vbpi-mix data`: which data sets there are, where they lie, and fetching them."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from vbpi_mix.io import datasets

app = typer.Typer(help="Data sets that come with the package or are fetched by checksum.", no_args_is_help=True)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON list with everything the catalogue says.")] = False,
) -> None:
    """List the data sets.

    Example: vbpi-mix data list --json
    """
    entries = [_described(entry) for entry in datasets.catalogue().values()]
    if as_json:
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "taxa", "sites", "patterns", "kB", "here"):
        table.add_column(heading, justify="left" if heading == "name" else "right", no_wrap=True)
    table.add_column("what", overflow="fold")
    for entry in entries:
        numbers = [str(entry.get(key, "")) for key in ("taxa", "sites", "patterns")]
        here = "no" if entry["path"] is None else "yes"
        table.add_row(entry["name"], *numbers, str(-(-entry["bytes"] // 1000)), here, entry["title"])
    Console().print(table)


@app.command("where")
def where(name: Annotated[str, typer.Argument(help="Name of a data set.")]) -> None:
    """Print the path of a data set that is on this machine, alone on its line.

    Example: vbpi-mix data where DS1
    """
    typer.echo(datasets.where(name))


@app.command("fetch")
def fetch(names: Annotated[list[str], typer.Argument(help="Names of data sets.")]) -> None:
    """Fetch data sets into the user's cache and print their paths.

    The environment variable VBPI_MIX_DATA_MIRROR names the URL or folder to fetch from; images have a public address.

    mnist, fashion-mnist and cifar10 name all files of a set of images.

    Example: vbpi-mix data fetch DS1.ufboot DS1.golden
    """
    # all names first: a wrong one fetches nothing
    for entry in [entry for name in names for entry in datasets.members(name)]:
        typer.echo(datasets.fetch(entry.name))


def _described(entry: datasets.Dataset) -> dict[str, Any]:
    path = datasets.local_path(entry)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "title": entry.title,
        **entry.dimensions,
        "bytes": entry.size,
        "sha256": entry.sha256,
        "source": entry.source,
        "licence": entry.licence,
        "references": list(entry.references),
        "path": str(path) if path.is_file() else None,
    }
