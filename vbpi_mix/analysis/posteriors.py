"""One side of a comparison: what is known of a posterior, from a run, from tree files, or from a table of splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vbpi_mix.errors import InputError
from vbpi_mix.evaluate.distances.splits import SplitTable, split_table
from vbpi_mix.experiment.reporter import Reporter
from vbpi_mix.experiment.run import Run
from vbpi_mix.io.newick import parse_newick
from vbpi_mix.io.nexus import newick_label
from vbpi_mix.io.parameter_tables import parameter_files, read_parameters
from vbpi_mix.io.split_tables import is_split_table, read_splits
from vbpi_mix.io.tree_lengths import read_taxa, read_trees_with_lengths
from vbpi_mix.io.trees import read_trees
from vbpi_mix.phylo import TreeSample, collect
from vbpi_mix.phylo.topology import TopologyBatch, stack
from vbpi_mix.phylo.tree_sample import TreesWithLengths
from vbpi_mix.posterior import ParameterSummary, PosteriorDraws, WeightedSample
from vbpi_mix.posterior.annealed import annealed_draws
from vbpi_mix.posterior.parameter_summary import summarise_columns
from vbpi_mix.support import encode


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """A posterior over trees with its summaries.

    Arguments:
        name: name of the run or the files, for people.
        kind: "run", "trees" or "splits".
        splits: split frequencies.
        topologies: distinct topologies with their weights; None for a table of splits.
        lengths: trees with branch lengths; None where there are none.
        parts: split frequencies of each file, where there are several (runs of one chain set).
        run: the run, if it is one.
        log_ml: marginal log-likelihood and its standard error, of a run.
        effective_size: effective number of draws, of a run.
        n_trees: trees read or drawn; None for a table of splits.
        parameters: tree length and parameters of the substitution model; None where they are not known.
    """

    name: str
    kind: str
    splits: SplitTable
    topologies: TreeSample | None = None
    lengths: TreesWithLengths | None = None
    parts: tuple[SplitTable, ...] = ()
    run: Run | None = None
    log_ml: tuple[float, float] | None = None
    effective_size: float | None = None
    n_trees: int | None = None
    parameters: ParameterSummary | None = None

    @property
    def taxa(self) -> tuple[str, ...]:
        return self.splits.taxa


def posterior_of_run(
    run: Run, *, name: str, repeats: int = 10, taxa: Sequence[str] | None = None, reporter: Reporter | None = None
) -> Posterior:
    """Weighted draws of a run as a posterior.

    Arguments:
        run: the run.
        name: name for people.
        repeats: number of repeats of 1,000 draws of each component.
        taxa: the order of taxa wanted; the run's own if not given.
        reporter: told about progress.

    Raises:
        InputError: `taxa` are other taxa than those of the run.
    """
    return posterior_of_sample(run, run.weighted_sample(n_repeats=repeats, reporter=reporter), name=name, taxa=taxa)


def posterior_of_sample(run: Run, sample: WeightedSample, *, name: str, taxa: Sequence[str] | None = None) -> Posterior:
    """The same from what `Run.weighted_sample` gave.

    Of annealed trees, whose splits pass faster than their parameters, all are used, and not as many as are independent.
    """
    estimate, draws = sample.evaluation.marginal_likelihood, sample.draws
    effective_size = draws.effective_sample_size()
    if run.annealed is not None and sample.annealing is not None:
        draws = annealed_draws(run.annealed, run.problem.model, run.inputs.taxa)
        effective_size = min(sample.annealing.effective_size, float(draws.n_trees))
    lengths = _in_order(draws, run.inputs.taxa if taxa is None else tuple(taxa), name)
    return Posterior(
        name=name,
        kind="run",
        splits=split_table(lengths.taxa, lengths.topologies, lengths.weights),
        topologies=collect(lengths.taxa, lengths.topologies, lengths.weights),
        lengths=lengths,
        run=run,
        log_ml=(estimate.value, estimate.standard_error),
        effective_size=effective_size,
        n_trees=draws.n_trees,
        parameters=sample.parameters,
    )


def posterior_of_files(paths: Sequence[Path], taxa: Sequence[str], *, burn_in: float = 0.0) -> Posterior:
    """Tree files (several: runs of one chain set, pooled) or one table of splits as a posterior.

    Where every file is a MrBayes `.t` with its `.p` beside it, parameters are read from there.

    Raises:
        InputError: files that cannot be read, other taxa, a table of splits among several files.
    """
    name = paths[0].name if len(paths) == 1 else f"{paths[0].name} and {len(paths) - 1} more"
    tables = [path for path in paths if is_split_table(path)]
    if tables:
        if len(paths) > 1:
            raise InputError(f"{tables[0]} is a table of splits: give it alone, without other files")
        if burn_in:
            raise InputError(f"{tables[0]} is a table of splits: there is no burn-in to leave out")
        clades, frequency = read_splits(paths[0], taxa)
        return Posterior(
            name=name, kind="splits", splits=SplitTable(taxa=tuple(taxa), clades=clades, frequency=frequency)
        )
    sample = read_trees(paths, taxa, burn_in=burn_in)
    each = [read_trees([path], taxa, burn_in=burn_in) for path in paths] if len(paths) > 1 else []
    beside = parameter_files(paths)
    counted = bool(np.all(sample.weights == np.floor(sample.weights)))
    return Posterior(
        name=name,
        kind="trees",
        splits=split_table(sample.taxa, sample.topologies, sample.weights),
        topologies=sample,
        lengths=read_trees_with_lengths(paths, taxa, burn_in=burn_in),
        parts=tuple(split_table(s.taxa, s.topologies, s.weights) for s in each),
        n_trees=round(float(sample.weights.sum())) if counted else None,
        parameters=summarise_columns(*read_parameters(beside, burn_in=burn_in)) if beside else None,
    )


def taxa_of_files(paths: Sequence[Path]) -> tuple[str, ...]:
    """The taxa of the first tree file among some.

    Raises:
        InputError: all are tables of splits, which need not name every taxon.
    """
    for path in paths:
        if not is_split_table(path):
            return read_taxa(path)
    raise InputError(f"{paths[0]}: two tables of splits cannot be compared: one side must be a run or hold trees")


def log_q_topologies(run: Run, topologies: TopologyBatch) -> np.ndarray:
    """(T,) exact log-probabilities of topologies (numbered as the run's taxa) under the run's mixture."""
    with torch.no_grad():
        return run.problem.mixture.topology_log_prob(encode(run.inputs.support, topologies)).numpy()


def _in_order(draws: PosteriorDraws, taxa: tuple[str, ...], name: str) -> TreesWithLengths:
    """The draws on `taxa`, renumbered if these are the draws' taxa in another order."""
    weights = draws.weights()
    if taxa == draws.taxa:
        return TreesWithLengths(
            taxa=taxa, topologies=draws.topologies, branch_lengths=draws.branch_lengths, weights=weights
        )
    extra, lacking = sorted(set(draws.taxa) - set(taxa)), sorted(set(taxa) - set(draws.taxa))
    if extra or lacking:
        example = f"has {extra[0]!r}, the other has not" if extra else f"has no {lacking[0]!r}, the other has"
        raise InputError(f"the taxa differ: {name} {example}; posteriors can only be compared on the same taxa")
    labels = [newick_label(taxon) for taxon in draws.taxa]
    read = [
        parse_newick(topology.newick(labels, lengths.tolist(), precision=17), taxa)
        for topology, lengths in zip(draws.topologies, draws.branch_lengths, strict=True)
    ]
    return TreesWithLengths(
        taxa=taxa,
        topologies=stack([topology for topology, _ in read]),
        branch_lengths=np.stack([lengths for _, lengths in read if lengths is not None]),
        weights=weights,
    )
