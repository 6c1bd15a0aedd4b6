"""Topologies of a support as tensors on a device, in the form that `sbn.reference` reads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.compiled import kernel
from vbpi_mix.sbn.kernels import tree_entries
from vbpi_mix.support.encode import EncodedTopologies, require_equal
from vbpi_mix.support.subsplit_support import SubsplitSupport


@dataclass(frozen=True, kw_only=True)
class PlacedTopologies:
    """T topologies on one device; internal nodes are counted from 0 to N-3, the top node last.

    Arguments:
        supports: Supports whose ids these are, one after another.
        entries: (T, 9N-21) int64 table entries of all rootings, as `kernels.tree_entries` lists them; -1 where the
            support lacks one.
        children: (T, N-2, 2) int64 children of the internal nodes, as nodes.
        parent: (T, N-3) int64 internal node above each internal node but the top.
        side: (T, N-3) int64 which of its children it is, 0 or 1.
        first: (T, N-2) int64 lowest internal node in the clade of each: the clade's internal nodes follow one another.
    """

    supports: tuple[SubsplitSupport, ...]
    entries: Tensor
    children: Tensor
    parent: Tensor
    side: Tensor
    first: Tensor

    def require(self, support: SubsplitSupport) -> None:
        """Raise SupportError unless all ids are those of this support; see `EncodedTopologies.require`."""
        for own in self.supports:
            require_equal(own, support)

    def paired(self, tree: Tensor, first_entry: Tensor) -> "PlacedTopologies":
        """Topologies in another order or several times, their entries counted from other numbers.

        Arguments:
            tree: (Q,) which topologies.
            first_entry: (Q,) added to their entries.
        """
        entries = self.entries[tree]
        return PlacedTopologies(
            supports=self.supports,
            entries=torch.where(entries >= 0, entries + first_entry[:, None], entries),
            children=self.children[tree],
            parent=self.parent[tree],
            side=self.side[tree],
            first=self.first[tree],
        )


def place(encoded: EncodedTopologies | Sequence[EncodedTopologies], device: torch.device) -> PlacedTopologies:
    """Put topologies on a device: one copy of each array for all trees, also of several supports."""
    every = [encoded] if isinstance(encoded, EncodedTopologies) else encoded
    described = [_described(some) for some in every]
    joined = {name: joined_arrays([arrays[name] for arrays in described]) for name in described[0]}
    return PlacedTopologies(
        supports=tuple(some.support for some in every),
        **{name: index_tensor(array, device) for name, array in joined.items()},
    )


def joined_arrays(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays one after another; a single one as it is."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _described(encoded: EncodedTopologies) -> dict[str, np.ndarray]:
    support, n_trees, n_taxa = encoded.support, encoded.n_trees, encoded.support.n_taxa
    children = np.ascontiguousarray(encoded.topologies.children)
    trees = (children, encoded.split_ids, encoded.tripartition_ids, encoded.adjacency_ids)
    entries = np.empty((n_trees, 9 * n_taxa - 21), dtype=np.int32)
    parent, side = np.empty((2, n_trees, n_taxa - 3), dtype=np.int32)
    first = np.empty((n_trees, n_taxa - 2), dtype=np.int32)
    offsets = support.n_splits, support.n_splits + 3 * support.n_tripartitions
    _describe(trees, offsets, entries, parent, side, first)
    return {"entries": entries, "children": children, "parent": parent, "side": side, "first": first}


def index_tensor(array: np.ndarray, device: torch.device) -> Tensor:
    """An array of int32 numbers as int64 on a device."""
    return torch.from_numpy(array).to(device).long()


@kernel()
def _describe(
    trees: tuple[np.ndarray, ...],
    offsets: tuple[int, int],
    entries: np.ndarray,
    parent: np.ndarray,
    side: np.ndarray,
    first: np.ndarray,
) -> None:
    children = trees[0]
    n_inner = children.shape[1]
    n_taxa = n_inner + 2
    for t in range(len(children)):
        tree_entries(trees, offsets, t, entries[t])
        for i in range(n_inner):
            first[t, i] = i
            for s in range(2):
                below = children[t, i, s] - n_taxa
                if below >= 0:
                    parent[t, below], side[t, below] = i, s
                    first[t, i] = min(first[t, i], first[t, below])
