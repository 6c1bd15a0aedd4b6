"""`vbpi-mix anneal`: from a trained mixture to the posterior by temperatures and local moves."""

from pathlib import Path
from typing import Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import Quiet, Threads, format_estimate, parse_duration, use_threads

EXAMPLE = "Example: vbpi-mix anneal primates_run --groups 8"


def anneal(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    particles: Annotated[
        int | None,
        typer.Option(min=4, help="Number of particles in a group; 64, or more to weigh modes that chains have missed."),
    ] = None,
    groups: Annotated[int, typer.Option(min=2, help="Number of independent groups; their spread gives the error.")] = 4,
    error: Annotated[
        float | None,
        typer.Option(
            help="Standard error that the log marginal likelihood may have, in nats; further groups are annealed, in "
            "both directions, until it is so small."
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of rounds over all edges at the posterior; until both sides agree if not given."
        ),
    ] = None,
    max_time: Annotated[str | None, typer.Option(help="Time for the rounds, such as 10m or 2h.")] = None,
    device: Annotated[
        str,
        typer.Option(
            help="Device that moves the particles: cpu, cuda (an NVIDIA GPU), or auto (a GPU if there is one and there "
            "are enough particles).",
            show_default=True,
        ),
    ] = "cpu",
    threads: Threads = None,
    quiet: Quiet = False,
) -> int:
    """Anneal groups of particles from the mixture of a run to the posterior.

    Afterwards, trees, estimates and report of the run come from the annealed particles. If the fit started from chains,
    they come from these chains too.
    """
    import time

    from vbpi_mix.analysis import summarise
    from vbpi_mix.anneal.smc import AnnealSettings
    from vbpi_mix.experiment import Run, check_device
    from vbpi_mix.experiment.finish import anneal_run
    from vbpi_mix.experiment.lock import hold

    use_threads(threads)
    check_device(device)
    until = None if max_time is None else time.perf_counter() + parse_duration(max_time)
    loaded = Run.load(run)  # so that a wrong folder is met before anything is locked
    with hold(run), ConsoleReporter(quiet=quiet) as reporter:
        settings = None if particles is None else AnnealSettings(n_particles=particles)
        annealed = anneal_run(
            loaded, reporter, settings=settings, n_groups=groups, log_ml_error=error, rounds=rounds, until=until,
            device=device,
        )  # fmt: skip
        summary = summarise(annealed, reporter=reporter)
    found = summary.evaluation.annealing
    assert found is not None
    typer.echo(f"marginal log-likelihood (natural log)  {format_estimate(found.log_ml)}")
    typer.echo(f"effective sample size                  {found.effective_size:,.0f} of {found.n_trees:,} trees")
    agreement = found.convergence
    typer.echo(
        f"agreement                              ASDSF {agreement.asdsf:.4f}, largest difference of a split "
        f"{agreement.largest:.3f}, R-hat {agreement.r_hat:.3f}"
    )
    return 0
