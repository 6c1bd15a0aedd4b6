"""The files of a posterior folder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vbpi_mix.errors import InputError
from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.nexus import write_nexus_trees
from vbpi_mix.posterior.consensus import ConsensusTree, consensus_tree
from vbpi_mix.posterior.draws import PosteriorDraws
from vbpi_mix.posterior.export.consensus_files import consensus_newick, consensus_nexus
from vbpi_mix.posterior.export.tables import write_parameters, write_splits, write_topologies
from vbpi_mix.posterior.parameter_summary import ParameterSummary
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary
from vbpi_mix.posterior.weighted_sample import WeightedSample

_PNG_DPI = 150


@dataclass(frozen=True, kw_only=True)
class PosteriorSummary:
    """Values and files of `write_posterior`.

    Arguments:
        splits: all splits of the draws.
        topologies: the topologies of the draws, most probable first.
        consensus: the consensus tree.
        parameters: tree length and parameters of the substitution model.
        files: files that were written, by name: sample.trees, consensus.nwk, consensus.nex, consensus.svg,
            consensus.png, splits.tsv, topologies.tsv, parameters.tsv.
    """

    splits: SplitSummary
    topologies: TopologySummary
    consensus: ConsensusTree
    parameters: ParameterSummary
    files: dict[str, Path]


def write_sample(draws: PosteriorDraws, path: Path | str) -> None:
    """Write equally weighted draws as a NEXUS tree file with branch lengths.

    Raises:
        InputError: the draws are not equally weighted (resample them first), or the file cannot be written.
    """
    if np.ptp(draws.log_weights) > 0:
        raise InputError("a tree file holds no weights: resample the draws before writing them")
    trees = ((f"sample_{i + 1}", topology, draws.branch_lengths[i]) for i, topology in enumerate(draws.topologies))
    write_nexus_trees(Path(path), draws.taxa, trees)


def write_posterior(
    folder: Path | str,
    sample: WeightedSample,
    generator: np.random.Generator,
    *,
    title: str = "Consensus tree",
    n_samples: int = 1000,
    n_topologies: int = 1000,
    threshold: float = 0.5,
    extended: bool = False,
    outgroup: str | None = None,
) -> PosteriorSummary:
    """Write sample, consensus tree, its picture and the tables of a weighted sample.

    Each file is written under a temporary name and renamed.

    Arguments:
        folder: made if it is not there.
        sample: weighted trees; tables and consensus use their weights, sample.trees is resampled by them.
        generator: random generator for the resampling.
        title: printed above the picture.
        n_samples: number of equally weighted trees in sample.trees.
        n_topologies: longest table of topologies to write.
        threshold: threshold of the consensus, see `consensus_tree`.
        extended: extended of the consensus, see `consensus_tree`.
        outgroup: taxon to root the picture at; its midpoint if not given.

    Raises:
        InputError: a file cannot be written, or an argument is out of its range.
    """
    import matplotlib as mpl  # takes half a second, which only those who draw should wait

    from vbpi_mix.posterior.drawing.tree_figure import consensus_figure

    folder = Path(folder)
    consensus = consensus_tree(sample.splits, threshold=threshold, extended=extended)
    figure = consensus_figure(consensus, title=title, outgroup=outgroup)
    equally_weighted = sample.draws.resample(n_samples, generator)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}") from error
    names = ("sample.trees", "consensus.nwk", "consensus.nex", "consensus.svg", "consensus.png")
    files = {name: folder / name for name in (*names, "splits.tsv", "topologies.tsv", "parameters.tsv")}
    write_sample(equally_weighted, files["sample.trees"])
    with atomic_write(files["consensus.nwk"]) as file:
        file.write(consensus_newick(consensus) + "\n")
    with atomic_write(files["consensus.nex"]) as file:
        file.write(consensus_nexus(consensus))
    with (
        atomic_write(files["consensus.svg"], "wb") as file,
        mpl.rc_context({"svg.hashsalt": "consensus"}),  # equal trees give equal files
    ):
        figure.savefig(file, format="svg", metadata={"Date": None})
    with atomic_write(files["consensus.png"], "wb") as file:
        figure.savefig(file, format="png", dpi=_PNG_DPI)
    write_splits(sample.splits, files["splits.tsv"])
    write_topologies(sample.topologies.head(n_topologies), files["topologies.tsv"])
    write_parameters(sample.parameters, files["parameters.tsv"])
    return PosteriorSummary(
        splits=sample.splits,
        topologies=sample.topologies,
        consensus=consensus,
        parameters=sample.parameters,
        files=files,
    )
