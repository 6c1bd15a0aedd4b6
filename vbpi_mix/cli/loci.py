"""`vbpi-mix loci`: what comes after a batch."""

from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.options import output_option

app = typer.Typer(help="Results of `batch`: trees for other programs, concordance, table.", no_args_is_help=True)
_Batch = Annotated[Path, typer.Argument(help="Folder of a batch.")]


@app.command(epilog="Example: vbpi-mix loci export loci -o gene_trees.nwk --to astral")
def export(
    batch: _Batch,
    output: Annotated[
        Path,
        output_option("Folder for the files, or the one file."),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--to",
            help="Program or format: newick, ale (ALEobserve, AleRax) or bucky (a file for each locus), astral or "
            "phylonet (one file).",
        ),
    ] = "newick",
) -> None:
    """Write the trees of all finished loci for another program."""
    from vbpi_mix.batch.exports import export_loci

    files = export_loci(batch, output, form)
    typer.echo(
        f"{len(files):,} {'file' if len(files) == 1 else 'files'}: {files[0]}{', ...' if len(files) > 1 else ''}"
    )


@app.command(epilog="Example: vbpi-mix loci concordance loci -o concordance.tsv")
def concordance(
    batch: _Batch,
    output: Annotated[
        Path,
        output_option("File for the table, tab-separated."),
    ],
    taxa: Annotated[
        str | None, typer.Option(help="Taxa separated by commas; those that all loci have if not given.")
    ] = None,
) -> None:
    """Split frequencies over loci, on the taxa that they share."""
    from vbpi_mix.batch.concordance import concordance, write_concordance

    names = None if taxa is None else [t.strip() for t in taxa.split(",") if t.strip()]
    chosen, splits, n_loci = concordance(batch, taxa=names)
    write_concordance(output, splits)
    typer.echo(f"{len(splits):,} splits of {len(chosen)} taxa over {n_loci:,} loci: {output}")
    for split in splits[: len(chosen) - 3]:
        typer.echo(f"  {split.concordance:.3f} +- {split.standard_error:.3f}  {', '.join(split.taxa)}")


@app.command(name="table", epilog="Example: vbpi-mix loci table loci")
def table(batch: _Batch) -> None:
    """Rewrite loci.tsv with one line a locus, and the page."""
    from vbpi_mix.batch.page import write_page
    from vbpi_mix.batch.run import PAGE
    from vbpi_mix.batch.table import TABLE, read_rows, write_rows
    from vbpi_mix.errors import InputError

    rows = read_rows(batch / TABLE)
    if not rows:
        raise InputError(f"{batch}: there is no {TABLE} with loci; give the folder that `vbpi-mix batch ... -o` wrote")
    ordered = [rows[name] for name in sorted(rows)]
    write_rows(batch / TABLE, ordered)
    write_page(batch / PAGE, ordered, len(ordered), batch)
    typer.echo(f"{len(ordered):,} loci: {batch / TABLE}, {batch / PAGE}")
