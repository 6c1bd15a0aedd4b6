"""`vbpi-mix models`: the marginal likelihoods of several substitution models."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vbpi_mix.cli.console import ConsoleReporter, duration
from vbpi_mix.cli.options import Quiet, Threads, format_estimate, output_option, use_threads

if TYPE_CHECKING:
    from vbpi_mix.analysis.model_ranking import ModelRanking

EXAMPLE = "Example: vbpi-mix models data/examples/primates.nex"
_DEFAULTS = {
    "dna": "JC69,HKY,HKY+G4,GTR,GTR+G4,GTR+I+G4",
    "protein": "LG,LG+G4,LG+F+G4,LG+I+G4,WAG+G4,JTT+G4",
    "standard": "MK,MK+G4",
}


def models(
    alignment: Annotated[str, typer.Argument(help="FASTA, PHYLIP or NEXUS file, also gzipped, or a data set's name.")],
    compared: Annotated[
        str | None,
        typer.Option(
            "--models",
            "-m",
            help="Models to compare, separated by commas. [default: for nucleotides JC69 to GTR+I+G4, for proteins LG, "
            "WAG and JTT, for discrete characters MK and MK+G4]",
        ),
    ] = None,
    data_type: Annotated[
        str, typer.Option(help="Kind of data: auto (as the file says, or as they look), dna, protein or standard.")
    ] = "auto",
    trees: Annotated[
        list[Path] | None, typer.Option(help="Candidate trees, as in `fit`; a bootstrap is made if not given.")
    ] = None,
    prior: Annotated[list[str] | None, typer.Option(help="Prior of a parameter, as in `fit`; may be repeated.")] = None,
    branch_prior: Annotated[str | None, typer.Option(help="Prior of the branch lengths, as in `fit`.")] = None,
    components: Annotated[
        int, typer.Option("--components", "-A", min=1, help="Number of components of each mixture.")
    ] = 4,
    iterations: Annotated[
        int | None, typer.Option(min=1, help="Number of optimiser steps of each fit; 2,000 if not given.")
    ] = None,
    repeats: Annotated[
        int, typer.Option(min=1, help="Number of repeats of 1,000 draws per component for the marginal likelihood.")
    ] = 10,
    output: Annotated[
        Path | None,
        output_option("JSON file for the table."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of the table.")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers.")] = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Compare substitution models by their marginal likelihoods.

    Each model is fitted briefly, and its parameters and the tree are integrated out by importance sampling. All models
    have the same prior probability. A Pareto k above its threshold means that an error cannot be trusted: give more
    iterations.
    """
    from vbpi_mix.analysis.model_ranking import ITERATIONS, rank_models
    from vbpi_mix.errors import ConfigError
    from vbpi_mix.experiment import make_config
    from vbpi_mix.experiment.build import check
    from vbpi_mix.experiment.folder import write_json
    from vbpi_mix.io.alignments import read_alignment
    from vbpi_mix.io.datasets import resolve
    from vbpi_mix.phylo.data_type import data_type_name

    use_threads(threads)
    if output is not None and not output.absolute().parent.is_dir():
        raise ConfigError(f"{output}: there is no folder {output.parent} to write it to: make it first")
    settings: dict[str, Any] = {
        "trees": tuple(str(path) for path in trees or ()) or None,
        "priors": tuple(prior or ()) or None,
        "branch_prior": branch_prior,
        "components": components,
        "iterations": iterations or ITERATIONS,
        "stop": "iterations",
        "seed": seed,
        "data_type": data_type,
    }
    if compared is None:
        found = read_alignment(resolve(alignment), data_type_name(data_type))
        compared = _DEFAULTS[found.type_of().name]
    names = [name.strip() for name in _split(compared) if name.strip()]
    configs = [make_config(alignment=str(resolve(alignment)), model=name, **settings) for name in names]
    for config in configs:
        check(config)
    with ConsoleReporter(quiet=quiet) as reporter:
        ranking = rank_models(configs, n_repeats=repeats, reporter=reporter)
        for row in ranking.to_rows():
            if row["pareto_verdict"] == "unreliable":
                reporter.warning(
                    f"the marginal likelihood of {row['model']} cannot be trusted: Pareto k {row['pareto_k']:.2f}"
                )
    if output is not None:
        write_json(output, {"alignment": alignment, "models": ranking.to_rows()})
    if as_json:
        typer.echo(json.dumps(ranking.to_rows()))
    else:
        _print(ranking)


def _split(text: str) -> list[str]:
    """Parts between commas; those in braces, between the numbers of a model, separate nothing."""
    parts, depth, word = [], 0, ""
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            parts.append(word)
            word = ""
        else:
            word += character
    return [*parts, word]


def _print(ranking: "ModelRanking") -> None:
    width = max(len(e.model) for e in ranking.evidences) + 2
    typer.echo(
        f"{'model':<{width}}{'parameters':>10}  {'log marginal likelihood':>24}  {'probability':>18}  {'Pareto k':>8}"
    )
    for e, p, se in zip(ranking.evidences, ranking.probability, ranking.standard_error, strict=True):
        evidence = format_estimate(e.evaluation.log_ml_pooled)
        typer.echo(
            f"{e.model:<{width}}{e.n_parameters:>10}  {evidence:>24}  {_probability(p, se):>18}  "
            f"{e.evaluation.pareto_k:>8.2f}"
        )
    seconds = sum(e.seconds for e in ranking.evidences)
    best = ranking.evidences[0]
    listed = ", ".join(f"{name} {value:.3g}" for name, value in best.parameters.items())
    typer.echo(f"\n{len(ranking.evidences)} fits in {duration(seconds)}; natural logarithms, equal prior probabilities")
    if listed:
        typer.echo(f"{best.model}, posterior means: {listed}")


def _probability(value: float, error: float) -> str:
    return f"{value:.3f} +- {error:.3f}" if value >= 5e-4 else f"{value:.1e}"
