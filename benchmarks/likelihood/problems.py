"""Random trees on the data sets of the repository."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.io.alignments import read_alignment
from vbpi_mix.phylo import SitePatterns, TopologyBatch, merge_relabelled, random_topologies, site_patterns

DATA = Path(__file__).resolve().parents[2] / "data" / "alignments"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """T trees with branch lengths on one data set."""

    data: str
    patterns: SitePatterns
    topologies: TopologyBatch
    lengths: Tensor


def problem(data: str, n_trees: int, *, merged: bool = True) -> Problem:
    """Random topologies with exponential lengths of mean 0.1; patterns merged by relabelling, for JC69, or not."""
    patterns = site_patterns(read_alignment(DATA / f"{data}.fasta"))
    generator = np.random.default_rng(1)
    topologies = random_topologies(n_trees, patterns.n_taxa, generator)
    lengths = torch.from_numpy(generator.exponential(0.1, size=(n_trees, topologies.n_edges)))
    if merged:
        patterns = merge_relabelled(patterns)
    return Problem(data=data, patterns=patterns, topologies=topologies, lengths=lengths)
