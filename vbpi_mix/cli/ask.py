"""`vbpi-mix ask`: what the posterior of a run says to a question."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import (
    AsJson,
    Quiet,
    Repeats,
    RunArgument,
    Threads,
    format_estimate,
    output_option,
    output_path,
    use_threads,
)

if TYPE_CHECKING:
    from vbpi_mix.analysis.certainty import Certainty
    from vbpi_mix.analysis.questions import Answer, Posterior
    from vbpi_mix.io.labels import TaxonLabels
    from vbpi_mix.phylo.constraints import Constraint

Question = Callable[["Posterior"], "Answer"]

EXAMPLE = "Example: vbpi-mix ask primates_run --clade Homo_sapiens,Pan --quartet Homo_sapiens,Pan,Gorilla,Pongo"


def ask(
    run: RunArgument,
    clade: Annotated[
        list[str] | None,
        typer.Option(help="Taxa separated by commas: are they on one side of a branch? May be repeated."),
    ] = None,
    quartet: Annotated[
        list[str] | None,
        typer.Option(help="Four taxa separated by commas: which two are together? May be repeated."),
    ] = None,
    tree: Annotated[
        list[Path] | None, typer.Option(help="File with binary trees: how probable is each? May be repeated.")
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option(
            help="Constraints as for fit --constraint, in a file or as text: how probable is each, and all at once? "
            "May be repeated."
        ),
    ] = None,
    fits: Annotated[
        Path | None,
        typer.Option(
            "--fit",
            parser=output_path,
            metavar="FOLDER",
            help="Folder for two fits, with and without the hypothesis: Bayes factors that draws cannot resolve.",
        ),
    ] = None,
    on: Annotated[
        Path | None,
        typer.Option(help="Newick file with a tree of all taxa, on which supports and lengths are written."),
    ] = None,
    output: Annotated[
        Path | None,
        output_option(
            "File for the tree of --on: NEXUS if it ends in .nex or .tre, else Newick; printed if not given."
        ),
    ] = None,
    repeats: Repeats = 10,
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Ask a run: is this clade real, is that tree compatible with the data, how sure is the whole tree?

    Every answer has a posterior probability with its standard error or a bound, the prior probability under uniform
    topologies, and the Bayes factor against all other topologies.

    Without a question the command prints how sure the whole tree is: credible sets of topologies, the most probable
    tree, the tree nearest to all others, rogue taxa and islands.
    """
    from vbpi_mix.analysis.answers import sentence, to_dict
    from vbpi_mix.analysis.certainty import certainty
    from vbpi_mix.analysis.constrained import constrained_evidence
    from vbpi_mix.analysis.questions import Posterior
    from vbpi_mix.errors import ConfigError
    from vbpi_mix.experiment import Run
    from vbpi_mix.io.labels import TaxonLabels

    if output is not None and on is None:
        raise ConfigError("--output is the file for the tree of --on: give that too")
    use_threads(threads)
    loaded = Run.load(run)
    labels = TaxonLabels(loaded.inputs.taxa)
    questions = _questions(labels, clade or [], quartet or [], tree or [], constraint or [])
    clades = None if on is None else _tree_to_annotate(on, labels)
    if fits is not None and not questions:
        raise ConfigError("--fit needs a question: --clade, --quartet, --tree or --constraint")
    with ConsoleReporter(quiet=quiet) as reporter:
        sample = loaded.weighted_sample(n_repeats=repeats, reporter=reporter)
        posterior = Posterior(loaded, sample)
        answers = [question(posterior) for question in questions]
        fitted = []
        if fits is not None:
            for number, answer in enumerate(answers, start=1):
                fitted.append(constrained_evidence(loaded, answer, fits / str(number), reporter))
        whole = certainty(posterior) if not questions and clades is None else None
    annotated = None if clades is None else _annotated(posterior, clades, output)
    if as_json:
        content: dict = {"conditional_on": posterior.conditional_on}
        if answers:
            content["answers"] = [to_dict(answer) for answer in answers]
        if fitted:
            content["constrained_fits"] = [
                to_dict(f.answer) | {"log_ml_with": f.with_it.value, "log_ml_without": f.without.value} for f in fitted
            ]
        if whole is not None:
            content["certainty"] = whole.to_dict()
        if annotated is not None:
            content["tree"] = annotated
        typer.echo(json.dumps(content))
        return
    for answer in answers:
        typer.echo(sentence(answer, posterior.conditional_on) + "\n")
    for found in fitted:
        typer.echo(
            f"constrained fits: log marginal likelihood {format_estimate(found.with_it)} with it, "
            f"{format_estimate(found.without)} without"
        )
        typer.echo(sentence(found.answer, posterior.conditional_on) + "\n")
    if whole is not None:
        _print_certainty(whole)
    if annotated is not None:
        typer.echo(annotated)


