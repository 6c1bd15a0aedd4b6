"""`vbpi-mix compare`: a run, or trees, against MCMC samples, another run, or a table of reference frequencies."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vbpi_mix.cli.console import ConsoleReporter
from vbpi_mix.cli.options import AsJson, Quiet, Threads, burn_in_option, parse_share, use_threads
from vbpi_mix.errors import ConfigError, InputError

if TYPE_CHECKING:
    from vbpi_mix.analysis.compare import Comparison
    from vbpi_mix.analysis.parameter_agreement import ParameterAgreement
    from vbpi_mix.analysis.posteriors import Posterior

EXAMPLE = "Example: vbpi-mix compare primates_run mcmc.run1.t mcmc.run2.t --burn-in 25%"
_LABELS = {
    "asdsf": "ASDSF",
    "max_split_difference": "largest split difference",
    "reference_asdsf": "ASDSF among the reference's files",
    "kl_topologies": "KL of the topologies (draws)",
    "tv_topologies": "total variation of the topologies (draws)",
    "kl_topologies_of_q": "KL of the topologies (mixture q)",
    "tv_topologies_of_q": "total variation of the topologies (mixture q)",
    "kl_topologies_of_ccd1": "KL of the topologies (CCD1 of the draws)",
    "tv_topologies_of_ccd1": "total variation of the topologies (CCD1 of the draws)",
    "kl_topologies_of_ccd0": "KL of the topologies (CCD0 of the draws)",
    "tv_topologies_of_ccd0": "total variation of the topologies (CCD0 of the draws)",
    "unseen_mass": "mass on topologies without a draw",
    "length_distance": "branch-length distance",
    "length_distance_relative": "the same, in posterior sd",
    "max_length_distance_relative": "largest of a branch, in posterior sd",
    "max_parameter_difference": "largest difference of a parameter, in posterior sd",
    "log_ml_difference": "marginal log-likelihood minus the reference's",
}
_PICTURES = (".svg", ".png", ".pdf")


def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run, tree file, or table of splits.")],
    reference: Annotated[
        list[Path], typer.Argument(help="Folder of a run, tree files (several: runs of one analysis), or one table.")
    ],
    burn_in: Annotated[
        float,
        burn_in_option("Share of each reference tree file to leave out: 25% or 0.25."),
    ] = 0.0,
    first_burn_in: Annotated[
        float,
        typer.Option(
            "--first-burn-in",
            "--first-burnin",
            parser=parse_share,
            metavar="SHARE",
            help="Share to leave out where the first side is a tree file.",
        ),
    ] = 0.0,
    stepping_stone: Annotated[
        float | None, typer.Option(help="Marginal log-likelihood (natural log) of another program.")
    ] = None,
    stepping_stone_error: Annotated[
        float | None, typer.Option(min=0, help="Standard error of the value of --stepping-stone.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="File for a scatter plot of the split frequencies: .svg, .png or .pdf.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="File for all splits with both frequencies, tab-separated.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats of 1,000 draws per component of a run.")] = 10,
    as_json: AsJson = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Compare two posteriors on the same taxa: splits, topologies, branch lengths, parameters, marginal likelihood.

    The second side is the reference. Tree files are whatever `fit --trees` reads, MrBayes' .t and .trprobs among them;
    a table of topologies has a column `newick`, one of splits a column `taxa`. Parameters of the substitution model and
    tree length are compared where both sides have them: runs, and .t files of MrBayes with their .p beside them.
    """
    from vbpi_mix.analysis.compare import compare as compare_posteriors

    if stepping_stone_error is not None and stepping_stone is None:
        raise ConfigError("--stepping-stone-error is the error of --stepping-stone: give that too")
    if plot is not None and plot.suffix.lower() not in _PICTURES:
        raise ConfigError(f"--plot {plot}: the name must end in {', '.join(_PICTURES)}")
    shares = first_burn_in, burn_in
    use_threads(threads)
    with ConsoleReporter(quiet=quiet) as reporter:
        sides = _load(first, reference, shares, repeats, reporter)
    stone = None if stepping_stone is None else (stepping_stone, stepping_stone_error or math.nan)
    result = compare_posteriors(*sides, stepping_stone=stone)
    if plot is not None:
        _write_plot(result, plot)
    if table is not None:
        _write_table(result, table)
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        _print(result)


