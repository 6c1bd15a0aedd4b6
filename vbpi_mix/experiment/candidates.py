"""Sources of candidate topologies: bootstraps, tree files, a previous run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.experiment.config import FitConfig
from vbpi_mix.experiment.reporter import Reporter, stage
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import CONSTRAINT_STREAM
from vbpi_mix.felsenstein import get_threads
from vbpi_mix.io.constraint_files import parse_constraints
from vbpi_mix.io.labels import TaxonLabels
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import Alignment, Topology, TopologyBatch, TreeSample, collect, from_neighbours, stack
from vbpi_mix.phylo.conform import conform
from vbpi_mix.seeding import numpy_generator
from vbpi_mix.support.iqtree import TimeIsUpError, find_iqtree, iqtree_bootstrap
from vbpi_mix.support.veryfasttree import find_veryfasttree, veryfasttree_bootstrap

_DRAWS = 10_000  # trees drawn from a previous run
_MANY_TAXA = 40  # beyond, fewer replicates of a bootstrap do
_FEWEST_REPLICATES = 8


class CandidateSource(Protocol):
    """Gives candidate topologies on the taxa of an alignment, in its order."""

    def check(self) -> None:
        """Raise a package error if the source cannot work, before anything is computed or written."""
        ...

    def collect(self, alignment: Alignment, reporter: Reporter) -> TreeSample:
        """Distinct topologies with weights."""
        ...


@dataclass(frozen=True, kw_only=True)
class VeryFastTreeBootstrap:
    """See `support.veryfasttree_bootstrap`; `keep` is the file of finished replicates, `until` ends it early."""

    n_replicates: int
    seed: int
    keep: Path | None = None
    until: float | None = None

    def check(self) -> None:
        find_veryfasttree()

    def collect(self, alignment: Alignment, reporter: Reporter) -> TreeSample:
        sample = veryfasttree_bootstrap(
            alignment,
            self.n_replicates,
            seed=self.seed,
            n_threads=get_threads(),
            progress=stage(reporter, "candidate trees"),
            keep=self.keep,
            until=self.until,
        )
        done = round(float(sample.weights.sum())) - 1
        if done < self.n_replicates:
            reporter.warning(f"time is up for candidates: {done} of {self.n_replicates:,} bootstrap replicates")
        reporter.message(f"{sample.n_trees:,} distinct candidate topologies from {done:,} bootstrap replicates")
        return sample


@dataclass(frozen=True, kw_only=True)
class IQTreeBootstrap:
    """See `support.iqtree_bootstrap`; where time is up before the program ends, VeryFastTree's bootstrap replaces it.

    `folder` is for the program's files meanwhile.
    """

    n_replicates: int
    seed: int
    folder: Path | None = None
    until: float | None = None

    def check(self) -> None:
        find_iqtree()

    def collect(self, alignment: Alignment, reporter: Reporter) -> TreeSample:
        program, (major, minor) = find_iqtree()
        reporter.message(f"{Path(program).name} {major}.{minor} makes {self.n_replicates:,} ultrafast bootstrap trees")
        try:
            sample = iqtree_bootstrap(
                alignment,
                self.n_replicates,
                seed=self.seed,
                n_threads=get_threads(),
                progress=stage(reporter, "iterations of IQ-TREE"),
                until=self.until,
                folder=self.folder,
            )
        except TimeIsUpError as error:
            reporter.warning(f"{error}: VeryFastTree's bootstrap trees take the place of its trees")
            instead = VeryFastTreeBootstrap(n_replicates=_FEWEST_REPLICATES, seed=self.seed, until=self.until)
            return instead.collect(alignment, reporter)
        reporter.message(f"{sample.n_trees:,} distinct candidate topologies among them")
        return sample


@dataclass(frozen=True, kw_only=True)
class TreeFiles:
    """See `io.trees.read_trees`."""

    paths: tuple[Path, ...]
    burn_in: float = 0.0

    def check(self) -> None:
        for path in self.paths:
            if not path.exists():
                raise InputError(f"{path}: there is no such file")

    def collect(self, alignment: Alignment, reporter: Reporter) -> TreeSample:
        sample = read_trees(self.paths, alignment.taxa, burn_in=self.burn_in)
        total = sample.weights.sum()
        reporter.message(
            f"{sample.n_trees:,} distinct candidate topologies read"
            + (f", {total:,.0f} trees" if total >= sample.n_trees else "")
        )
        return sample


@dataclass(frozen=True, kw_only=True)
class PreviousRun:
    """Topologies drawn from the mixture of a run, with their importance weights."""

    path: Path
    seed: int
    n_draws: int = _DRAWS

    def check(self) -> None:
        Run.load(self.path)

    def collect(self, alignment: Alignment, reporter: Reporter) -> TreeSample:
        run = Run.load(self.path)
        n_components = run.problem.n_components
        per_component = -(-self.n_draws // n_components)
        draws = run.weighted_sample(n_particles=per_component, n_repeats=1, seed=self.seed).draws
        sample = collect(draws.taxa, draws.topologies, draws.weights())
        reporter.message(
            f"{sample.n_trees:,} distinct candidate topologies among {draws.n_trees:,} drawn from the run {self.path}"
        )
        return on_taxa(sample, alignment.taxa, str(self.path))


def make_sources(config: FitConfig, *, keep: Path | None = None, until: float | None = None) -> list[CandidateSource]:
    """The sources that a configuration names.

    Arguments:
        config: `trees` (files, and folders of runs) or else `bootstrap`.
        keep: file for the replicates of a bootstrap that can be resumed.
        until: `time.perf_counter()` at which a bootstrap ends early.

    Raises:
        InputError: a burn-in is asked of a run's draws, which have no order.
    """
    if not config.trees:
        replicates = config.bootstrap_replicates
        if config.bootstrap == "iqtree":
            folder = None if keep is None else keep.parent
            return [IQTreeBootstrap(n_replicates=replicates, seed=config.seed, folder=folder, until=until)]
        return [VeryFastTreeBootstrap(n_replicates=replicates, seed=config.seed, keep=keep, until=until)]
    paths = [Path(p) for p in config.trees]
    files, runs = tuple(p for p in paths if not p.is_dir()), [p for p in paths if p.is_dir()]
    if runs and config.burn_in > 0:
        raise InputError(f"{runs[0]} is a run, whose draws have no order: a burn-in cannot be left out of it")
    sources: list[CandidateSource] = [PreviousRun(path=path, seed=config.seed) for path in runs]
    return [TreeFiles(paths=files, burn_in=config.burn_in), *sources] if files else sources


def load_candidates(
    config: FitConfig,
    alignment: Alignment,
    reporter: Reporter,
    *,
    keep: Path | None = None,
    until: float | None = None,
    few: bool = False,
) -> TreeSample:
    """Candidate topologies of all sources of a configuration; see `make_sources` and `merge`.

    Arguments:
        config: The settings.
        alignment: The data.
        reporter: Told about progress.
        keep: File for the replicates of a bootstrap that can be resumed; the first ones are the same however many
            there are.
        until: `time.perf_counter()` at which a bootstrap ends early.
        few: Whether only as many as chains begin at; see `chains_first`.
    """
    sources = make_sources(_enough(config, alignment, few=few), keep=keep, until=until)
    return merge([source.collect(alignment, reporter) for source in sources])


def chains_first(config: FitConfig, alignment: Alignment) -> bool:
    """Whether a few bootstrap replicates are enough to begin with, since chains decide how the fit starts."""
    usual = config.bootstrap_replicates == FitConfig.bootstrap_replicates and not config.trees
    return usual and config.start != "list" and config.recipe != "paper" and alignment.n_taxa > _MANY_TAXA


def _enough(config: FitConfig, alignment: Alignment, *, few: bool) -> FitConfig:
    """The configuration with fewer bootstrap replicates for many taxa, unless their number was chosen."""
    usual = FitConfig.bootstrap_replicates
    if config.bootstrap_replicates != usual or config.start == "list" or alignment.n_taxa <= _MANY_TAXA:
        return config
    number = _FEWEST_REPLICATES if few else max(_FEWEST_REPLICATES, round(usual * _MANY_TAXA / alignment.n_taxa))
    return replace(config, bootstrap_replicates=number)


def merge(samples: Sequence[TreeSample]) -> TreeSample:
    """One sample of several on the same taxa, each counting as much as the others; a single one as it is.

    Raises:
        InputError: the taxa differ.
    """
    if len(samples) == 1:
        return samples[0]
    if any(sample.taxa != samples[0].taxa for sample in samples):
        raise InputError("samples of topologies cannot be merged: their taxa differ")
    children = np.concatenate([sample.topologies.children for sample in samples])
    weights = np.concatenate([sample.probabilities() for sample in samples]) / len(samples)
    return collect(samples[0].taxa, TopologyBatch(children), weights)


def conforming(config: FitConfig, candidates: TreeSample, reporter: Reporter) -> TreeSample:
    """Candidates with those that the constraints exclude replaced by allowed ones near them."""
    if not config.constraints:
        return candidates
    constraints = parse_constraints(config.constraints, candidates.taxa)
    allowed = constraints.allows(candidates.topologies)
    if allowed.all():
        return candidates
    generator = numpy_generator(config.seed, stream=CONSTRAINT_STREAM)
    moved, origin = conform(candidates.topologies, constraints, generator)
    reporter.message(
        f"{int((~allowed).sum()):,} of {candidates.n_trees:,} candidates break the constraints: "
        "allowed topologies near them take their place"
    )
    return collect(candidates.taxa, moved, candidates.weights[origin])


def on_taxa(sample: TreeSample, taxa: Sequence[str], source: str) -> TreeSample:
    """The same topologies with the taxa in another order, found by name as in tree files.

    Raises:
        InputError: the taxa are others; `source` is named.
    """
    if sample.taxa == tuple(taxa):
        return sample
    labels = TaxonLabels(taxa)
    found = [labels.find(name) for name in sample.taxa]
    labels.check(
        [i for i in found if i is not None],
        [name for name, i in zip(sample.taxa, found, strict=True) if i is None],
        source,
    )
    position = [i for i in found if i is not None]
    return replace(
        sample, taxa=tuple(taxa), topologies=stack([_renumbered(tree, position) for tree in sample.topologies])
    )


def _renumbered(topology: Topology, position: Sequence[int]) -> Topology:
    """The topology with taxon i called `position[i]`."""
    n = topology.n_taxa
    number = [*position, *range(n, 2 * n - 2)]
    neighbours: list[list[int]] = [[] for _ in number]
    edges = [(0, 2 * n - 3), *((n + i, child) for i, pair in enumerate(topology.children.tolist()) for child in pair)]
    for a, b in edges:
        neighbours[number[a]].append(number[b])
        neighbours[number[b]].append(number[a])
    return from_neighbours(neighbours, n)[0]
