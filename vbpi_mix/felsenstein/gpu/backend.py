"""From tensors to the Triton kernels and back: log-likelihoods and their derivatives.

Everything stays on the device of the tensors given; topologies and patterns are copied there once per call. Without a
GPU the kernels run, very slowly, in Triton's interpreter when the environment variable TRITON_INTERPRET is 1 before
Triton is imported; that is how they are tested.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.felsenstein.gpu.launch import LAUNCH, Launch, chunks, upload
from vbpi_mix.phylo import SitePatterns, TopologyBatch


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
    return _General.apply(*arguments, None, topologies, patterns, wanted, launch)  # type: ignore[return-value]


def timed_log_likelihood(
    times: Tensor,
    transition_matrices: Tensor,
    generators: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    launch: Launch = LAUNCH,
) -> Tensor:
    """(T,) log-likelihoods, differentiable in times, frequencies and category weights.

    An edge has one derivative for each category, where `tree_log_likelihood` has one for each entry of its matrices.

    Arguments:
        times: (T, E, C).
        transition_matrices: (T, E, C, n, n), exp(times * generators); constants here.
        generators: (C, n, n), or (T, C, n, n); constants.
        root_frequencies: (n,) or (T, n).
        category_weights: (C,) or (T, C).
        topologies: T topologies.
        patterns: Site patterns.
        launch: How the kernels are launched.
    """
    arguments = (times, root_frequencies, category_weights)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in arguments)
    constants = transition_matrices.detach(), generators.detach()
    return _General.apply(*arguments, constants, topologies, patterns, wanted, launch)  # type: ignore[return-value]


def jc69_log_likelihood(
    branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, launch: Launch = LAUNCH
) -> Tensor:
    """As `reference.jc69_log_likelihood`, for tensors on a GPU."""
    wanted = torch.is_grad_enabled() and branch_lengths.requires_grad
    return _JC69.apply(branch_lengths, topologies, patterns, wanted, launch)  # type: ignore[return-value]


class _General(torch.autograd.Function):
    """Values and gradients together in `forward`; `backward` only multiplies.

    What edges have is matrices, or with constants (matrices and generators) times.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, of_edges: Tensor, frequencies: Tensor, category_weights: Tensor,
        constants: tuple[Tensor, Tensor] | None, topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool,
        launch: Launch,
    ) -> Tensor:  # fmt: skip
        matrices, generators = (of_edges, None) if constants is None else constants
        values, *gradients = general(
            matrices, frequencies, category_weights, topologies, patterns,
            with_gradient=with_gradient, generators=generators, launch=launch,
        )  # fmt: skip
        ctx.save_for_backward(*gradients)
        ctx.shapes = frequencies.shape, category_weights.shape
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        of_edges, of_frequencies, of_weights = ctx.saved_tensors
        # what all trees share gets the sum over them
        return (
            of_edges * grad.reshape(-1, *(1,) * (of_edges.ndim - 1)),
            (of_frequencies * grad[:, None]).sum_to_size(ctx.shapes[0]),
            (of_weights * grad[:, None]).sum_to_size(ctx.shapes[1]),
            None, None, None, None, None,
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
    kernels = _kernels(lengths.device)
    data = upload(topologies, patterns, lengths.device, dtype, launch.block)
    n_trees, n_edges = lengths.shape
    exponents = -4.0 / 3.0 * lengths.detach()
    e = exponents.exp().to(dtype).contiguous()
    a = (-0.25 * torch.expm1(exponents)).to(dtype).contiguous()
    logs, powers = lengths.new_empty((2, n_trees, data.n_blocks))
    gradient = lengths.new_empty((n_trees, n_edges if with_gradient else 0))
    total_weight = data.weights.sum(dtype=torch.float64)
    constants = launch.constants(dtype)
    with torch.cuda.device_of(lengths):
        for part, work in chunks(data, n_trees, 1, dtype, launch.workspace_bytes):
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
    generators: Tensor | None = None,
    launch: Launch = LAUNCH,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(T,) log-likelihoods and their derivatives in matrices (T, E, C, n, n), frequencies (T, n), weights (T, C).

    Arguments:
        matrices: (T, E, C, n, n) float64 transition matrices on the device to use.
        frequencies: (n,) of the root, or (T, n).
        category_weights: (C,) or (T, C).
        topologies: T topologies.
        patterns: site patterns of n states.
        with_gradient: whether derivatives are wanted; without, they have no entries.
        dtype: data type as in `jc69`.
        generators: (C, n, n) or (T, C, n, n), for matrices exp(t generator): derivatives are in t, (T, E, C), in place
            of matrices.
        launch: how the kernels are launched.

    Raises:
        BackendError: no Triton, tensors on different devices, or on one that it cannot use here.
        NumericalError: a result that is not a number.
    """
    kernels = _kernels(matrices.device)
    given = (matrices, frequencies, category_weights, generators)
    devices = {x.device for x in given if x is not None}
    if len(devices) > 1:
        raise BackendError(f"the model's tensors are on several devices: {', '.join(sorted(map(str, devices)))}")
    data = upload(topologies, patterns, matrices.device, dtype, launch.block)
    n_trees, n_edges, n_categories, n_states, _ = matrices.shape
    of_trees = (frequencies.expand(n_trees, -1), category_weights.expand(n_trees, -1))
    model = [x.detach().to(dtype).contiguous() for x in (matrices, *of_trees)]
    logs, powers = matrices.new_empty((2, n_trees, data.n_blocks))
    kept = n_trees if with_gradient else 0
    of_edge = (n_states, n_states) if generators is None else ()
    of_edges = matrices.new_empty((kept, n_edges, n_categories, *of_edge))
    of_frequencies, of_weights = matrices.new_empty((kept, n_states)), matrices.new_empty((kept, n_categories))
    constants = launch.constants(dtype)
    up, down, further, only_down = kernels.general_up, kernels.general_down, [], {}
    if generators is not None or n_states != 4:
        # with derivatives in matrices generators are not used
        further = [model[0] if generators is None else _of_trees(generators.detach().to(dtype), n_trees)]
        up, down, only_down = kernels.wide_up, kernels.wide_down, {"BY_TIMES": generators is not None}
        constants = launch.wide_constants(dtype, n_states)
    with torch.cuda.device_of(matrices):
        sizes = {"n_states": n_states, "n_of_edge": math.prod(of_edge)}
        for part, work in chunks(data, n_trees, n_categories, dtype, launch.workspace_bytes, **sizes):
            count = part.stop - part.start
            grid = (count * data.n_blocks,)
            shape = (data.n_taxa, data.n_blocks, n_categories)
            mixing = model[0].new_empty((count, data.n_blocks, n_categories, 3, data.block))
            of_chunk = [*(x[part] for x in model), work, mixing]
            up[grid](
                data.children[part], data.states, data.weights, *of_chunk, logs[part], powers[part], *shape, **constants
            )
            if with_gradient:
                by_edges = work.new_empty((count, data.n_blocks, n_edges, n_categories, *of_edge))
                by_frequencies = work.new_empty((count, data.n_blocks, n_categories, n_states))
                by_weights = work.new_empty((count, data.n_blocks, n_categories))
                down[grid](
                    data.children[part], data.states, *(x[part] for x in further), *of_chunk,
                    by_edges, by_frequencies, by_weights, *shape, **constants, **only_down,
                )  # fmt: skip
                of_edges[part] = by_edges.sum(dim=1, dtype=torch.float64)
                of_frequencies[part] = by_frequencies.sum(dim=(1, 2), dtype=torch.float64)
                of_weights[part] = by_weights.sum(dim=1, dtype=torch.float64)
    values = _values(logs, powers)
    if with_gradient:
        of_edges, of_frequencies, of_weights = (_kept(values, g) for g in (of_edges, of_frequencies, of_weights))
    return values, of_edges, of_frequencies, of_weights


def _of_trees(generators: Tensor, n_trees: int) -> Tensor:
    return generators.expand(n_trees, *generators.shape[-3:]).contiguous()


class _Kernels(NamedTuple):
    jc69_up: Any
    jc69_down: Any
    general_up: Any
    general_down: Any
    wide_up: Any
    wide_down: Any


def _kernels(device: torch.device) -> _Kernels:
    """The kernels, if they can run on the device."""
    try:
        from triton.runtime.interpreter import InterpretedFunction  # pyright: ignore[reportMissingImports]

        from vbpi_mix.felsenstein.gpu.general import general_down, general_up
        from vbpi_mix.felsenstein.gpu.jc69 import jc69_down, jc69_up
        from vbpi_mix.felsenstein.gpu.wide import wide_down, wide_up
    except ImportError as error:
        raise BackendError(
            f"the likelihood backend 'triton' needs Triton ({error}): install vbpi_mix[gpu], or choose 'numba'"
        ) from error
    if not isinstance(jc69_up, InterpretedFunction) and device.type != "cuda":
        remedy = (
            "move the branch lengths or transition matrices there"
            if torch.cuda.is_available()
            else "torch finds none here, so choose 'numba'"
        )
        raise BackendError(f"the likelihood backend 'triton' needs tensors on a CUDA device, not on {device}: {remedy}")
    return _Kernels(jc69_up, jc69_down, general_up, general_down, wide_up, wide_down)


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
