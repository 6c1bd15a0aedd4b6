"""Splits, topologies and parameters as tab-separated tables."""

from pathlib import Path

import numpy as np

from vbpi_mix.io.files import atomic_write
from vbpi_mix.io.nexus import newick_label, quote_label
from vbpi_mix.posterior.parameter_summary import ParameterSummary
from vbpi_mix.posterior.summaries import SplitSummary, TopologySummary


def write_splits(splits: SplitSummary, path: Path | str) -> None:
    """One row per non-trivial split, most probable first.

    Columns: probability, its standard error, mean and standard deviation of the branch length over the trees that
    have the split, and the taxa on the side without the first taxon (quoted as in NEXUS where needed, commas between).

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write("probability\tstandard_error\tmean_length\tlength_sd\ttaxa\n")
        for i in range(splits.n_splits):
            numbers = (splits.frequency[i], splits.standard_error[i], splits.mean_length[i], splits.length_sd[i])
            taxa = ",".join(quote_label(name) for name in splits.members(i))
            file.write("\t".join(f"{x:.6g}" for x in numbers) + f"\t{taxa}\n")


def write_topologies(topologies: TopologySummary, path: Path | str) -> None:
    """One row per topology, most probable first.

    Columns: rank from 1, probability, its standard error, cumulative probability, and the tree as Newick with mean
    branch lengths.

    Raises:
        InputError: the file cannot be written.
    """
    labels = [newick_label(name) for name in topologies.taxa]
    cumulative = np.cumsum(topologies.probability)
    with atomic_write(path) as file:
        file.write("rank\tprobability\tstandard_error\tcumulative\tnewick\n")
        for i, topology in enumerate(topologies.topologies):
            numbers = (topologies.probability[i], topologies.standard_error[i], cumulative[i])
            newick = topology.newick(labels, topologies.mean_lengths[i].tolist(), precision=6)
            file.write(f"{i + 1}\t" + "\t".join(f"{x:.6g}" for x in numbers) + f"\t{newick}\n")


def write_parameters(parameters: ParameterSummary, path: Path | str) -> None:
    """One row per number: the tree length TL, then the parameters of the substitution model that are inferred.

    Columns: name, mean, standard deviation, median, ends of the 95 % highest-density interval, effective sample size.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as file:
        file.write("name\tmean\tsd\tmedian\thpd_low\thpd_high\teffective_sample_size\n")
        for i, name in enumerate(parameters.names):
            file.write("\t".join([name, *(f"{x:.6g}" for x in parameters.row(i).values())]) + "\n")
