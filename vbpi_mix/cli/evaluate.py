"""`vbpi-mix evaluate`: bounds and the marginal log-likelihood of a run."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import AsJson, Quiet, RunArgument, Threads, format_estimate, use_threads
from vbpi_mix.cli.parameter_table import parameter_lines

if TYPE_CHECKING:
    from vbpi_mix.evaluate import Evaluation

EXAMPLE = "Example: vbpi-mix evaluate primates_run --json"
_ROWS = ("elbo", "lb10", "log_ml", "log_ml_pooled", "ess", "pareto_k")


def evaluate(
    run: RunArgument,
    as_json: AsJson = False,
    samples: Annotated[int, typer.Option(min=10, help="Number of draws per component and repeat.")] = 1000,
    repeats: Annotated[int, typer.Option(min=1, help="Number of independent repeats.")] = 100,
    learn_weights: Annotated[
        bool,
        typer.Option(
            "--learn-weights",
            help="Print a second column, with component weights that raise the bound; the run does not change.",
        ),
    ] = False,
    weight_particles: Annotated[
        int | None,
        typer.Option(
            min=1, help="Number of samples in the bound that the weights raise; that of the training if not given."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draws; the run's own if not given.")] = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Estimate ELBO, 10-sample bound and marginal log-likelihood of a run, with standard errors.

    All logarithms are natural. log_ml is the mean over components of the log mean weight, as published tables print
    it; log_ml_pooled uses all draws at once and is consistent. A Pareto k above its threshold means that the standard
    errors cannot be trusted. A warning says so. It also says if the search for topologies left out much of the
    posterior.

    --learn-weights finds component weights that raise the bound which training raised, on draws of their own. It prints
    two columns from the same draws: equal weights and these weights.

    Without --learn-weights, inferred parameters of the substitution model follow, with posterior means and 95%
    intervals.
    """
    from vbpi_mix.analysis.warnings import caution
    from vbpi_mix.analysis.weight_comparison import compare_weights
    from vbpi_mix.errors import ConfigError
    from vbpi_mix.experiment import Run
    from vbpi_mix.experiment.parameter_modes import ParameterCollector

    use_threads(threads)
    if weight_particles is not None and not learn_weights:
        raise ConfigError("--weight-particles needs --learn-weights: it says what the weights are learned for")
    loaded = Run.load(run)
    with ConsoleReporter(quiet=quiet) as reporter:
        how: dict[str, Any] = {"n_particles": samples, "n_repeats": repeats, "seed": seed, "reporter": reporter}
        both = compare_weights(loaded, **how, weight_particles=weight_particles) if learn_weights else None
        collector = ParameterCollector(loaded.problem) if loaded.problem.model.parameters.names else None
        use = None if collector is None else collector.add
        result = loaded.evaluate(**how, use=use) if both is None else both.uniform
        warning = caution(loaded, result)
        if warning is not None:
            reporter.warning(warning)
    parameters = None if collector is None or both is not None else collector.summary()
    if parameters is not None and loaded.annealed is not None:
        parameters = loaded.weighted_sample().parameters
    learned = loaded.learned if both is None else both.learned
    if as_json:
        saved = {} if learned is None else {"component_weights": learned.to_dict()}
        values = result.to_dict() if both is None else both.to_dict()
        found = {} if parameters is None else {"parameters": parameters.to_dict()}
        typer.echo(json.dumps({**saved, **values, **found, "warning": warning, "iteration": loaded.iteration}))
        return
    columns = [result] if both is None else [both.uniform, both.weighted]
    if learned is not None:
        typer.echo(f"component weights {learned.describe()}")
    if both is not None:
        typer.echo(f"{'':<15} {'equal weights':<32}these weights")
    for name, cells in zip(_ROWS, zip(*map(_cells, columns), strict=True), strict=True):
        typer.echo(f"{name:<15} " + "".join(f"{cell:<32}" for cell in cells).rstrip())
    if result.annealing is not None:
        found = format_estimate(result.annealing.log_ml, digits=4)
        typer.echo(f"{'annealed':<15} {found} (log marginal likelihood; the rows above are the mixture's)")
    if parameters is not None:
        typer.echo("\n" + "\n".join(parameter_lines(parameters)))


def _cells(result: "Evaluation") -> list[str]:
    """The values of `_ROWS`."""
    return [
        *(format_estimate(getattr(result, name), digits=4) for name in _ROWS[:4]),
        f"{result.ess:,.1f} of {result.n_samples:,} draws",
        f"{result.pareto_k:.3f} ({result.tail.verdict})",
    ]
