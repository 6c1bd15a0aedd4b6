"""How the kernels are launched: patterns in blocks on the device, trees in chunks that fit its memory."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.phylo import SitePatterns, TopologyBatch


class Launch(NamedTuple):
    """How the kernels are launched; results do not depend on it, but for rounding.

    Attributes:
        block: Patterns per program, a power of 2: 32 with one warp are one per thread. At least 16 for the kernels for
            any number of states, from 9 states on.
        n_warps: Warps per program.
        workspace_bytes: Bound on the workspace of a chunk of trees, in bytes.
        n_warps_wide: Warps per program where products of tiles are those of tensor cores: from 9 states on.
    """

    block: int = 32
    n_warps: int = 1
    workspace_bytes: int = 8 * 2**30
    n_warps_wide: int = 4

    def constants(self, dtype: torch.dtype) -> dict[str, Any]:
        """The compile-time constants of the kernels for four states."""
        return {"BLOCK": self.block, "FLOAT64": dtype == torch.float64, "num_warps": self.n_warps, "num_stages": 1}

    def wide_constants(self, dtype: torch.dtype, n_states: int) -> dict[str, Any]:
        """Those of the kernels for any number of states."""
        width = 1 << (n_states - 1).bit_length()
        n_warps = self.n_warps_wide if width >= 16 else self.n_warps
        return self.constants(dtype) | {"N_STATES": n_states, "WIDTH": width, "num_warps": n_warps}


LAUNCH = Launch()


class PlacedTopologies(TopologyBatch):
    """Topologies that are on a device already, for the kernels there alone.

    Their nodes are in post-order; which child is first does not matter.

    Arguments:
        children: (T, N-2, 2) int32 tensor.
    """

    children: Tensor  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, children: Tensor) -> None:
        object.__setattr__(self, "children", children)

    def __getitem__(self, index: slice) -> "PlacedTopologies":  # pyright: ignore[reportIncompatibleMethodOverride]
        return PlacedTopologies(self.children[index])


class DeviceData(NamedTuple):
    """Topologies and patterns on the device.

    Attributes:
        children: (T, N-2, 2) int32.
        states: (N, B block) state sets, filled up with missing data; patterns of weight zero are left out: uint8 for up
            to 8 states, int32 up to 32, int64 up to 64.
        weights: (B block,), zero where filled up.
        block: Patterns per program.
    """

    children: Tensor
    states: Tensor
    weights: Tensor
    block: int

    @property
    def n_taxa(self) -> int:
        return self.states.shape[0]

    @property
    def n_blocks(self) -> int:
        return self.weights.shape[0] // self.block


def upload(
    topologies: TopologyBatch, patterns: SitePatterns, device: torch.device, dtype: torch.dtype, block: int
) -> DeviceData:
    """Copy topologies and patterns to the device."""
    counted = patterns.weights > 0
    n_counted = int(counted.sum())
    n_columns = max(1, -(-n_counted // block)) * block
    sets = np.full((patterns.n_taxa, n_columns), patterns.data_type.missing, dtype=patterns.data_type.dtype)
    sets[:, :n_counted] = patterns.state_sets[:, counted]
    signed = {1: np.uint8, 4: np.int32, 8: np.int64}[sets.itemsize]  # torch has little for larger unsigned integers
    states = torch.from_numpy(sets.view(signed))
    weights = torch.zeros(n_columns, dtype=dtype)
    weights[:n_counted] = torch.from_numpy(patterns.weights[counted])
    children = torch.as_tensor(topologies.children, dtype=torch.int32).contiguous()
    return DeviceData(children.to(device), states.to(device), weights.to(device), block)


def workspace_bytes(
    n_taxa: int, n_patterns: int, n_categories: int, dtype: torch.dtype = torch.float64, block: int = LAUNCH.block,
    *, n_states: int = 4, n_of_edge: int = 16,
) -> int:  # fmt: skip
    """Bytes that a tree of a chunk takes: messages of its internal nodes, mixing terms, sums per block of patterns.

    Derivatives of an edge are `n_of_edge` for each category: the entries of a matrix, or one.
    """
    n_edges = 2 * n_taxa - 3
    per_block = n_categories * ((n_taxa - 2) * n_states * block + 3 * block + n_of_edge * n_edges + n_states + 1)
    return -(-n_patterns // block) * per_block * dtype.itemsize


def largest_bytes(
    n_trees: int, n_taxa: int, n_patterns: int, n_categories: int, dtype: torch.dtype = torch.float64,
    launch: Launch = LAUNCH, *, n_states: int = 4,
) -> int:  # fmt: skip
    """Bytes on the device that `general` with gradients in matrices never exceeds, arguments and results included.

    A chunk's workspace has a bound of its own, `launch.workspace_bytes`, unless a single tree needs more. Beside it
    there are per tree: matrices, once in their own and once in the other type; their derivatives, twice while those of
    impossible trees are set to zero, and the sums of a chunk; frequencies, category weights, values and topologies.
    """
    n_edges, n_blocks = 2 * n_taxa - 3, -(-n_patterns // launch.block)
    per_tree = workspace_bytes(
        n_taxa, n_patterns, n_categories, dtype, launch.block, n_states=n_states, n_of_edge=n_states * n_states
    )
    workspace = min(max(launch.workspace_bytes, per_tree), n_trees * per_tree)
    matrices = 5 * 8 * n_edges * n_categories * n_states * n_states
    others = 8 * (5 * (n_states + n_categories) + 4 * n_blocks + 8) + 4 * 2 * (n_taxa - 2)
    bytes_of_set = 1 if n_states <= 8 else 4 if n_states <= 32 else 8
    data = n_blocks * launch.block * (n_taxa * bytes_of_set + 2 * 8)
    return workspace + n_trees * (matrices + others) + data


def chunks(
    data: DeviceData, n_trees: int, n_categories: int, dtype: torch.dtype, available: int,
    *, n_states: int = 4, n_of_edge: int = 16,
) -> Iterator[tuple[slice, Tensor]]:  # fmt: skip
    """Ranges of trees with a workspace each, which together with sums per block stay below `available` bytes."""
    device = data.states.device
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        available = min(available, (free + reserved) // 2)
    per_tree = workspace_bytes(
        data.n_taxa, data.n_blocks * data.block, n_categories, dtype, data.block, n_states=n_states, n_of_edge=n_of_edge
    )
    count = max(1, min(n_trees, available // per_tree))
    count = -(-n_trees // -(-n_trees // count))  # chunks of nearly equal size
    shape = (n_categories, data.n_taxa - 2, n_states, data.block)
    work = torch.empty((count, data.n_blocks, *shape), dtype=dtype, device=device)
    for first in range(0, n_trees, count):
        part = slice(first, min(first + count, n_trees))
        yield part, work
