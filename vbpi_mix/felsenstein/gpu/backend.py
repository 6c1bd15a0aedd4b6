"""From tensors to the Triton kernels: patterns in blocks on the device, trees in chunks that fit its memory.

Everything stays on the device of the tensors given; topologies and patterns are copied there once per call. Without a
GPU the kernels run, very slowly, in Triton's interpreter when the environment variable TRITON_INTERPRET is 1 before
Triton is imported; that is how they are tested.
"""

import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.phylo import SitePatterns, TopologyBatch
from vbpi_mix.phylo.alignment import MISSING


class Launch(NamedTuple):
    """How the kernels are launched; results do not depend on it, but for rounding.

    Attributes:
        block: Patterns per program, a power of 2: 32 with one warp are one per thread.
        n_warps: Warps per program.
        workspace_bytes: Bound on the workspace of a chunk of trees, in bytes.
    """

    block: int = 32
    n_warps: int = 1
    workspace_bytes: int = 8 * 2**30

    def constants(self, dtype: torch.dtype) -> dict[str, Any]:
        """The kernels' compile-time constants."""
        return {"BLOCK": self.block, "FLOAT64": dtype == torch.float64, "num_warps": self.n_warps, "num_stages": 1}


LAUNCH = Launch()


class _Data(NamedTuple):
    """Topologies and patterns on the device.

    Attributes:
        children: (T, N-2, 2) int32.
        states: (N, B block) uint8, filled up with missing data; patterns of weight zero are left out.
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


def tree_log_likelihood(
    transition_matrices: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    launch: Launch = LAUNCH,
) -> Tensor:
    """As `reference.tree_log_likelihood`, for tensors on a GPU."""
    arguments = (transition_matrices, root_frequencies, category_weights)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in arguments)
    return _General.apply(*arguments, topologies, patterns, wanted, launch)  # type: ignore[return-value]


def jc69_log_likelihood(
    branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, launch: Launch = LAUNCH
) -> Tensor:
    """As `reference.jc69_log_likelihood`, for tensors on a GPU."""
    wanted = torch.is_grad_enabled() and branch_lengths.requires_grad
    return _JC69.apply(branch_lengths, topologies, patterns, wanted, launch)  # type: ignore[return-value]


class _General(torch.autograd.Function):
    """Values and gradients together in `forward`; `backward` only multiplies."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, matrices: Tensor, frequencies: Tensor, category_weights: Tensor,
        topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool, launch: Launch,
    ) -> Tensor:  # fmt: skip
        values, *gradients = general(
            matrices, frequencies, category_weights, topologies, patterns, with_gradient=with_gradient, launch=launch
        )
        ctx.save_for_backward(*gradients)
        ctx.shapes = frequencies.shape, category_weights.shape
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        of_matrices, of_frequencies, of_weights = ctx.saved_tensors
        # what all trees share gets the sum over them
        return (
            of_matrices * grad[:, None, None, None, None],
            (of_frequencies * grad[:, None]).sum_to_size(ctx.shapes[0]),
            (of_weights * grad[:, None]).sum_to_size(ctx.shapes[1]),
            None, None, None, None,
        )  # fmt: skip