def _questions(
    labels: "TaxonLabels", clades: list[str], quartets: list[str], trees: list[Path], constraints: list[str]
) -> list[Question]:
    """Functions from a posterior to an answer; everything that a user gave is read and checked here."""
    from vbpi_mix.errors import InputError
    from vbpi_mix.io.constraint_files import constraint_statements, parse_constraints
    from vbpi_mix.io.trees import read_trees
    from vbpi_mix.phylo.constraints import clade_constraint

    taxa = labels.taxa
    found: list[Question] = []
    for text in clades:
        members = _taxa(text, labels, "--clade")
        if not 2 <= len(members) <= len(taxa) - 2:
            raise InputError(
                f"--clade {text}: every tree has this split; name 2 to {len(taxa) - 2} of {len(taxa)} taxa"
            )
        name = f"{','.join(taxa[i] for i in members)} together"
        found.append(_about(clade_constraint(taxa, members, name=name)))
    for text in quartets:
        four = _taxa(text, labels, "--quartet")
        if len(four) != 4:
            raise InputError(f"--quartet {text}: give four taxa, not {len(four)}")
        for i in (1, 2, 3):
            pair = [four[0], four[i]]
            rest = [x for x in four if x not in pair]
            name = "|".join(",".join(taxa[x] for x in side) for side in (pair, rest))
            found.append(_about(clade_constraint(taxa, pair, rest, name=name)))
    for path in trees:
        sample = read_trees([path], taxa)
        for i in range(sample.n_trees):
            name = f"the tree of {path.name}" if sample.n_trees == 1 else f"tree {i + 1} of {path.name}"
            found.append(lambda p, t=sample.topologies[[i]], name=name: p.ask_topology(t, name=name))
    if constraints:
        every = parse_constraints(constraint_statements(constraints), taxa).each
        found += [_about(c) for c in every]
        if len(every) > 1:
            found.append(lambda p: p.ask(*every, name="all constraints together"))
    return found


def _about(hypothesis: "Constraint") -> Question:
    return lambda posterior: posterior.ask(hypothesis)


def _taxa(text: str, labels: "TaxonLabels", option: str) -> list[int]:
    """The taxa of a list with commas; names that have commas themselves stand in quotes."""
    import csv

    from vbpi_mix.errors import InputError

    found = []
    for name in next(csv.reader([text], quotechar="'", skipinitialspace=True)):
        index = labels.find(name.strip())
        if index is None:
            raise InputError(f"{option}: there is no taxon {name.strip()!r}; taxa: {', '.join(labels.taxa)}")
        if index in found:
            raise InputError(f"{option}: taxon {name.strip()!r} is there twice")
        found.append(index)
    return found


def _tree_to_annotate(path: Path, labels: "TaxonLabels") -> list[frozenset[int]]:
    from vbpi_mix.errors import InputError
    from vbpi_mix.io.files import read_text
    from vbpi_mix.io.newick import read_clades

    present, clades = read_clades(read_text(path), labels, str(path))
    if len(present) < len(labels.taxa):
        lacking = next(name for i, name in enumerate(labels.taxa) if i not in present)
        raise InputError(f"{path}: the tree lacks {lacking!r}: --on takes a tree of all taxa")
    return clades


def _annotated(posterior: "Posterior", clades: list[frozenset[int]], output: Path | None) -> str:
    """The annotated tree as text, written to a file if there is one; then where it is."""
    from vbpi_mix.io.files import atomic_write
    from vbpi_mix.posterior import consensus_newick, consensus_nexus
    from vbpi_mix.posterior.questions.annotate import on_tree

    tree = on_tree(posterior.sample.splits, clades)
    nexus = output is not None and output.suffix.lower() in (".nex", ".nexus", ".tre", ".trees")
    text = consensus_nexus(tree) if nexus else consensus_newick(tree) + "\n"
    if output is None:
        return text.rstrip()
    with atomic_write(output) as file:
        file.write(text)
    return f"the tree with supports and mean lengths is in {output}"


def _print_certainty(whole: "Certainty") -> None:
    from vbpi_mix.io.nexus import newick_label

    labels = [newick_label(name) for name in whole.taxa]
    typer.echo(whole.paragraph() + "\n")
    typer.echo("credible set   probability        topologies   splits   clades with their parts")
    for s in whole.sets:
        count = f"{'' if s.complete else '>= '}{s.n_topologies:,}"
        typer.echo(
            f"{s.level:>12.0%}   {s.probability:.4f} +- {s.standard_error:.4f} {count:>12} {s.n_splits:>8,} "
            f"{s.n_subsplits:>14,}"
        )
    typer.echo(f"\nmost probable topology: {whole.best.topology.newick(labels)}")
    typer.echo(f"nearest to all others:  {whole.middle.topology.newick(labels)}")
    taxa = whole.rogues.largest(10)
    typer.echo("\nrogue taxa, and how much the entropy falls without them:")
    for name, fall in taxa:
        typer.echo(f"  {name}  {fall:.3f} of {whole.rogues.entropy:.3f} nats")
    if not taxa:
        typer.echo("  none: no taxon holds 0.1 nats")
    if len(whole.main_islands) > 1:
        typer.echo("\nislands of at least 1% within the 95% set:")
        for island in whole.main_islands[:5]:
            typer.echo(f"  probability {island.probability:.4f}, {island.n_topologies:,} topologies")
            for members, here, elsewhere in island.splits[:4]:
                typer.echo(f"    {','.join(members)}: {here:.2f} here, {elsewhere:.2f} elsewhere")
