"""Second derivatives of the log-likelihood in the branch lengths, by the compiled kernels."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.felsenstein.backends import check_values
from vbpi_mix.felsenstein.checks import check_four_states, check_inputs, check_lengths, check_model, check_tensor
from vbpi_mix.felsenstein.cpu import (
    general_diagonal,
    general_gradient,
    general_hessian,
    general_hessian_vector,
    jc69_diagonal,
)
from vbpi_mix.felsenstein.cpu import jc69_hessian as hessian_kernels
from vbpi_mix.felsenstein.cpu import jc69_hessian_vector as vector_kernels
from vbpi_mix.felsenstein.cpu.arrays import aligned_array, child_array, sum_of_shares
from vbpi_mix.felsenstein.cpu.blocks import Range, pattern_blocks, work_shares
from vbpi_mix.phylo import SitePatterns, TopologyBatch
from vbpi_mix.threads import get_threads, run_tasks

_Model = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def jc69_second_derivatives(
    branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-likelihoods under JC69 with first and second derivatives in each branch length.

    The second derivatives come from the numbers the gradient is made of and cost next to nothing.

    Arguments:
        branch_lengths: (T, E) float64, expected substitutions per site, finite and >= 0.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa, merged by relabelling or not.

    Returns:
        (T,) log-likelihoods; (T, E) first and (T, E) second derivatives. Where the log-likelihood is -inf
        (see `jc69_log_likelihood`) the derivatives are 0. Results do not support autograd.

    Raises:
        BackendError, InputError, NumericalError: as `jc69_log_likelihood`.
    """
    lengths = _checked_lengths(branch_lengths, topologies, patterns)
    n_edges = topologies.n_edges
    value, first, second = _evaluate(
        jc69_diagonal.diagonal_kernel, (lengths,), topologies, patterns,
        block=jc69_diagonal.BLOCK, workspaces=[(n_edges + 2, jc69_diagonal.SIZE)],
        results=[(n_edges,), (n_edges,)],
    )  # fmt: skip
    return value, first, second


