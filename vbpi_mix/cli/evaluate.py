"""`vbpi-mix evaluate`: bounds and the marginal log-likelihood of a run."""

import json
from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import format_estimate, use_threads

EXAMPLE = "Example: vbpi-mix evaluate primates_run --json"


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    samples: Annotated[int, typer.Option(min=10, help="Draws per component and repeat.")] = 1000,
    repeats: Annotated[int, typer.Option(min=1, help="Independent repeats.")] = 100,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draws; the run's own if not given.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; one per available core if not given.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Estimate ELBO, 10-sample bound and marginal log-likelihood of a run, with standard errors.

    All logarithms are natural. log_ml is the mean over components of the log mean weight, as published tables print
    it; log_ml_pooled uses all draws at once and is consistent. A Pareto k above its threshold says that the standard
    errors cannot be trusted; a warning says so, and if the search for topologies left much of the posterior out.
    """
    from vbpi_mix.experiment import Run
    from vbpi_mix.experiment.caution import caution

    use_threads(threads)
    loaded = Run.load(run)
    with ConsoleReporter(quiet=quiet) as reporter:
        result = loaded.evaluate(n_particles=samples, n_repeats=repeats, seed=seed, reporter=reporter)
        warning = caution(loaded, result)
        if warning is not None:
            reporter.warning(warning)
    values = {**result.to_dict(), "warning": warning, "iteration": loaded.iteration}
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name in ("elbo", "lb10", "log_ml", "log_ml_pooled"):
        typer.echo(f"{name:<15} {format_estimate(getattr(result, name), digits=4)}")
    typer.echo(f"{'ess':<15} {result.ess:,.1f} of {result.n_samples:,} draws")
    typer.echo(f"{'pareto_k':<15} {result.pareto_k:.3f} ({result.tail.verdict})")
