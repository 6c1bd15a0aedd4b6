"""Everything that a report says, gathered from a run."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vbpi_mix.analysis.certainty import Certainty, certainty
from vbpi_mix.analysis.diagnose import Diagnosis, diagnose
from vbpi_mix.analysis.questions import Posterior
from vbpi_mix.experiment.command import command_of
from vbpi_mix.experiment.run import Run
from vbpi_mix.experiment.streams import REPORT_STREAM
from vbpi_mix.phylo import clades as bits
from vbpi_mix.posterior import PosteriorDraws, WeightedSample
from vbpi_mix.posterior.consensus import ConsensusTree
from vbpi_mix.posterior.drawing.chart_svg import LengthRow
from vbpi_mix.posterior.drawing.cloud_svg import Cloud, make_cloud
from vbpi_mix.posterior.drawing.density_svg import DensityCurve, density_curves
from vbpi_mix.posterior.intervals import highest_density_interval
from vbpi_mix.posterior.parameter_summary import ParameterSummary, parameter_table
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary
from vbpi_mix.seeding import numpy_generator

CLOUD_TREES = 100


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Content of a report.

    Arguments:
        name: name of the alignment.
        run: the run.
        command: a command that makes the same run.
        provenance: versions, machine, time, as the run's folder has them.
        splits, topologies, consensus: of the weighted draws.
        lengths: branches of the consensus with their intervals.
        cloud: equally weighted trees.
        diagnosis: all diagnostics.
        training: (n, 2) iteration and bound; no rows if there is no record.
        missing_share: share of the alignment that is gaps or unknown.
        outgroup: taxon that trees are rooted at for drawing, if one was asked for.
        parameters: tree length and parameters of the substitution model.
        densities: densities of the same.
        certainty: certainty of the whole topology.
    """

    name: str
    run: Run
    command: str
    provenance: dict[str, Any]
    splits: SplitSummary
    topologies: TopologySummary
    consensus: ConsensusTree
    lengths: tuple[LengthRow, ...]
    cloud: Cloud
    diagnosis: Diagnosis
    training: np.ndarray
    missing_share: float
    outgroup: str | None
    parameters: ParameterSummary
    densities: tuple[DensityCurve, ...]
    certainty: Certainty


def gather(
    run: Run,
    sample: WeightedSample,
    *,
    outgroup: str | None = None,
    neighbours: bool = False,
    diagnosis: Diagnosis | None = None,
) -> ReportContent:
    """Summaries, diagnostics and records of a run.

    Arguments:
        run: the run.
        sample: weighted draws of the run, see `Run.weighted_sample`.
        outgroup: taxon at whose branch to root the drawings; the midpoint if not given.
        neighbours: weigh what lies outside the support, see `diagnose`.
        diagnosis: made before, in place of another.

    Raises:
        InputError: no taxon has the outgroup's name.
    """
    draws, consensus = sample.draws, sample.consensus
    equally_weighted = draws.resample(CLOUD_TREES, numpy_generator(run.config.seed, stream=REPORT_STREAM))
    return ReportContent(
        name=run.config.data_name,
        run=run,
        command=command_of(run.config, "RUN" if run.folder is None else run.folder.path.name),
        provenance={} if run.folder is None else run.folder.read_provenance(),
        splits=sample.splits,
        topologies=sample.topologies,
        consensus=consensus,
        lengths=_lengths(draws, consensus),
        cloud=make_cloud(equally_weighted, consensus, outgroup=outgroup),
        diagnosis=diagnosis or diagnose(run, sample, name=run.config.data_name, neighbours=neighbours),
        training=_training(run),
        missing_share=_missing_share(run),
        outgroup=outgroup,
        parameters=sample.parameters,
        densities=density_curves(sample.parameters, parameter_table(draws)[1], sample.weights),
        certainty=certainty(Posterior(run, sample)),
    )


def _missing_share(run: Run) -> float:
    """Share of gaps and unknown characters in the alignment."""
    every = [part.patterns for part in run.inputs.parts] or [run.inputs.patterns]
    missing = sum(float(((p.state_sets == p.data_type.missing) @ p.weights).sum()) for p in every)
    return missing / sum(p.n_taxa * p.n_sites for p in every)


def small_side(splits: SplitSummary, split: int) -> tuple[str, ...]:
    """The taxa on the smaller side of a split."""
    inside = set(splits.members(split))
    return tuple(name for name in splits.taxa if (name in inside) == (2 * len(inside) <= len(splits.taxa)))


def _lengths(draws: PosteriorDraws, consensus: ConsensusTree) -> tuple[LengthRow, ...]:
    """Every branch of the consensus: tips in their order, then inner branches, the best supported first."""
    n_taxa, weights = consensus.n_taxa, draws.weights()
    inner = sorted(range(n_taxa, consensus.n_nodes - 1), key=lambda node: -consensus.supports[node])
    of_consensus = consensus.clades()[inner]
    clades = draws.topologies.clades()[:, n_taxa:]
    _, number = bits.unique_rows(np.concatenate([of_consensus, clades.reshape(-1, clades.shape[2])]))
    wanted, number = number[: len(inner)], number[len(inner) :]
    edges = np.argsort(number, kind="stable")  # of all trees, one split after the other
    first, end = (np.searchsorted(number[edges], wanted, side=side) for side in ("left", "right"))
    rows = [
        _length_row(consensus, node, (name,), draws.branch_lengths[:, node], weights)
        for node, name in enumerate(consensus.taxa)
    ]
    for i, node in enumerate(inner):
        tree, edge = np.divmod(edges[first[i] : end[i]], clades.shape[1])
        side = _small_side(consensus, of_consensus[i])
        rows.append(_length_row(consensus, node, side, draws.branch_lengths[tree, n_taxa + edge], weights[tree]))
    return tuple(rows)


def _length_row(
    consensus: ConsensusTree, node: int, side: tuple[str, ...], values: np.ndarray, weights: np.ndarray
) -> LengthRow:
    low, high = highest_density_interval(values, weights)
    mean, inner = float(consensus.lengths[node]), node >= consensus.n_taxa
    return LengthRow(name=side[0], others=len(side) - 1, mean=mean, low=low, high=high, inner=inner)


def _small_side(consensus: ConsensusTree, clade: np.ndarray) -> tuple[str, ...]:
    inside = bits.members(clade, consensus.n_taxa)
    inside = inside if 2 * inside.sum() <= len(inside) else ~inside
    return tuple(name for name, is_in in zip(consensus.taxa, inside, strict=True) if is_in)


def _training(run: Run) -> np.ndarray:
    records = [] if run.folder is None else run.folder.read_metrics()
    return np.array([[record["iteration"], record["bound"]] for record in records], dtype=np.float64).reshape(-1, 2)