def jc69_hessian(branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> Tensor:
    """(T, E, E) Hessians of the log-likelihoods under JC69 in the branch lengths.

    Exact, by dot products over states and patterns, about E^2 / 2 of them per tree (see `cpu.jc69_hessian`).

    Arguments:
        branch_lengths: (T, E) float64, expected substitutions per site, finite and >= 0.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa, merged by relabelling or not.

    Returns:
        Symmetric matrices; 0 where the log-likelihood is -inf.

    Raises:
        BackendError, InputError, NumericalError: as `jc69_log_likelihood`.
    """
    lengths = _checked_lengths(branch_lengths, topologies, patterns)
    n_edges = topologies.n_edges
    _, hessian = _evaluate(
        hessian_kernels.hessian_kernel, (lengths,), topologies, patterns,
        block=jc69_diagonal.BLOCK,
        workspaces=[(rows, jc69_diagonal.SIZE) for rows in (n_edges + 2, n_edges + 1, n_edges, 4)],
        results=[(n_edges, n_edges)],
    )  # fmt: skip
    return hessian


def jc69_hessian_vector(
    branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, vectors: Tensor
) -> Tensor:
    """(T, E) products of the Hessians of `jc69_hessian` with one vector per tree.

    Exact; the cost is that of a few gradients, whatever the number of edges.

    Arguments:
        branch_lengths: (T, E) float64, expected substitutions per site, finite and >= 0.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa, merged by relabelling or not.
        vectors: (T, E) float64, finite.

    Returns:
        The products; 0 where the log-likelihood is -inf.

    Raises:
        BackendError, InputError, NumericalError: as `jc69_log_likelihood`; vectors that do not fit.
    """
    lengths = _checked_lengths(branch_lengths, topologies, patterns)
    directions = _finite_array("vectors", vectors, (topologies.n_trees, topologies.n_edges))
    n_edges = topologies.n_edges
    _, products = _evaluate(
        vector_kernels.hessian_vector_kernel, (lengths, directions), topologies, patterns,
        block=jc69_diagonal.BLOCK, workspaces=[(n_edges + 2, jc69_diagonal.SIZE)] * 4, results=[(n_edges,)],
    )  # fmt: skip
    return products


def tree_second_derivatives(
    transition_matrices: Tensor,
    first_derivatives: Tensor,
    second_derivatives: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-likelihoods under any model of four states with first and second derivatives in each branch length.

    A rate matrix Q and category rates r give P = exp(Q r t), first derivatives r Q P and second ones r^2 Q Q P.

    Arguments:
        transition_matrices: (T, E, C, 4, 4) float64, as in `tree_log_likelihood`.
        first_derivatives: (T, E, C, 4, 4), of each matrix in the length of its edge.
        second_derivatives: (T, E, C, 4, 4), likewise.
        root_frequencies: (4,).
        category_weights: (C,).
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.

    Returns:
        (T,) log-likelihoods; (T, E) first and (T, E) second derivatives, 0 where the log-likelihood is -inf.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.
    """
    model = _checked_model(
        transition_matrices, first_derivatives, second_derivatives, root_frequencies, category_weights, topologies,
        patterns,
    )  # fmt: skip
    n_edges, block = topologies.n_edges, general_gradient.BLOCK
    value, first, second = _evaluate(
        general_diagonal.general_diagonal_kernel, model, topologies, patterns,
        block=block,
        workspaces=[*_general_workspaces(model, patterns.n_taxa, n_buffers=1), (n_edges, block), (n_edges, block)],
        results=[(n_edges,), (n_edges,)],
    )  # fmt: skip
    return value, first, second


def tree_hessian(
    transition_matrices: Tensor,
    first_derivatives: Tensor,
    second_derivatives: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
) -> Tensor:
    """(T, E, E) Hessians of the log-likelihoods under any model of four states in the branch lengths.

    Exact; about E^2 / 2 dot products over states and patterns per tree and category (see `cpu.general_hessian`).

    Arguments:
        transition_matrices: transition matrices, as all the following, see `tree_second_derivatives`.
        first_derivatives: (T, E, C, 4, 4).
        second_derivatives: (T, E, C, 4, 4).
        root_frequencies: (4,).
        category_weights: (C,).
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.

    Returns:
        Symmetric matrices; 0 where the log-likelihood is -inf.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.
    """
    model = _checked_model(
        transition_matrices, first_derivatives, second_derivatives, root_frequencies, category_weights, topologies,
        patterns,
    )  # fmt: skip
    n_edges, block, size = topologies.n_edges, general_gradient.BLOCK, general_gradient.SIZE
    nodes, edges = [(n_edges + 1, size), (n_edges + 1, size)], [(n_edges, size), (n_edges + 1, block), (n_edges, block)]
    _, hessian = _evaluate(
        general_hessian.general_hessian_kernel, model, topologies, patterns,
        block=block,
        workspaces=[*_general_workspaces(model, patterns.n_taxa, n_buffers=4), *nodes, *edges],
        results=[(n_edges, n_edges)],
    )  # fmt: skip
    return hessian


def tree_hessian_vector(
    transition_matrices: Tensor,
    first_derivatives: Tensor,
    second_derivatives: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    vectors: Tensor,
) -> Tensor:
    """(T, E) products of the Hessians of `tree_hessian` with one vector per tree.

    Exact; the cost is that of a few gradients, whatever the number of edges.

    Arguments:
        transition_matrices: transition matrices, as all but the last, see `tree_second_derivatives`.
        first_derivatives: (T, E, C, 4, 4).
        second_derivatives: (T, E, C, 4, 4).
        root_frequencies: (4,).
        category_weights: (C,).
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.
        vectors: (T, E) float64, finite.

    Returns:
        The products; 0 where the log-likelihood is -inf.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`; vectors that do not fit.
    """
    matrices, first, second, frequencies, weights = _checked_model(
        transition_matrices, first_derivatives, second_derivatives, root_frequencies, category_weights, topologies,
        patterns,
    )  # fmt: skip
    directions = _finite_array("vectors", vectors, (topologies.n_trees, topologies.n_edges))
    along = directions[:, None, :, None, None]
    model = (matrices, first, along * first, along * second, frequencies, weights)
    n_edges, block, size = topologies.n_edges, general_gradient.BLOCK, general_gradient.SIZE
    tangents = [(matrices.shape[1], n_edges + 1, size), (n_edges + 1, size), (n_edges + 1, size)]
    _, products = _evaluate(
        general_hessian_vector.general_hessian_vector_kernel, model, topologies, patterns,
        block=block,
        workspaces=[*_general_workspaces(model, patterns.n_taxa, n_buffers=4), *tangents, (3, block)],
        results=[(n_edges,)],
    )  # fmt: skip
    return products


def _evaluate(
    kernel: Callable[..., None],
    model: Sequence[np.ndarray],
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    block: int,
    workspaces: Sequence[tuple[int, ...]],
    results: Sequence[tuple[int, ...]],
) -> list[Tensor]:
    """Run a kernel on every share of the trees with every share of the patterns, and sum over the patterns.

    Arguments:
        kernel: Compiled function of the model's arrays, children, states, pattern weights, the ranges of trees and of
            blocks, the workspaces, and the arrays that log-likelihoods and derivatives are added to.
        model: Arrays with a row per tree, or that all trees share.
        topologies: T topologies.
        patterns: Site patterns of the same taxa.
        block: Patterns in a block.
        workspaces: Shapes of the kernel's working arrays.
        results: Shape of each derivative of one tree.

    Returns:
        (T,) log-likelihoods, then each derivative (T, ...), 0 where the log-likelihood is -inf.
    """
    states, weights = pattern_blocks(patterns, block)
    children, n_trees = child_array(topologies), topologies.n_trees
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    derivatives = [np.zeros((len(blocks), n_trees, *shape)) for shape in results]

    def task(i: int, tree_range: Range) -> Callable[[list[np.ndarray]], None]:
        outputs = [values[i], *(derivative[i] for derivative in derivatives)]
        return lambda work: kernel(*model, children, states, weights, tree_range, blocks[i], *work, *outputs)

    tasks = [task(i, tree_range) for i in range(len(blocks)) for tree_range in trees]
    run_tasks(tasks, lambda: [aligned_array(*shape) for shape in workspaces], get_threads())
    total = values.sum(axis=0)
    check_values(total)
    return [torch.from_numpy(total), *(torch.from_numpy(sum_of_shares(total, d)) for d in derivatives)]


def _general_workspaces(model: Sequence[np.ndarray], n_taxa: int, *, n_buffers: int) -> list[tuple[int, ...]]:
    """Shapes that all kernels of the general model share: tips, messages by category, buffers, site likelihoods."""
    _, n_categories, n_edges = model[0].shape[:3]
    size, block = general_gradient.SIZE, general_gradient.BLOCK
    return [(n_taxa, size), (n_categories, n_edges + 1, size), (n_buffers, size), (3 * n_categories + 1, block)]


def _checked_lengths(branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> np.ndarray:
    check_inputs(topologies, patterns)
    check_four_states(patterns)
    check_lengths(branch_lengths, topologies)
    return _cpu_array(branch_lengths)


def _checked_model(
    matrices: Tensor,
    first: Tensor,
    second: Tensor,
    frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
) -> _Model:
    """The model as the kernels take it: matrices and derivatives (T, C, E, 4, 4), frequencies, category weights."""
    check_inputs(topologies, patterns)
    if patterns.n_states != 4:
        raise BackendError(
            f"these second derivatives are those of four states, not {patterns.n_states}: use spectral_hessian"
        )
    check_model(matrices, frequencies, category_weights, topologies)
    shape = tuple(matrices.shape)
    slopes = _finite_array("first_derivatives", first, shape)
    bends = _finite_array("second_derivatives", second, shape)
    return (
        _by_category(_cpu_array(matrices)), _by_category(slopes), _by_category(bends), _cpu_array(frequencies),
        _cpu_array(category_weights),
    )  # fmt: skip


def _finite_array(name: str, tensor: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    check_tensor(name, tensor, shape)
    array = _cpu_array(tensor)
    if not np.isfinite(array).all():
        raise NumericalError(f"{name} must be finite")
    return array


def _by_category(matrices: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrices.transpose(0, 2, 1, 3, 4))


def _cpu_array(tensor: Tensor) -> np.ndarray:
    if tensor.device.type != "cpu":
        raise BackendError(f"second derivatives need tensors on the cpu, not on {tensor.device}: move them with .cpu()")
    return np.ascontiguousarray(tensor.detach().numpy())