class _JC69(torch.autograd.Function):
    """As `_General`, for branch lengths."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool,
        launch: Launch,
    ) -> Tensor:  # fmt: skip
        values, gradient = jc69(lengths, topologies, patterns, with_gradient=with_gradient, launch=launch)
        ctx.save_for_backward(gradient)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return gradient * grad[:, None], None, None, None, None


def jc69(
    lengths: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    dtype: torch.dtype = torch.float64,
    launch: Launch = LAUNCH,
) -> tuple[Tensor, Tensor]:
    """(T,) log-likelihoods and (T, E) derivatives in the branch lengths (without columns if not wanted).

    Arguments:
        lengths: (T, E) float64 branch lengths on the device to use.
        topologies: T topologies.
        patterns: site patterns.
        with_gradient: whether derivatives are wanted.
        dtype: arithmetic between the lengths and the sums over blocks of patterns, float64 or float32. With float32
            log-likelihoods and derivatives are right to about 1e-5 of their largest values.
        launch: how the kernels are launched.

    Raises:
        BackendError: no Triton, or a device it cannot use here.
        NumericalError: a result that is not a number.
    """
    kernels, _ = _kernels(lengths.device)
    data = _upload(topologies, patterns, lengths.device, dtype, launch.block)
    n_trees, n_edges = lengths.shape
    exponents = -4.0 / 3.0 * lengths.detach()
    e = exponents.exp().to(dtype).contiguous()
    a = (-0.25 * torch.expm1(exponents)).to(dtype).contiguous()
    logs, powers = lengths.new_empty((2, n_trees, data.n_blocks))
    gradient = lengths.new_empty((n_trees, n_edges if with_gradient else 0))
    total_weight = data.weights.sum(dtype=torch.float64)
    constants = launch.constants(dtype)
    with torch.cuda.device_of(lengths):
        for part, work in _chunks(data, n_trees, 1, dtype, launch.workspace_bytes):
            grid = ((part.stop - part.start) * data.n_blocks,)
            shape = (data.n_taxa, data.n_blocks)
            kernels.jc69_up[grid](
                data.children[part], data.states, data.weights, e[part], a[part], work, logs[part], powers[part],
                *shape, **constants,
            )  # fmt: skip
            if with_gradient:
                sums = e.new_empty((part.stop - part.start, data.n_blocks, n_edges))
                kernels.jc69_down[grid](
                    data.children[part], data.states, e[part], a[part], work, sums, *shape, **constants
                )  # fmt: skip
                gradient[part] = -4.0 / 3.0 * (total_weight - sums.sum(dim=1, dtype=torch.float64))
    values = _values(logs, powers)
    return values, _kept(values, gradient)


def general(
    matrices: Tensor,
    frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    with_gradient: bool,
    dtype: torch.dtype = torch.float64,
    launch: Launch = LAUNCH,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(T,) log-likelihoods and their derivatives in matrices (T, E, C, 4, 4), frequencies (T, 4), weights (T, C).

    Arguments:
        matrices: (T, E, C, 4, 4) float64 transition matrices on the device to use.
        frequencies: (4,) of the root, or (T, 4).
        category_weights: (C,) or (T, C).
        topologies: T topologies.
        patterns: site patterns.
        with_gradient: whether derivatives are wanted; without, they have no entries.
        dtype: data type as in `jc69`.
        launch: how the kernels are launched.

    Raises:
        BackendError: no Triton, tensors on different devices, or on one that it cannot use here.
        NumericalError: a result that is not a number.
    """
    _, kernels = _kernels(matrices.device)
    devices = {x.device for x in (matrices, frequencies, category_weights)}
    if len(devices) > 1:
        raise BackendError(f"the model's tensors are on several devices: {', '.join(sorted(map(str, devices)))}")
    data = _upload(topologies, patterns, matrices.device, dtype, launch.block)
    n_trees, n_edges, n_categories = matrices.shape[:3]
    of_trees = (frequencies.expand(n_trees, -1), category_weights.expand(n_trees, -1))
    model = [x.detach().to(dtype).contiguous() for x in (matrices, *of_trees)]
    logs, powers = matrices.new_empty((2, n_trees, data.n_blocks))
    kept = n_trees if with_gradient else 0
    of_matrices = matrices.new_empty((kept, n_edges, n_categories, 4, 4))
    of_frequencies, of_weights = matrices.new_empty((kept, 4)), matrices.new_empty((kept, n_categories))
    constants = launch.constants(dtype)
    with torch.cuda.device_of(matrices):
        for part, work in _chunks(data, n_trees, n_categories, dtype, launch.workspace_bytes):
            count = part.stop - part.start
            grid = (count * data.n_blocks,)
            shape = (data.n_taxa, data.n_blocks, n_categories)
            mixing = model[0].new_empty((count, data.n_blocks, n_categories, 3, data.block))
            of_chunk = [*(x[part] for x in model), work, mixing]
            kernels.general_up[grid](
                data.children[part], data.states, data.weights, *of_chunk, logs[part], powers[part], *shape, **constants
            )
            if with_gradient:
                by_matrices = work.new_empty((count, data.n_blocks, n_edges, n_categories, 4, 4))
                by_frequencies = work.new_empty((count, data.n_blocks, n_categories, 4))
                by_weights = work.new_empty((count, data.n_blocks, n_categories))
                kernels.general_down[grid](
                    data.children[part], data.states, *of_chunk, by_matrices, by_frequencies, by_weights,
                    *shape, **constants,
                )  # fmt: skip
                of_matrices[part] = by_matrices.sum(dim=1, dtype=torch.float64)
                of_frequencies[part] = by_frequencies.sum(dim=(1, 2), dtype=torch.float64)
                of_weights[part] = by_weights.sum(dim=1, dtype=torch.float64)
    values = _values(logs, powers)
    if with_gradient:
        of_matrices, of_frequencies, of_weights = (_kept(values, g) for g in (of_matrices, of_frequencies, of_weights))
    return values, of_matrices, of_frequencies, of_weights


