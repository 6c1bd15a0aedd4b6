"""Rows of a feature table for each branch: its split and its primary subsplit pairs."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vbpi_mix.compiled import kernel
from vbpi_mix.errors import ConfigError
from vbpi_mix.support.encode import EncodedTopologies
from vbpi_mix.support.subsplit_support import SubsplitSupport

FeatureKind = Literal["split", "psp"]


@dataclass(frozen=True)
class PSPIndexer:
    """Numbers the branch-length features of a support (Zhang and Matsen 2019, section 3.2).

    Feature s < n_splits is split s; feature n_splits + x is the primary subsplit pair of subsplit x, that is
    the PSP's entry id in the tables of `segments`.

    Arguments:
        support: the support whose splits and subsplits are numbered.
        kind: "split" for splits only, "psp" for splits and primary subsplit pairs.

    Raises:
        ConfigError: another word for `kind`.
    """

    support: SubsplitSupport
    kind: FeatureKind = "psp"

    def __post_init__(self) -> None:
        if self.kind not in ("split", "psp"):
            raise ConfigError(f"branch features {self.kind!r} are unknown: choose 'split' or 'psp'")

    @property
    def n_features(self) -> int:
        return self.support.n_splits + (3 * self.support.n_tripartitions if self.kind == "psp" else 0)

    def feature_ids(self, encoded: EncodedTopologies) -> np.ndarray:
        """(T, E, 3) int32 rows per edge: the split, the pair seen from above (the split of the edge's clade into
        its children) and the pair seen from below (the split of the rest); (T, E, 1) for kind "split".

        -1 where there is none: at tips, or where the support lacks the item.

        Raises:
            SupportError: the topologies were encoded in another support.
        """
        encoded.require(self.support)
        if self.kind == "split":
            return encoded.split_ids[:, :, None]
        features = np.empty((*encoded.split_ids.shape, 3), dtype=np.int32)
        children = np.ascontiguousarray(encoded.topologies.children)
        _features(children, encoded.split_ids, encoded.tripartition_ids, self.support.n_splits, features)
        return features


@kernel()
def _features(
    children: np.ndarray, split_ids: np.ndarray, trip_ids: np.ndarray, n_splits: int, features: np.ndarray
) -> None:
    n_trees, n_inner, _ = children.shape
    n_taxa = n_inner + 2
    for t in range(n_trees):
        for i in range(n_inner):
            trip = trip_ids[t, i]
            edge = n_taxa + i if i + 1 < n_inner else 0
            features[t, edge, 0] = split_ids[t, edge]
            features[t, edge, 1] = n_splits + 3 * trip + 2 if trip >= 0 else -1
            for side in range(2):
                child = children[t, i, side]
                features[t, child, 2] = n_splits + 3 * trip + side if trip >= 0 else -1
        for tip in range(1, n_taxa):
            features[t, tip, 0] = split_ids[t, tip]
            features[t, tip, 1] = -1
        features[t, 0, 2] = -1
