"""`vbpi-mix support`: weighted topologies and their support from an alignment, and how much a support covers."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vbpi_mix.cli.console import ConsoleReporter, duration
from vbpi_mix.cli.options import AsJson, Quiet, Threads, burn_in_option, output_option, use_threads

if TYPE_CHECKING:
    from vbpi_mix.experiment.start import GrownSupport
    from vbpi_mix.phylo import TreeSample

EXAMPLE = "Example: vbpi-mix support primates.fasta -o support.npz"


def support(
    alignment: Annotated[
        str | None, typer.Argument(help="FASTA, PHYLIP or NEXUS file, also gzipped, or a data set's name.")
    ] = None,
    output: Annotated[
        Path | None,
        output_option("File for the support."),
    ] = None,
    trees: Annotated[
        list[Path] | None,
        typer.Option(help="Candidate trees or the folder of a run; a bootstrap is made if not given. May be repeated."),
    ] = None,
    burn_in: Annotated[
        float,
        burn_in_option("Share of each tree file to leave out from its beginning: 25% or 0.25."),
    ] = 0.0,
    bootstrap: Annotated[
        str, typer.Option(help="Program for candidate trees when none are given: veryfasttree or iqtree.")
    ] = "veryfasttree",
    bootstrap_replicates: Annotated[
        int | None, typer.Option(min=1, help="Number of bootstrap replicates; 60, or 10,000 with iqtree, if not given.")
    ] = None,
    keep_candidates: Annotated[
        bool | None, typer.Option(help="Keep candidates of negligible weight; only those of --trees if not given.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Substitution model, as in `fit`; GTR+G4 if not given.")] = None,
    weights: Annotated[Path | None, typer.Option(help="Text file for the weighted topologies.")] = None,
    load: Annotated[Path | None, typer.Option(help="Support file to read in place of making one.")] = None,
    coverage: Annotated[
        list[Path] | None, typer.Option(help="Trees to compare the support with. May be repeated.")
    ] = None,
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random numbers.")] = 1,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Find the topologies that matter, weigh them, and write the support that a fit needs.

    Candidates come from the files given or from a bootstrap. Their branch lengths are optimised and integrated out.
    Their neighbours are searched and more topologies drawn, until little of the posterior is missing.

    With --load and --coverage the command says how much of the trees in other files a support can represent.
    """
    from vbpi_mix.errors import ConfigError
    from vbpi_mix.io.alignments import read_alignment
    from vbpi_mix.io.datasets import resolve
    from vbpi_mix.support import load_support
    from vbpi_mix.support.coverage import coverage as measure

    if (alignment is None) == (load is None):
        raise ConfigError("give an alignment to make a support from, or --load and a support file: one of the two")
    for path in (output, weights):
        if path is not None and not path.parent.is_dir():
            raise ConfigError(f"{path}: there is no folder {path.parent} to write it to: make it first")
    for path in coverage or ():
        if not path.is_file():
            raise ConfigError(f"--coverage {path}: there is no such file")
    use_threads(threads)
    values: dict[str, float | int | str] = {}
    if load is not None:
        if output is not None or trees:
            raise ConfigError("--output and --trees make a support, --load only looks at one: leave them out")
        saved = load_support(load)
        compared = _read(coverage, saved.sample.taxa)
    else:
        if output is None and weights is None and not coverage:
            raise ConfigError("nothing to do with the support: give --output, --weights or --coverage")
        compared = _read(coverage, read_alignment(resolve(str(alignment))).taxa) if coverage else None
        # an interrupted bootstrap goes on from here when the command is given again
        keep = None if output is None else output.with_name(output.name + ".bootstrap")
        config: dict[str, Any] = {
            "bootstrap": bootstrap,
            "bootstrap_replicates": bootstrap_replicates,
            "model": model,
            "seed": seed,
        }
        config["keep_candidates"] = keep_candidates
        grown = _grow(str(alignment), trees, burn_in, config, keep, quiet=quiet)
        saved = grown.saved
        values |= _account(grown)
        if output is not None:
            saved.save(output)
        if keep is not None:
            keep.unlink(missing_ok=True)
    if weights is not None:
        from vbpi_mix.experiment.start import write_weights

        write_weights(saved.sample, weights)
    values |= {
        "n_taxa": saved.support.n_taxa,
        "n_topologies": saved.sample.n_trees,
        "n_rootsplits": saved.support.n_rootsplits,
        "n_pcsps": saved.support.n_pcsps,
        "hash": saved.support.content_hash,
    }
    if compared is not None:
        values |= measure(saved.support, compared).to_dict()
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"{name:<22} " + (f"{value:.6g}" if isinstance(value, float) else str(value)))


def _read(paths: list[Path] | None, taxa: tuple[str, ...]) -> "TreeSample | None":
    """The trees to compare with, read before anything is computed."""
    from vbpi_mix.io.trees import read_trees

    return read_trees(paths, taxa) if paths else None


def _grow(
    alignment: str,
    trees: list[Path] | None,
    burn_in: float,
    settings: dict[str, Any],
    keep: Path | None,
    *,
    quiet: bool,
) -> "GrownSupport":
    from vbpi_mix.experiment import make_config
    from vbpi_mix.experiment.build import check
    from vbpi_mix.experiment.start import grow_support
    from vbpi_mix.io.datasets import resolve

    files = tuple(str(path) for path in trees or ())
    config = make_config(alignment=str(resolve(alignment)), trees=files, burn_in=burn_in, **settings)
    check(config)
    with ConsoleReporter(quiet=quiet) as reporter:
        grown = grow_support(config, reporter=reporter, keep=keep)
        reporter.message(f"done in {duration(grown.seconds)}")
    return grown


def _account(grown: "GrownSupport") -> dict[str, float | int | str]:
    from vbpi_mix.experiment.start import growth_account

    return {
        **growth_account(grown.growth),
        "seconds": grown.seconds,
        "peak_memory_mib": grown.peak_memory / 2**20,
    }