def _load(
    first: Path, reference: list[Path], shares: tuple[float, float], repeats: int, reporter: ConsoleReporter
) -> tuple["Posterior", "Posterior"]:
    """Both sides on the same taxa in the same order: those of the first run, else those of the first tree file."""
    from vbpi_mix.analysis.posteriors import posterior_of_files, posterior_of_run, taxa_of_files
    from vbpi_mix.experiment import Run

    folders = [path for path in (first, *reference) if path.is_dir()]
    if len(reference) > 1 and any(path.is_dir() for path in reference):
        raise InputError("a run is compared with one other run, or with files: give one folder as the reference")
    runs = {path: Run.load(path) for path in folders}
    taxa = runs[folders[0]].inputs.taxa if folders else taxa_of_files([first, *reference])
    if shares[1] == 0 and len(reference) > 1:
        reporter.warning("no burn-in is left out of the reference's files; MCMC runs need --burn-in 25% or so")

    def load(paths: list[Path], share: float) -> "Posterior":
        if paths[0].is_dir():
            if share:
                raise ConfigError(f"{paths[0]} is a run, which has no burn-in: its draws are independent")
            return posterior_of_run(runs[paths[0]], name=paths[0].name, repeats=repeats, taxa=taxa, reporter=reporter)
        return posterior_of_files(paths, taxa, burn_in=share)

    return load([first], shares[0]), load(reference, shares[1])


def _write_plot(result: "Comparison", path: Path) -> None:
    from vbpi_mix.io.files import atomic_write
    from vbpi_mix.posterior.drawing.split_scatter import comparison_figure

    figure = comparison_figure(result.splits, first=result.first.name, reference=result.reference.name)
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format=path.suffix[1:].lower(), dpi=150)


def _write_table(result: "Comparison", path: Path) -> None:
    from vbpi_mix.io.files import atomic_write
    from vbpi_mix.io.nexus import quote_label

    splits = result.splits
    with atomic_write(path) as file:
        file.write("first\treference\tdifference\ttaxa\n")
        for i, (p, q) in enumerate(splits.frequencies.T.tolist()):
            taxa = ",".join(quote_label(name) for name in splits.members(i))
            file.write(f"{p:.6g}\t{q:.6g}\t{p - q:.6g}\t{taxa}\n")


def _print(result: "Comparison") -> None:
    from vbpi_mix.analysis.compare import DEFINITIONS

    typer.echo(f"{_side(result.first)}\nagainst {_side(result.reference)}\n")
    rows = Table(box=None, pad_edge=False, show_header=False)
    rows.add_column(no_wrap=True)
    rows.add_column(justify="right", no_wrap=True)
    numbers = result.numbers()
    for name, label in _LABELS.items():
        if name in numbers:
            rows.add_row(label, f"{numbers[name]:.4f}")
    Console().print(rows)
    if result.parameters is not None:
        typer.echo("")
        Console().print(_parameters(result.parameters))
    if result.evidence is not None:
        typer.echo(f"\n{_evidence(*result.evidence)}")
    worst = result.splits.worst()
    if worst is not None:
        p, q = result.splits.frequencies[:, worst]
        names = result.splits.members(worst)
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        typer.echo(f"\nthe split farthest apart, {p:.3f} against {q:.3f}: {shown}")
    typer.echo("\nwhat the numbers are:")
    for name, label in _LABELS.items():
        if name in numbers:
            typer.echo(f"  {label}: {DEFINITIONS[name]}")


def _parameters(agreement: "ParameterAgreement") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("parameter", "mean and 95% interval", "reference", "sd apart"):
        table.add_column(heading, justify="left" if heading == "parameter" else "right", no_wrap=True)
    for name, (i, j), apart in zip(agreement.names, agreement.rows, agreement.difference.tolist(), strict=True):
        cells = [
            f"{side.mean[k]:.4f} ({side.low[k]:.4f} to {side.high[k]:.4f})"
            for side, k in ((agreement.first, i), (agreement.reference, j))
        ]
        table.add_row(Text(name), *cells, f"{apart:+.3f}")
    return table


def _evidence(ours: float, error: float, theirs: float, their_error: float) -> str:
    difference = f"they differ by {abs(ours - theirs):.3f}"
    text = f"marginal log-likelihood {ours:.3f} +- {error:.3f} against {theirs:.3f}"
    if math.isnan(their_error):
        return f"{text}, whose error is not given: {difference}"
    both = math.hypot(error, their_error)
    return f"{text} +- {their_error:.3f}: {difference}, {abs(ours - theirs) / both:.1f} standard errors"


def _side(side: "Posterior") -> str:
    parts = [f"{len(side.taxa)} taxa"]
    if side.n_trees is not None:
        parts.append(f"{side.n_trees:,} {'weighted draws' if side.kind == 'run' else 'trees'}")
    if side.effective_size is not None:
        parts.append(f"effective size {side.effective_size:,.0f}")
    if side.topologies is not None:
        parts.append(f"{side.topologies.n_trees:,} topologies")
    else:
        parts.append(f"{len(side.splits.frequency):,} splits")
    return f"{side.name} ({', '.join(parts)})"
