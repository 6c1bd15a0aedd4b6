"""Second derivatives of the log-likelihood in the branch lengths, by the compiled kernels."""

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.errors import BackendError, NumericalError
from vbpi_mix.felsenstein.backends import check_values
from vbpi_mix.felsenstein.checks import _check_tensor, check_inputs, check_lengths, check_model
from vbpi_mix.felsenstein.cpu import (
    general_diagonal,
    general_gradient,
    general_hessian,
    general_hessian_vector,
    jc69_diagonal,
)
from vbpi_mix.felsenstein.cpu import jc69_hessian as hessian_kernels
from vbpi_mix.felsenstein.cpu import jc69_hessian_vector as tangent_kernels
from vbpi_mix.felsenstein.cpu.backend import _children, _gradient_of, _workspace
from vbpi_mix.felsenstein.cpu.blocks import Range, pattern_blocks, work_shares
from vbpi_mix.phylo import SitePatterns, TopologyBatch
from vbpi_mix.threads import get_threads, run_tasks

Work = TypeVar("Work")
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
        (see `jc69_log_likelihood`) the derivatives are 0. Nothing of this can be differentiated by torch.

    Raises:
        BackendError, InputError, NumericalError: as `jc69_log_likelihood`.
    """
    lengths = _checked(branch_lengths, topologies, patterns)
    states, weights = pattern_blocks(patterns, jc69_diagonal.BLOCK)
    children = _children(topologies)
    n_trees, n_edges = lengths.shape
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    gradient, diagonal = np.zeros((2, len(blocks), n_trees, n_edges))

    def run(i: int, tree_range: Range, work: np.ndarray) -> None:
        jc69_diagonal.diagonal_kernel(
            lengths, children, states, weights, tree_range, blocks[i], work, values[i], gradient[i], diagonal[i]
        )

    _run(run, trees, len(blocks), lambda: _workspace(n_edges + 2, jc69_diagonal.SIZE))
    value, first, second = _collect(values, gradient, diagonal)
    return value, first, second


def jc69_hessian(branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> Tensor:
    """(T, E, E) Hessians of the log-likelihoods under JC69 in the branch lengths.

    Exact, by dot products over states and patterns, about E^2 / 2 of them per tree (see `hessian_kernels`).

    Arguments:
        branch_lengths: (T, E) float64, expected substitutions per site, finite and >= 0.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa, merged by relabelling or not.

    Returns:
        Symmetric matrices; 0 where the log-likelihood is -inf.

    Raises:
        BackendError, InputError, NumericalError: as `jc69_log_likelihood`.
    """
    lengths = _checked(branch_lengths, topologies, patterns)
    states, weights = pattern_blocks(patterns, jc69_diagonal.BLOCK)
    children = _children(topologies)
    n_trees, n_edges = lengths.shape
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    hessian = np.zeros((len(blocks), n_trees, n_edges, n_edges))

    def workspace() -> list[np.ndarray]:
        return [_workspace(rows, jc69_diagonal.SIZE) for rows in (n_edges + 2, n_edges + 1, n_edges, 4)]

    def run(i: int, tree_range: Range, work: list[np.ndarray]) -> None:
        hessian_kernels.hessian_kernel(
            lengths, children, states, weights, tree_range, blocks[i], *[*work, values[i], hessian[i]]
        )

    _run(run, trees, len(blocks), workspace)
    return _collect(values, hessian)[1]


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
    lengths = _checked(branch_lengths, topologies, patterns)
    directions = _finite_array("vectors", vectors, (topologies.n_trees, topologies.n_edges))
    states, weights = pattern_blocks(patterns, jc69_diagonal.BLOCK)
    children = _children(topologies)
    n_trees, n_edges = lengths.shape
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    products = np.zeros((len(blocks), n_trees, n_edges))

    def workspace() -> list[np.ndarray]:
        return [_workspace(n_edges + 2, jc69_diagonal.SIZE) for _ in range(4)]

    def run(i: int, tree_range: Range, work: list[np.ndarray]) -> None:
        tangent_kernels.hessian_vector_kernel(
            lengths, directions, children, states, weights, tree_range, blocks[i],
            *[*work, values[i], products[i]],
        )  # fmt: skip

    _run(run, trees, len(blocks), workspace)
    return _collect(values, products)[1]


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
    block, size = general_gradient.BLOCK, general_gradient.SIZE
    states, weights = pattern_blocks(patterns, block)
    children = _children(topologies)
    n_trees, n_categories, n_edges = model[0].shape[:3]
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    gradient, diagonal = np.zeros((2, len(blocks), n_trees, n_edges))

    def workspace() -> list[np.ndarray]:
        shapes = ((patterns.n_taxa, size), (n_categories, n_edges + 1, size), (1, size), (3 * n_categories + 1, block))
        return [_workspace(*shape) for shape in (*shapes, (n_edges, block), (n_edges, block))]

    def run(i: int, tree_range: Range, work: list[np.ndarray]) -> None:
        general_diagonal.general_diagonal_kernel(
            *model, children, states, weights, tree_range, blocks[i],
            *[*work, values[i], gradient[i], diagonal[i]],
        )  # fmt: skip

    _run(run, trees, len(blocks), workspace)
    value, first, second = _collect(values, gradient, diagonal)
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

    Exact; about E^2 / 2 dot products over states and patterns per tree and category (see `general_hessian`).

    Arguments:
        transition_matrices: as all the following, see `tree_second_derivatives`.
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
    block, size = general_gradient.BLOCK, general_gradient.SIZE
    states, weights = pattern_blocks(patterns, block)
    children = _children(topologies)
    n_trees, n_categories, n_edges = model[0].shape[:3]
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    hessian = np.zeros((len(blocks), n_trees, n_edges, n_edges))

    def workspace() -> list[np.ndarray]:
        shapes = ((patterns.n_taxa, size), (n_categories, n_edges + 1, size), (4, size), (3 * n_categories + 1, block))
        of_nodes, of_edges = ((n_edges + 1, size), (n_edges + 1, size)), ((n_edges, size), (n_edges + 1, block))
        return [_workspace(*shape) for shape in (*shapes, *of_nodes, *of_edges, (n_edges, block))]

    def run(i: int, tree_range: Range, work: list[np.ndarray]) -> None:
        general_hessian.general_hessian_kernel(
            *model, children, states, weights, tree_range, blocks[i], *[*work, values[i], hessian[i]]
        )

    _run(run, trees, len(blocks), workspace)
    return _collect(values, hessian)[1]


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
        transition_matrices: as all but the last, see `tree_second_derivatives`.
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
    matrices, first, second, frequencies, of_categories = _checked_model(
        transition_matrices, first_derivatives, second_derivatives, root_frequencies, category_weights, topologies,
        patterns,
    )  # fmt: skip
    directions = _finite_array("vectors", vectors, (topologies.n_trees, topologies.n_edges))
    along = directions[:, None, :, None, None]
    model = (matrices, first, along * first, along * second, frequencies, of_categories)
    block, size = general_gradient.BLOCK, general_gradient.SIZE
    states, weights = pattern_blocks(patterns, block)
    children = _children(topologies)
    n_trees, n_categories, n_edges = matrices.shape[:3]
    trees, blocks = work_shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    products = np.zeros((len(blocks), n_trees, n_edges))

    def workspace() -> list[np.ndarray]:
        by_category = (n_categories, n_edges + 1, size)
        shapes = ((patterns.n_taxa, size), by_category, (4, size), (3 * n_categories + 1, block), by_category)
        return [_workspace(*shape) for shape in (*shapes, *[(n_edges + 1, size)] * 2, (3, block))]

    def run(i: int, tree_range: Range, work: list[np.ndarray]) -> None:
        general_hessian_vector.general_hessian_vector_kernel(
            *model, children, states, weights, tree_range, blocks[i], *[*work, values[i], products[i]]
        )

    _run(run, trees, len(blocks), workspace)
    return _collect(values, products)[1]


def _checked(branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> np.ndarray:
    check_inputs(topologies, patterns)
    check_lengths(branch_lengths, topologies)
    return as_array(branch_lengths)


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
    check_model(matrices, frequencies, category_weights, topologies)
    shape = tuple(matrices.shape)
    slopes = _finite_array("first_derivatives", first, shape)
    bends = _finite_array("second_derivatives", second, shape)
    return (
        _by_category(as_array(matrices)), _by_category(slopes), _by_category(bends), as_array(frequencies),
        as_array(category_weights),
    )  # fmt: skip


def _finite_array(name: str, tensor: Tensor, shape: tuple[int, ...]) -> np.ndarray:
    _check_tensor(name, tensor, shape)
    array = as_array(tensor)
    if not np.isfinite(array).all():
        raise NumericalError(f"{name} must be finite")
    return array


def _by_category(matrices: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(matrices.transpose(0, 2, 1, 3, 4))


def as_array(tensor: Tensor) -> np.ndarray:
    if tensor.device.type != "cpu":
        raise BackendError(f"second derivatives need tensors on the cpu, not on {tensor.device}: move them with .cpu()")
    return np.ascontiguousarray(tensor.detach().numpy())


def _run(
    run: Callable[[int, Range, Work], None], trees: list[Range], n_block_ranges: int, make_workspace: Callable[[], Work]
) -> None:
    """Run a kernel on every range of trees with every range of blocks, shared among the threads."""

    def task(i: int, tree_range: Range) -> Callable[[Work], None]:
        return lambda work: run(i, tree_range, work)

    run_tasks(
        [task(i, tree_range) for i in range(n_block_ranges) for tree_range in trees], make_workspace, get_threads()
    )


def _collect(values: np.ndarray, *derivatives: np.ndarray) -> list[Tensor]:
    """Sums over the ranges of blocks; derivatives zero where any of them made the likelihood zero."""
    total = values.sum(axis=0)
    check_values(total)
    return [torch.from_numpy(total), *(torch.from_numpy(_gradient_of(total, d)) for d in derivatives)]