def _kernels(device: torch.device) -> tuple[ModuleType, ModuleType]:
    """The modules of the kernels, if they can run on the device."""
    try:
        from triton.runtime.interpreter import InterpretedFunction  # pyright: ignore[reportMissingImports]

        from vbpi_mix.felsenstein.gpu import general as general_kernels
        from vbpi_mix.felsenstein.gpu import jc69 as jc69_kernels
    except ImportError as error:
        raise BackendError(
            f"the likelihood backend 'triton' needs Triton ({error}): install vbpi_mix[gpu], or choose 'numba'"
        ) from error
    if not isinstance(jc69_kernels.jc69_up, InterpretedFunction) and device.type != "cuda":
        remedy = (
            "move the branch lengths or transition matrices there"
            if torch.cuda.is_available()
            else "torch finds none here, so choose 'numba'"
        )
        raise BackendError(f"the likelihood backend 'triton' needs tensors on a CUDA device, not on {device}: {remedy}")
    return jc69_kernels, general_kernels


def _upload(
    topologies: TopologyBatch, patterns: SitePatterns, device: torch.device, dtype: torch.dtype, block: int
) -> _Data:
    counted = torch.from_numpy(patterns.weights > 0)
    n_counted = int(counted.sum())
    n_columns = max(1, -(-n_counted // block)) * block
    states = torch.full((patterns.n_taxa, n_columns), MISSING, dtype=torch.uint8)
    states[:, :n_counted] = torch.tensor(patterns.state_sets)[:, counted]
    weights = torch.zeros(n_columns, dtype=dtype)
    weights[:n_counted] = torch.tensor(patterns.weights)[counted]
    children = torch.tensor(topologies.children, dtype=torch.int32).contiguous()
    return _Data(children.to(device), states.to(device), weights.to(device), block)


def workspace_bytes(
    n_taxa: int, n_patterns: int, n_categories: int, dtype: torch.dtype = torch.float64, block: int = LAUNCH.block
) -> int:
    """Bytes that a tree of a chunk takes: messages of its internal nodes, mixing terms, sums per block of patterns."""
    n_edges = 2 * n_taxa - 3
    per_block = n_categories * ((n_taxa - 2) * 4 * block + 3 * block + 16 * n_edges + 5)
    return -(-n_patterns // block) * per_block * dtype.itemsize


def largest_bytes(
    n_trees: int,
    n_taxa: int,
    n_patterns: int,
    n_categories: int,
    dtype: torch.dtype = torch.float64,
    launch: Launch = LAUNCH,
) -> int:
    """Bytes on the device that `general` with gradients never exceeds, its arguments and results included.

    A chunk's workspace has a bound of its own, `launch.workspace_bytes`, unless a single tree needs more. Beside it
    there are per tree: matrices, once in their own and once in the other type; their derivatives, twice while those of
    impossible trees are set to zero, and the sums of a chunk; frequencies, category weights, values and topologies.
    """
    n_edges, n_blocks = 2 * n_taxa - 3, -(-n_patterns // launch.block)
    per_tree = workspace_bytes(n_taxa, n_patterns, n_categories, dtype, launch.block)
    workspace = min(max(launch.workspace_bytes, per_tree), n_trees * per_tree)
    matrices = 5 * 8 * n_edges * n_categories * 16
    others = 8 * (5 * (4 + n_categories) + 4 * n_blocks + 8) + 4 * 2 * (n_taxa - 2)
    data = n_blocks * launch.block * (n_taxa + 2 * 8)
    return workspace + n_trees * (matrices + others) + data


def _chunks(
    data: _Data, n_trees: int, n_categories: int, dtype: torch.dtype, available: int
) -> Iterator[tuple[slice, Tensor]]:
    """Ranges of trees with a workspace each, which together with sums per block stay below `available` bytes."""
    device = data.states.device
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        available = min(available, (free + reserved) // 2)
    per_tree = workspace_bytes(data.n_taxa, data.n_blocks * data.block, n_categories, dtype, data.block)
    count = max(1, min(n_trees, available // per_tree))
    count = -(-n_trees // -(-n_trees // count))  # chunks of nearly equal size
    shape = (n_categories, data.n_taxa - 2, 4, data.block)
    work = torch.empty((count, data.n_blocks, *shape), dtype=dtype, device=device)
    for first in range(0, n_trees, count):
        part = slice(first, min(first + count, n_trees))
        yield part, work


def _values(logs: Tensor, powers: Tensor) -> Tensor:
    values = logs.sum(dim=1) + math.log(2.0) * powers.sum(dim=1)
    bad = values.isnan() | (values == math.inf)
    if bad.any():
        tree = int(bad.nonzero()[0])
        raise NumericalError(
            f"the log-likelihood of tree {tree} is {values[tree].item()}: its transition matrices are no probabilities"
        )
    return values


def _kept(values: Tensor, gradient: Tensor) -> Tensor:
    """The gradient, zero where the likelihood is zero."""
    impossible = (values == -math.inf).reshape(-1, *(1,) * (gradient.ndim - 1))
    return gradient.masked_fill(impossible, 0.0)
