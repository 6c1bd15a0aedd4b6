"""`vbpi-mix fit`: from an alignment to a run folder."""

import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vbpi_mix.cli.console import ConsoleReporter, duration
from vbpi_mix.cli.options import (
    Quiet,
    burn_in_option,
    format_estimate,
    output_option,
    parse_duration,
    use_threads,
)
from vbpi_mix.cli.parameter_table import parameter_lines
from vbpi_mix.cli.signals import exit_status

if TYPE_CHECKING:
    from vbpi_mix.analysis import Summary
    from vbpi_mix.experiment import FitConfig, Run
    from vbpi_mix.phylo import Alignment

EXAMPLE = "Example: vbpi-mix fit data/examples/primates.nex -o primates_run --seed 1"
_LARGEST_DRAWING = 40


def fit(
    alignment: Annotated[str, typer.Argument(help="FASTA, PHYLIP or NEXUS file, also gzipped, or a data set's name.")],
    output: Annotated[Path, output_option("Folder for the run.")],
    trees: Annotated[
        list[Path] | None,
        typer.Option(
            help="Candidate trees (.ufboot, .t, .trprobs, .trees, Newick lists, .gz), or the folder of another run "
            "to draw them from; may be repeated."
        ),
    ] = None,
    burn_in: Annotated[
        float | None,
        burn_in_option("Share of each tree file to leave out from its beginning: 25% or 0.25."),
    ] = None,
    bootstrap: Annotated[
        str | None, typer.Option(help="Program for candidate trees when none are given: veryfasttree or iqtree.")
    ] = None,
    bootstrap_replicates: Annotated[int | None, typer.Option(help="Number of bootstrap replicates.")] = None,
    keep_candidates: Annotated[
        bool | None,
        typer.Option(help="Keep candidates of negligible weight in the support."),
    ] = None,
    data_type: Annotated[
        str | None,
        typer.Option(help="Kind of data: auto (as the file says, or as they look), dna, protein or standard."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Substitution model, such as JC69, HKY+F+G4, GTR+I+G4 or LG+G4. Values in braces are fixed, as in "
            "'HKY{2.0}+F+G4{0.5}'; all others are inferred. +F: frequencies counted in the alignment."
        ),
    ] = None,
    codon_positions: Annotated[
        bool | None,
        typer.Option(
            "--codon-positions",
            help="Three parts by codon position, as --partitions would make them; the first site is a first position.",
        ),
    ] = None,
    partitions: Annotated[
        Path | None,
        typer.Option(
            help="File that divides the sites: NEXUS charsets (it may be the alignment itself) or RAxML's format. Each "
            "part has a model and a rate of its own; all share one tree."
        ),
    ] = None,
    priors: Annotated[
        list[str] | None,
        typer.Option(
            "--prior",
            help="Prior of a parameter: exchangeabilities=dirichlet(1), ratio=beta(1,1), frequencies=dirichlet(1), "
            "shape=exponential(1), invariant=uniform(0,1), multipliers=dirichlet(1); may be repeated.",
        ),
    ] = None,
    branch_prior: Annotated[
        str | None, typer.Option(help="Prior of the branch lengths: exponential, or gammadir(1,0.1,1,1) as in MrBayes.")
    ] = None,
    constraints: Annotated[
        list[str] | None,
        typer.Option(
            "--constraint",
            metavar="FILE",
            help="Constraints that all topologies must satisfy, in a file or as text: Newick trees (multifurcating, or "
            "on some taxa), 'not' before a tree that is excluded, or MrBayes's constraint commands. May be repeated.",
        ),
    ] = None,
    tie_parameters: Annotated[
        bool | None,
        typer.Option("--tie-parameters", help="One distribution of the model's parameters for all components."),
    ] = None,
    components: Annotated[
        int | None, typer.Option("--components", "-A", help="Number of components of the mixture.")
    ] = None,
    sampled: Annotated[int | None, typer.Option("--sampled", "-S", help="Number of components drawn per step.")] = None,
    estimator: Annotated[
        str | None,
        typer.Option(
            help="Components that draw and evaluate in a step: a2a (all and all), s2a (some and all) or s2s (the same "
            "some)."
        ),
    ] = None,
    particles: Annotated[
        int | None, typer.Option("--particles", "-K", help="Number of particles per drawn component.")
    ] = None,
    flow: Annotated[
        str | None, typer.Option(help="Flow of the branch lengths: identity (none), skew, planar or realnvp.")
    ] = None,
    flow_layers: Annotated[int | None, typer.Option(help="Number of layers of the flow.")] = None,
    flow_hidden: Annotated[int | None, typer.Option(help="Number of hidden units in a layer of the flow.")] = None,
    flow_per_component: Annotated[
        bool | None,
        typer.Option("--flow-per-component", help="One realnvp flow for each component in place of a shared one."),
    ] = None,
    features: Annotated[
        str | None, typer.Option(help="Features that branch lengths depend on: psp (primary subsplit pairs) or split.")
    ] = None,
    tying: Annotated[str | None, typer.Option(help="What all components share: none, topology or branch.")] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Named set of settings: default, or paper for the published training.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Number of optimiser steps; with --stop plateau, the largest number.")
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            help="End of the training: plateau (once the bound has stopped rising) or iterations (after all of them)."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Start of the fit: list (topologies found and weighed one by one), sample (chains of local moves), or "
            "auto (a sample where the posterior is flat)."
        ),
    ] = None,
    finish: Annotated[
        str | None,
        typer.Option(
            help="Source of the posterior: importance (weighted draws of the mixture), anneal (chains and particles), "
            "or auto (annealing where importance weights are poor)."
        ),
    ] = None,
    gradient: Annotated[
        str | None, typer.Option(help="Gradient of the branch model: path (less noise), or total as published.")
    ] = None,
    annealing_iterations: Annotated[int | None, typer.Option(help="Number of tempered steps at the beginning.")] = None,
    rate_topology: Annotated[float | None, typer.Option(help="Adam's learning rate of the topology model.")] = None,
    rate_base: Annotated[float | None, typer.Option(help="Adam's learning rate of the branch model.")] = None,
    rate_flow: Annotated[float | None, typer.Option(help="Adam's learning rate of the flow.")] = None,
    rate_parameters: Annotated[
        float | None, typer.Option(help="Adam's learning rate of the distribution of the model's parameters.")
    ] = None,
    refresh_every: Annotated[
        int | None,
        typer.Option(help="Number of steps between searches for topologies that the support lacks; 0: no search."),
    ] = None,
    outgroup: Annotated[
        str | None, typer.Option(help="Taxon at whose branch the drawings are rooted; nothing else changes.")
    ] = None,
    learn_weights: Annotated[
        bool | None,
        typer.Option(
            "--learn-weights",
            help="Learn the weights of the components after training: those that raise the bound most.",
        ),
    ] = None,
    max_time: Annotated[
        str | None, typer.Option(help="Time for the whole call, such as 10m or 2h; each stage gets a share.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all random numbers.")] = None,
    device: Annotated[
        str,
        typer.Option(
            help="Device that weighs topologies, trains and anneals: cpu, cuda (an NVIDIA GPU), or auto (for each of "
            "them a GPU if there is one and the work is large enough).",
            show_default=True,
        ),
    ] = "cpu",
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the folder.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Number of threads.")] = None,
    quiet: Quiet = False,
) -> int:
    """Fit a mixture to an alignment and write a posterior over trees.

    Without --trees, candidate topologies come from a bootstrap with VeryFastTree, whose trees are kept in the folder as
    they are found.

    A run that was stopped by Ctrl-C or by the system goes on with --resume, as if it had never stopped. A run whose
    stages were cut short by --max-time trains on from where it was.
    """
    given = given_settings(locals())
    begun = time.perf_counter()

    from vbpi_mix.analysis import summarise
    from vbpi_mix.experiment import Deadlines, check_device, fit_folder, make_config, resumed_config
    from vbpi_mix.io.datasets import resolve
    from vbpi_mix.model import parse_model

    check_device(device)
    if model is not None:
        parse_model(model, infer=True)  # so that a mistake is met before anything is computed
    use_threads(threads)
    deadlines = Deadlines(begun=begun, seconds=None if max_time is None else parse_duration(max_time))
    path = str(resolve(alignment))
    config = make_config(alignment=path, **given)
    if resume:
        config = resumed_config(output, config, given.keys() - {"iterations"} | {"alignment"})
    data = _alignment(config, outgroup) if not resume or outgroup is not None else None
    if data is not None and not resume:
        config = _with_model(config, data, chosen=model is not None)
    with ConsoleReporter(quiet=quiet) as reporter:
        reporter.message(_model_line(config))
        if max_time is not None:
            reporter.message(deadlines.describe())
        try:
            run, result = fit_folder(
                config,
                output,
                alignment=data,
                resume=resume,
                iterations=iterations,
                deadlines=deadlines,
                device=device,
                reporter=reporter,
            )
            if result.ending == "signal":
                reporter.warning(
                    f"stopped at iteration {result.iteration:,} of {run.config.iterations:,}; "
                    f"everything is saved: the same command with --resume goes on"
                )
                return 128 + int(result.signal_number or 0)
            summary = summarise(run, reporter=reporter, until=deadlines.until("evaluation"), outgroup=outgroup)
        except KeyboardInterrupt as error:
            kept = (output / "config.toml").is_file()
            saved = "what is done is saved: the same command with --resume goes on"
            reporter.warning(f"interrupted; {saved if kept else 'nothing is written yet'}")
            return exit_status(error)
    _print_summary(run, summary, plateau=result.ending == "plateau", outgroup=outgroup)
    _print_verdict(summary, reporter.warnings)
    return 0


