"""`vbpi-mix batch`: a folder of alignments in, a posterior for each out."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter, duration
from vbpi_mix.cli.options import AsJson, Quiet, output_option

EXAMPLE = "Example: vbpi-mix batch alignments -o loci --model HKY+G4"


def batch(
    source: Annotated[
        Path,
        typer.Argument(
            help="Folder of alignments, list of files, or table with a heading that begins with `alignment` and names "
            "options."
        ),
    ],
    output: Annotated[Path, output_option("Folder for the results.")],
    model: Annotated[str, typer.Option(help="Substitution model, as in `fit`.")] = "GTR+G4",
    depth: Annotated[
        str,
        typer.Option(
            help="Depth of the analysis: topologies (short chains), anneal (and the marginal likelihood), fit (the "
            "default recipe of `fit`), or auto (short chains, and a fit where they do not agree)."
        ),
    ] = "auto",
    priors: Annotated[str, typer.Option(help="Priors of the model's parameters, separated by semicolons.")] = "",
    branch_prior: Annotated[str, typer.Option(help="Prior of branch lengths.")] = "exponential",
    branch_prior_rate: Annotated[float, typer.Option(help="Rate of the exponential prior.")] = 10.0,
    agreement: Annotated[
        float,
        typer.Option(help="Largest difference of a split between two groups of chains at which short chains end."),
    ] = 0.1,
    trees: Annotated[int, typer.Option(min=1, help="Number of trees with branch lengths kept for each locus.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 1,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Number of processes; one per available core if not given.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Dask scheduler whose workers infer the loci, or `local` for a Dask cluster on this machine with its "
            "dashboard (needs the extra 'distributed').",
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Share of the loci for an array job: every N-th from the I-th on.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory for each process, such as 2G; a locus that needs more fails.")
    ] = None,
    tries: Annotated[int, typer.Option(min=1, help="Number of times that a locus is begun if its process dies.")] = 3,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> int:
    """Infer a posterior of trees for every alignment of a folder or list.

    OUTPUT gets loci.tsv (a line for each locus), index.html, and a small file for each locus in subfolders. `vbpi-mix
    loci` reads them.

    A locus that fails gets a line in the table with the reason, and the exit status is 1. A second call goes on where
    the first stopped, and does what failed or changed.
    """
    from vbpi_mix.batch.options import LocusOptions, find_loci, shard_of
    from vbpi_mix.batch.run import Workers, describe_failures, parse_memory, run_batch
    from vbpi_mix.model import parse_branch_prior, parse_model, parse_priors

    options = LocusOptions(
        model=model,
        branch_prior=branch_prior,
        branch_prior_rate=branch_prior_rate,
        priors=priors,
        depth=depth,  # type: ignore[arg-type]  # checked there
        agreement=agreement,
        trees=trees,
        seed=seed,
    )
    parse_model(model, infer=True)
    parse_branch_prior(branch_prior, branch_prior_rate)
    parse_priors(options.prior_list)
    loci = find_loci(source, options)
    if shard is not None:
        loci = shard_of(loci, shard)
    limit = None if memory is None else parse_memory(memory)
    with ConsoleReporter(quiet=quiet) as reporter:
        found = run_batch(
            loci,
            output,
            workers=Workers(number=workers, scheduler=scheduler, tries=tries, memory=limit),
            page=shard is None,
            reporter=reporter,
        )
    counts = {level: found.count(level) for level in ("good", "fair", "poor", "failed")}
    if as_json:
        typer.echo(json.dumps({"loci": found.n_loci, "before": found.n_before, **counts, "seconds": found.seconds}))
    else:
        listed = ", ".join(f"{n:,} {level}" for level, n in counts.items())
        typer.echo(f"{found.n_loci:,} loci in {duration(found.seconds)} ({found.n_before:,} done before): {listed}")
        for line in describe_failures(found.rows):
            typer.echo(f"  failed: {line}")
        typer.echo(f"{output / 'loci.tsv'}" + ("" if shard else f", {output / 'index.html'}"))
    return 1 if counts["failed"] else 0
