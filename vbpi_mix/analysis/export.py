"""A run's posterior as the files that other programs read."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vbpi_mix.analysis.export_formats import FORMATS, choose_formats
from vbpi_mix.anneal.result import AnnealedPosterior
from vbpi_mix.errors import ConfigError
from vbpi_mix.evaluate.annealing import evaluate_annealing
from vbpi_mix.experiment.reporter import Reporter, Silent, stage
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import SAMPLE_STREAM
from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.together import written_together
from vbpi_mix.model import PhyloModel
from vbpi_mix.posterior.annealed import annealed_draws, thinned
from vbpi_mix.posterior.export.annotated import annotated_consensus, annotated_map, summarise_stream
from vbpi_mix.posterior.export.consensus_files import consensus_newick, write_annotated
from vbpi_mix.posterior.export.mrbayes_files import write_mrbayes_parameters, write_mrbayes_trees, write_trprobs
from vbpi_mix.posterior.export.netcdf_file import require_netcdf, write_netcdf
from vbpi_mix.posterior.export.streaming import stream_resampled, stream_weighted
from vbpi_mix.posterior.export.tables import write_splits
from vbpi_mix.posterior.export.topology_ranking import TopologyRanking, rank_topologies
from vbpi_mix.posterior.export.trace_file import write_trace
from vbpi_mix.posterior.export.tree_files import write_newick_stream, write_nexus_stream
from vbpi_mix.posterior.export.tree_stream import TreeStream, stream_draws
from vbpi_mix.posterior.summaries import SplitSummary

# Every file of an export is named by this, so that programs that pair .t with .p or .trees with .log find both.
STEM = {False: "posterior", True: "weighted"}


@dataclass(frozen=True, kw_only=True)
class Export:
    """Files and effective sample size of an export.

    Arguments:
        folder: Folder of the files.
        files: Names of the files.
        n_trees: Number of trees in each file that holds trees.
        weighted: Whether the trees carry weights.
        n_draws: Number of draws from the mixture that they were chosen from.
        effective_sample_size: Effective sample size of the importance weights of those draws.
        seed: Seed of the draws.
    """

    folder: str
    files: tuple[str, ...]
    n_trees: int
    weighted: bool
    n_draws: int
    effective_sample_size: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return asdict(self)


def export_run(
    run: Run,
    folder: Path | str,
    *,
    formats: Sequence[str] = (),
    n_trees: int = 10_000,
    weighted: bool = False,
    oversampling: int = 20,
    seed: int | None = None,
    overwrite: bool = False,
    reporter: Reporter | None = None,
) -> Export:
    """Draw trees from a run and write them, and what sums them up, in the formats of other programs.

    Every file describes the same trees. They are written into a hidden folder beside their place and moved when all are
    complete: after an error, or Ctrl-C, none is there. Equal seeds give equal files.

    Arguments:
        run: Run with a trained mixture.
        folder: Folder for the files; made if it is not there, but not its parents.
        formats: See `choose_formats`.
        n_trees: Number of trees to write; weighted ones are rounded up to whole numbers from every component.
        weighted: Write draws of the mixture with importance weights; if not, equally weighted resampled trees.
        oversampling: Number of draws from the mixture per resampled tree.
        seed: Seed of the draws; the run's own if None.
        overwrite: Whether to replace files of the same names.
        reporter: Receiver of progress reports.

    Raises:
        ConfigError: See `choose_formats`.
        InputError: The folder cannot be written, or holds files of these names and they may not be replaced.
        NumericalError: The mixture's draws have no finite importance weights.

    Examples:
        >>> import vbpi_mix as vm
        >>> vm.export_run(vm.load("primates_run"), "exported", formats=["trees", "consensus"], n_trees=50).files
        ('posterior.trees', 'posterior.con.tre', 'posterior.con.nwk')
    """
    chosen, folder = choose_formats(formats, weighted=weighted), Path(folder)
    if "netcdf" in chosen:
        require_netcdf()
    names = [STEM[weighted] + ending for name in chosen for ending in FORMATS[name].endings]
    reporter, seed = reporter or Silent(), run.config.seed if seed is None else seed
    with written_together(folder, names, overwrite=overwrite) as (files, scratch):
        stream = stream_trees(
            run,
            n_trees,
            weighted=weighted,
            oversampling=oversampling,
            seed=seed,
            folder=scratch,
            on_progress=stage(reporter, "draws"),
        )
        work = _Work(stream=stream, model=run.problem.model, files=files, scratch=scratch, stem=STEM[weighted])
        for done, name in enumerate(chosen):
            reporter.progress("files", done, len(chosen), name)
            _WRITERS[name](work)
        reporter.progress("files", len(chosen), len(chosen))
    return Export(
        folder=str(folder),
        files=tuple(names),
        n_trees=stream.n_trees,
        weighted=weighted,
        n_draws=stream.n_draws,
        effective_sample_size=stream.effective_sample_size,
        seed=seed,
    )


def stream_trees(
    run: Run,
    n_trees: int,
    *,
    weighted: bool = False,
    oversampling: int = 20,
    seed: int | None = None,
    folder: Path | str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TreeStream:
    """Trees of a run for the writers of `vbpi_mix.posterior`, any number in the same memory.

    Arguments:
        run: Run with a trained mixture.
        n_trees: Number of trees; weighted ones are rounded up to whole numbers from every component.
        weighted: Draws of the mixture with importance weights; if not, equally weighted resampled trees.
        oversampling: Number of draws from the mixture per resampled tree.
        seed: Seed of the draws; the run's own if None.
        folder: Folder for temporary files; the system's own if None.
        on_progress: Called with (draws done, draws).

    Raises:
        InputError: No trees asked for, or the folder cannot be written.
        NumericalError: The mixture's draws have no finite importance weights.

    Examples:
        >>> import vbpi_mix as vm
        >>> stream = vm.stream_trees(vm.load("primates_run"), 50)
        >>> stream.n_trees
        50
    """
    where: dict[str, Any] = {
        "seed": run.config.seed if seed is None else seed,
        "stream": SAMPLE_STREAM,
        "folder": Path(tempfile.gettempdir() if folder is None else folder),
        "on_progress": on_progress,
    }
    if run.annealed is not None:
        if weighted:
            raise ConfigError("the run finished by annealing: its trees weigh the same; leave out --weighted")
        return _stream_annealed(run, run.annealed, n_trees)
    if weighted:
        return stream_weighted(run.problem, run.inputs.taxa, n_trees, **where)
    return stream_resampled(run.problem, run.inputs.taxa, n_trees, oversampling=oversampling, **where)


def _stream_annealed(run: Run, annealed: AnnealedPosterior, n_trees: int) -> TreeStream:
    """The annealed trees, or `n_trees` of them if there are more."""
    chosen = thinned(annealed, n_trees)
    draws = annealed_draws(chosen, run.problem.model, run.inputs.taxa)
    particles = chosen.particles
    log_prior = chosen.log_joint - particles.log_likelihood - particles.log_lengths.sum(axis=1)
    found = evaluate_annealing(annealed)
    return replace(
        stream_draws(draws, particles.log_likelihood, log_prior),
        n_draws=found.n_trees,
        effective_sample_size=min(found.effective_size, float(draws.n_trees)),
        source=f"from chains of local moves and {found.n_groups} groups of particles annealed from the mixture",
    )


@dataclass(frozen=True)
class _Work:
    """State that the writers share; summaries are made when first asked for."""

    stream: TreeStream
    model: PhyloModel
    files: Path
    scratch: Path
    stem: str

    @cached_property
    def splits(self) -> SplitSummary:
        return summarise_stream(self.stream)

    @cached_property
    def ranking(self) -> TopologyRanking:
        return rank_topologies(self.stream)

    def path(self, ending: str) -> Path:
        return self.files / (self.stem + ending)


def _mrbayes(work: _Work) -> None:
    write_mrbayes_trees(work.stream, work.path(".mb.t"))
    write_mrbayes_parameters(work.stream, work.path(".mb.p"))


def _consensus(work: _Work) -> None:
    tree = annotated_consensus(work.stream, work.splits, folder=work.scratch)
    write_annotated(tree, "consensus", work.path(".con.tre"), comments=work.stream.describe())
    with atomic_write(work.path(".con.nwk")) as file:
        file.write(consensus_newick(tree.tree) + "\n")


def _map(work: _Work) -> None:
    tree = annotated_map(work.stream, work.splits, work.ranking, folder=work.scratch)
    write_annotated(tree, "MAP", work.path(".map.tre"), comments=work.stream.describe())


_WRITERS: dict[str, Callable[[_Work], None]] = {
    "trees": lambda work: write_nexus_stream(work.stream, work.path(".trees")),
    "mrbayes": _mrbayes,
    "trprobs": lambda work: write_trprobs(work.stream, work.ranking, work.path(".trprobs")),
    "newick": lambda work: write_newick_stream(work.stream, work.path(".nwk")),
    "log": lambda work: write_trace(work.stream, work.path(".log")),
    "consensus": _consensus,
    "map": _map,
    "splits": lambda work: write_splits(work.splits, work.path(".splits.tsv")),
    "netcdf": lambda work: write_netcdf(work.stream, work.splits, work.ranking, work.model, work.path(".nc")),
}