def _alignment(config: "FitConfig", outgroup: str | None) -> "Alignment":
    """The alignment, or InputError, before anything is said or computed, if it cannot be read or lacks the taxon."""
    from vbpi_mix.errors import InputError
    from vbpi_mix.experiment.build import check, read_configured

    check(config)
    alignment = read_configured(config)
    if outgroup is not None and outgroup not in alignment.taxa:
        raise InputError(
            f"--outgroup: there is no taxon {outgroup!r} in {config.alignment}; taxa: {', '.join(alignment.taxa)}"
        )
    return alignment


def _with_model(config: "FitConfig", alignment: "Alignment", *, chosen: bool) -> "FitConfig":
    """The configuration with a model for its data where none was chosen; ConfigError for a chosen one of other data."""
    from vbpi_mix.experiment.build import for_data
    from vbpi_mix.model import parse_model
    from vbpi_mix.model.build import check_data_type
    from vbpi_mix.phylo import site_patterns

    if not chosen:
        return for_data(config, alignment)
    if not config.partitions and not alignment.sections:
        check_data_type(parse_model(config.model, infer=True), site_patterns(alignment))
    return config


def _print_verdict(summary: "Summary", warnings: list[str]) -> None:
    """The last lines: what was warned of, and whether to trust the fit."""
    if warnings:
        typer.echo("\nwarnings:")
        for text in dict.fromkeys(warnings):
            typer.echo(f"  {text}")
    typer.echo(f"\nverdict: {summary.verdict}")


