"""The likelihood of trees as differentiable functions of tensors, and the words that choose how it is computed."""

import numpy as np
import torch
from torch import Tensor

from vbpi_mix.felsenstein.backends import NUMPY_TYPES, ByLengths, as_array, dtype_option, find_backend, wants_gradient
from vbpi_mix.felsenstein.checks import (
    check_four_states,
    check_generators,
    check_inputs,
    check_lengths,
    check_model,
    check_probabilities,
    check_spectrum,
)
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.felsenstein.cpu import wide_backend
from vbpi_mix.felsenstein.gpu.backend import timed_log_likelihood
from vbpi_mix.phylo import SitePatterns, TopologyBatch


def tree_log_likelihood(
    transition_matrices: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    backend: str = "numba",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Log-likelihoods of trees under any model of n states, differentiable in the first three arguments.

    The likelihood is that of `reference.tree_log_likelihood`. With "numba" and "triton" the gradient costs about two
    more passes over the tree, whatever the number of edges, and cannot be differentiated again.

    Arguments:
        transition_matrices: (T, E, C, n, n) float64; [s, t] is the probability of state t at the lower end of the
            edge, given s at its upper end and the rate category. A category of invariant sites has identity matrices.
        root_frequencies: (n,) of the states at the top node, or (T, n) for every tree by itself.
        category_weights: (C,) or (T, C) probabilities of the rate categories.
        topologies: T topologies of N taxa.
        patterns: Site patterns of the same taxa.
        backend: A word of `BACKENDS`.
        dtype: Data type of the partial likelihoods, see `jc69_log_likelihood`; arguments and results are float64.

    Returns:
        (T,) natural logarithms; sites without data add 0. A tree that cannot produce the data (zero-length branches
        between different states) has -inf and gradient zero: there is no direction that improves it to first order
        in a finite way, and samplers and optimisers must see -inf as the end of the way.

    Raises:
        BackendError: Unknown backend, or tensors on a device the backend cannot use.
        InputError: Shapes or types that do not fit, or other taxa in patterns than in topologies.
        NumericalError: Entries that are not finite, or a result that is not a number.

    Examples:
        >>> import torch
        >>> import vbpi_mix as vm
        >>> alignment = vm.read_alignment("primates")
        >>> topologies = vm.veryfasttree_bootstrap(alignment, 0, seed=1).topologies
        >>> quarter = torch.full((4,), 0.25, dtype=torch.float64)
        >>> saturated = quarter.expand(1, topologies.n_edges, 1, 4, 4)  # every state alike at the end of every edge
        >>> one = torch.ones(1, dtype=torch.float64)
        >>> vm.tree_log_likelihood(saturated, quarter, one, topologies, vm.site_patterns(alignment)).round(decimals=2)
        tensor([-14897.1200], dtype=torch.float64)
    """
    check_inputs(topologies, patterns)
    check_model(transition_matrices, root_frequencies, category_weights, topologies, patterns.n_states)
    options = dtype_option(backend, dtype, patterns.n_states)
    return find_backend(backend, transition_matrices)[0](
        transition_matrices, root_frequencies, category_weights, topologies, patterns, **options
    )


def length_log_likelihood(
    branch_lengths: Tensor,
    transition_matrices: Tensor,
    generators: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    backend: str = "numba",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Log-likelihoods of trees under a model with constant parameters, differentiable in the branch lengths.

    The values are those of `tree_log_likelihood`. The gradient in the lengths takes about two thirds of the time of the
    one in all entries of the matrices, and needs no backward pass through the matrices.

    Arguments:
        branch_lengths: (T, E) float64, finite and >= 0.
        transition_matrices: (T, E, C, n, n) float64, exp(generators * branch length); constants here.
        generators: (C, n, n) float64, the rate matrix times the rate of each category; constants.
        root_frequencies: (n,); constants.
        category_weights: (C,); constants.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.
        backend: a word of `BACKENDS`.
        dtype: data type of the partial likelihoods, see `jc69_log_likelihood`.

    Returns:
        (T,) natural logarithms; -inf as in `tree_log_likelihood`.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.
    """
    check_inputs(topologies, patterns)
    check_lengths(branch_lengths, topologies)
    check_model(transition_matrices, root_frequencies, category_weights, topologies, patterns.n_states)
    check_generators(generators, len(category_weights), patterns.n_states)
    options = dtype_option(backend, dtype, patterns.n_states)
    of_any_model = find_backend(backend, branch_lengths)[0]
    model = (transition_matrices.detach(), generators.detach(), root_frequencies.detach(), category_weights.detach())
    if backend == "triton" and patterns.n_states != 4:
        times = branch_lengths[:, :, None].expand(transition_matrices.shape[:3])
        return timed_log_likelihood(times, *model, topologies, patterns)
    if backend != "numba":
        matrices, of_categories, *rest = model
        # the same matrices, with their derivatives in the lengths
        change = (branch_lengths - branch_lengths.detach())[..., None, None, None]
        return of_any_model(matrices + change * (of_categories @ matrices), *rest, topologies, patterns, **options)

    def compute(with_gradient: bool) -> tuple[np.ndarray, np.ndarray]:
        matrices, of_categories, frequencies, weights = (as_array(x) for x in model)
        if patterns.n_states != 4:
            return wide_backend.by_lengths(
                matrices, of_categories, frequencies, weights, topologies, patterns, with_gradient=with_gradient
            )
        return numba_backend.by_lengths(
            matrices, of_categories, frequencies, weights, topologies, patterns,
            with_gradient=with_gradient, dtype=NUMPY_TYPES[dtype],
        )  # fmt: skip

    return ByLengths.apply(branch_lengths, compute, wants_gradient(branch_lengths))  # type: ignore[return-value]


def spectral_log_likelihood(
    branch_lengths: Tensor,
    eigenvalues: Tensor,
    products: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    backend: str = "numba",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """As `length_log_likelihood`, for rate matrices with a known spectrum: those of all reversible models.

    The rate matrix of category c is sum_k eigenvalues[c, k] products[k]. With "numba" the threads that climb the trees
    make the transition matrices: a call takes about an eighth less time than with matrices that have been made before.

    Arguments:
        branch_lengths: (T, E) float64, finite and >= 0.
        eigenvalues: (C, n) float64 of the rate matrix, <= 0, times the rate of each category; constants.
        products: (n, n, n) float64, right times left eigenvector of each eigenvalue, with the identity as their sum;
            constants.
        root_frequencies: (n,); constants.
        category_weights: (C,); constants.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.
        backend: a word of `BACKENDS`.
        dtype: data type of the partial likelihoods, see `jc69_log_likelihood`.

    Returns:
        (T,) natural logarithms; -inf as in `tree_log_likelihood`.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.
    """
    n = patterns.n_states
    check_spectrum(eigenvalues, products, len(category_weights), n)
    values, of_values = eigenvalues.detach(), products.detach()
    if backend != "numba":
        matrices = spectral_matrices(branch_lengths.detach()[..., None, None] * values, of_values)
        return length_log_likelihood(
            branch_lengths, matrices, torch.tensordot(values, of_values, 1),
            root_frequencies, category_weights, topologies, patterns, backend=backend, dtype=dtype,
        )  # fmt: skip
    check_inputs(topologies, patterns)
    check_lengths(branch_lengths, topologies)
    check_probabilities(root_frequencies, category_weights, n=n)
    find_backend(backend, branch_lengths)
    dtype_option(backend, dtype, n)

    def compute(with_gradient: bool) -> tuple[np.ndarray, np.ndarray]:
        lengths, spectrum = as_array(branch_lengths), (as_array(values), as_array(of_values))
        rest = as_array(root_frequencies), as_array(category_weights)
        if n != 4:
            return wide_backend.by_spectrum(
                lengths, *spectrum, *rest, topologies, patterns, with_gradient=with_gradient
            )
        return numba_backend.by_spectrum(
            lengths, *spectrum, *rest, topologies, patterns, with_gradient=with_gradient, dtype=NUMPY_TYPES[dtype]
        )

    return ByLengths.apply(branch_lengths, compute, wants_gradient(branch_lengths))  # type: ignore[return-value]


def spectral_matrices(exponents: Tensor, products: Tensor) -> Tensor:
    """(..., n, n) sums of products (n, n, n), whose own sum is the identity, times exp of exponents (..., n).

    Or of products (T, n, n, n) and exponents (T, m, n), T times m sums.
    """
    n = exponents.shape[-1]
    changes = torch.expm1(exponents) @ products.reshape(*products.shape[:-3], n, n * n)
    identity = torch.eye(n, dtype=torch.float64, device=changes.device).reshape(n * n)
    return (changes + identity).clamp(min=0.0).reshape(*changes.shape[:-1], n, n)


def jc69_log_likelihood(
    branch_lengths: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    backend: str = "numba",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Log-likelihoods of trees under Jukes and Cantor's model (1969), differentiable in the branch lengths.

    Patterns that are equal up to a relabelling of the states may have been merged (`phylo.merge_relabelled`).

    Arguments:
        branch_lengths: (T, E) float64, expected substitutions per site, finite and >= 0.
        topologies: T topologies of N taxa.
        patterns: Site patterns of the same taxa.
        backend: A word of `BACKENDS`.
        dtype: Data type of the partial likelihoods; lengths, results and the sums over blocks of patterns are float64.
            torch.float32 (only "numba") saves memory and up to a third of the time. On the alignments DS1 to DS8 (27 to
            64 taxa, random topologies, mean lengths 0.001 to 0.3) its values were within 7e-8, relatively, that is
            0.0015, and its derivatives within 4e-7 of the largest of the tree. Trees on which float32 loses its digits
            (conflicting data across branches shorter than about 1e-17) are done again in float64.

    Returns:
        (T,) natural logarithms; -inf as in `tree_log_likelihood`.

    Raises:
        BackendError, InputError, NumericalError: As `tree_log_likelihood`.

    Examples:
        >>> import torch
        >>> import vbpi_mix as vm
        >>> alignment = vm.read_alignment("primates")
        >>> topologies = vm.veryfasttree_bootstrap(alignment, 0, seed=1).topologies
        >>> lengths = torch.full((1, topologies.n_edges), 0.1, dtype=torch.float64)
        >>> vm.jc69_log_likelihood(lengths, topologies, vm.site_patterns(alignment)).round(decimals=2)
        tensor([-6745.6300], dtype=torch.float64)
    """
    check_inputs(topologies, patterns)
    check_four_states(patterns)
    check_lengths(branch_lengths, topologies)
    options = dtype_option(backend, dtype)
    return find_backend(backend, branch_lengths)[1](branch_lengths, topologies, patterns, **options)
