"""`vbpi-mix data`: which data sets there are, where they lie, and fetching them."""

import json
import shutil
from typing import Annotated, Any

import typer

from vbpi_mix.io import datasets

app = typer.Typer(help="Data sets that come with the package or are fetched by checksum.", no_args_is_help=True)


@app.command("list")
def list_(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON list with everything in the catalogue.")
    ] = False,
) -> None:
    """List the data sets, alignments first; --json has sizes, sources and licences.

    Example: vbpi-mix data list --json
    """
    entries = [_described(entry) for entry in datasets.catalogue().values()]
    if as_json:
        typer.echo(json.dumps(entries, indent=2, ensure_ascii=False))
        return
    rows = [("name", "taxa", "sites", "here", "what")]
    for entry in sorted(entries, key=lambda entry: entry["kind"] != "alignment"):
        taxa, sites = (str(entry.get(key, "")) for key in ("taxa", "sites"))
        rows.append((entry["name"], taxa, sites, "no" if entry["path"] is None else "yes", entry["title"]))
    longest = max(len(row[0]) for row in rows)
    width = shutil.get_terminal_size((100, 24)).columns
    for name, taxa, sites, here, what in rows:
        line = f"{name:<{longest}}  {taxa:>4}  {sites:>5}  {here:<4}  {what}"
        typer.echo(line if len(line) <= width else line[: width - 1] + "\u2026")


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

    Example: vbpi-mix data fetch mnist
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