def _model_line(config: "FitConfig") -> str:
    """The model, and how to choose another."""
    if config.codon_positions:
        return f"model {config.model} for each of three codon positions; --model chooses another"
    if config.partitions:
        return f"models of the parts in {config.partitions}; where it names none, {config.model} (--model)"
    return f"model {config.model}; --model chooses another, `vbpi-mix models` compares several"


def given_settings(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a user gave, among the arguments of `fit` by name; the alignment is not among them."""
    from vbpi_mix.experiment import FitConfig

    names = {field.name for field in fields(FitConfig)} - {"alignment"}
    values = {name: _plain(value) for name, value in arguments.items() if name in names}
    return {name: value for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """A setting's value as configurations hold it; None for no value."""
    if isinstance(value, list | tuple):
        return tuple(str(x) for x in value) or None
    return str(value) if isinstance(value, Path) else value


def _print_summary(run: "Run", summary: "Summary", *, plateau: bool, outgroup: str | None) -> None:
    from vbpi_mix.posterior import draw_consensus

    evaluation, topologies = summary.evaluation, summary.posterior.topologies
    best, best_error = topologies.probability[0], topologies.standard_error[0]
    annealing = evaluation.annealing
    rows = [
        ("marginal log-likelihood (natural log)", format_estimate(evaluation.marginal_likelihood)),
        ("ELBO", format_estimate(evaluation.elbo)),
        ("bound with 10 samples", format_estimate(evaluation.lb10)),
    ]
    if annealing is None:
        rows += [
            ("effective sample size", f"{evaluation.ess:,.0f} of {evaluation.n_samples:,} draws"),
            ("Pareto k of the weights", f"{evaluation.pareto_k:.2f}: {evaluation.tail.verdict}"),
        ]
    else:
        found = annealing.convergence
        sides = "both sides" if annealing.both_sides else "two halves"
        rows += [
            ("effective sample size", f"{annealing.effective_size:,.0f} of {annealing.n_trees:,} trees"),
            (
                f"agreement of {sides}",
                f"ASDSF {found.asdsf:.4f}, largest difference of a split {found.largest:.3f}, R-hat {found.r_hat:.3f}",
            ),
        ]
    rows += [
        *([] if run.learned is None else [("component weights", run.learned.describe())]),
        ("topologies seen", f"{len(topologies.probability):,}, the most probable {best:.3f} +- {best_error:.3f}"),
    ]
    echo = typer.echo
    why = ", until the bound had stopped rising" if plateau else ""
    echo(f"\n{run.iteration:,} iterations of training in {duration(run.seconds)}{why}")
    for name, value in rows:
        echo(f"{name:<38} {value}")
    lines = parameter_lines(summary.posterior.parameters)
    if lines:
        echo("\n" + "\n".join(lines))
    if len(run.inputs.taxa) <= _LARGEST_DRAWING:
        drawn_from = outgroup or "the midpoint"
        echo(f"\nmajority-rule consensus, split supports at the inner nodes (drawn from {drawn_from}; not to scale):\n")
        echo(draw_consensus(summary.posterior.consensus, outgroup=outgroup))
    echo("\nfiles:")
    folder = run.folder
    assert folder is not None  # summarise has written there
    echo(f"  {folder.report}  everything on one page")
    echo(f"  {folder.evaluation}  all estimates")
    for file in summary.posterior.files.values():
        echo(f"  {file}")
    echo(f"  {folder.metrics}, {folder.checkpoint}, {folder.config}")
