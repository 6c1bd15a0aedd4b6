"""Share of a sample of trees that a support can represent."""

from dataclasses import asdict, dataclass

import numpy as np

from vbpi_mix.phylo import TreeSample
from vbpi_mix.support.encode import encode
from vbpi_mix.support.subsplit_support import SubsplitSupport


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Shares from 0 to 1, and the support's size.

    Arguments:
        mass_represented: weight of the trees that have a rooting with all its parent-child pairs in the support.
        trees_represented: the same, distinct topologies counted once each.
        splits_represented: share of the distinct non-trivial splits of the trees that the support holds.
        n_rootsplits: number of rootsplits of the support.
        n_pcsps: number of PCSPs of the support.
    """

    mass_represented: float
    trees_represented: float
    splits_represented: float
    n_rootsplits: int
    n_pcsps: int

    def to_dict(self) -> dict[str, float | int]:
        return asdict(self)


def coverage(support: SubsplitSupport, sample: TreeSample) -> Coverage:
    """Compare a support with weighted topologies on the same taxa.

    Raises:
        SupportError: the sample has another number of taxa.
    """
    encoded = encode(support, sample.topologies)
    inside = encoded.n_represented_rootings() > 0
    n = support.n_taxa
    clades = sample.topologies.clades()[:, n:].reshape(-1, support.splits.shape[1])
    distinct, first = np.unique(clades, axis=0, return_index=True)
    known = encoded.split_ids[:, n:].reshape(-1)[first] >= 0
    return Coverage(
        mass_represented=1.0 if inside.all() else min(float(sample.probabilities()[inside].sum()), 1.0),
        trees_represented=float(inside.mean()),
        splits_represented=float(known.mean()) if len(distinct) else 1.0,
        n_rootsplits=support.n_rootsplits,
        n_pcsps=support.n_pcsps,
    )
