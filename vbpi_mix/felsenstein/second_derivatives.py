"""Second derivatives of the log-likelihood in the branch lengths, by the compiled kernels."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.felsenstein import second_kernels
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths
from vbpi_mix.felsenstein.numba_backend import Range, _blocks, _children, _shares, _workspace
from vbpi_mix.felsenstein.threads import get_threads, run_tasks
from vbpi_mix.phylo import SitePatterns, TopologyBatch


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
    states, weights = _blocks(patterns, second_kernels.BLOCK)
    children = _children(topologies)
    n_trees, n_edges = lengths.shape
    trees, blocks = _shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    gradient, diagonal = np.zeros((2, len(blocks), n_trees, n_edges))

    def run(i: int, tree_range: Range, work: np.ndarray) -> None:
        second_kernels.diagonal_kernel(
            lengths, children, states, weights, tree_range, blocks[i], work, values[i], gradient[i], diagonal[i]
        )

    _run(run, trees, len(blocks), lambda: _workspace(n_edges + 2, second_kernels.SIZE))
    return _collect(values, gradient, diagonal)


def jc69_hessian(branch_lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns) -> Tensor:
    """(T, E, E) Hessians of the log-likelihoods under JC69 in the branch lengths.

    Exact, by dot products over states and patterns, about E^2 / 2 of them per tree (see `second_kernels`).

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
    states, weights = _blocks(patterns, second_kernels.BLOCK)
    children = _children(topologies)
    n_trees, n_edges = lengths.shape
    trees, blocks = _shares(n_trees, len(states))
    values = np.zeros((len(blocks), n_trees))
    hessian = np.zeros((len(blocks), n_trees, n_edges, n_edges))

    def workspace() -> list[np.ndarray]:
        return [_workspace(rows, second_kernels.SIZE) for rows in (n_edges + 2, n_edges + 1, n_edges, 4)]

    def run(i: int, tree_range: Range, work: list[np.ndarray]) -> None:
        second_kernels.hessian_kernel(
            lengths, children, states, weights, tree_range, blocks[i], *work, values[i], hessian[i]
        )

    _run(run, trees, len(blocks), workspace)
    return _collect(values, hessian)[1]
