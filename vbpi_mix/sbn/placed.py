"""Topologies of a support as tensors on a device, in the form that `sbn.reference` reads."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.compiled import kernel
from vbpi_mix.sbn.kernels import tree_entries
from vbpi_mix.support.encode import EncodedTopologies


@dataclass(frozen=True, kw_only=True)
class PlacedTopologies:
    """T topologies on one device; internal nodes are counted from 0 to N-3, the top node last.

    Arguments:
        encoded: The same topologies and their ids, on the CPU.
        entries: (T, 9N-21) int64 table entries of all rootings, as `kernels.tree_entries` lists them; -1 where the
            support lacks one.
        children: (T, N-2, 2) int64 children of the internal nodes, as nodes.
        parent: (T, N-3) int64 internal node above each internal node but the top.
        side: (T, N-3) int64 which of its children it is, 0 or 1.
        first: (T, N-2) int64 lowest internal node in the clade of each: the clade's internal nodes follow one another.
    """

    encoded: EncodedTopologies
    entries: Tensor
    children: Tensor
    parent: Tensor
    side: Tensor
    first: Tensor


def place(encoded: EncodedTopologies, device: torch.device) -> PlacedTopologies:
    """Put topologies on a device: one copy of each array for all trees."""
    support, n_trees, n_taxa = encoded.support, encoded.n_trees, encoded.support.n_taxa
    children = np.ascontiguousarray(encoded.topologies.children)
    trees = (children, encoded.split_ids, encoded.tripartition_ids, encoded.adjacency_ids)
    entries = np.empty((n_trees, 9 * n_taxa - 21), dtype=np.int32)
    parent, side = np.empty((2, n_trees, n_taxa - 3), dtype=np.int32)
    first = np.empty((n_trees, n_taxa - 2), dtype=np.int32)
    offsets = support.n_splits, support.n_splits + 3 * support.n_tripartitions
    _describe(trees, offsets, entries, parent, side, first)
    arrays = {"entries": entries, "children": children, "parent": parent, "side": side, "first": first}
    return PlacedTopologies(encoded=encoded, **{name: index_tensor(array, device) for name, array in arrays.items()})


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
