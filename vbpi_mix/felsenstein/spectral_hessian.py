"""Second derivatives of the log-likelihood in the branch lengths, for any number of states."""

import torch
from torch import Tensor

from vbpi_mix.felsenstein.backends import as_array, check_values
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths, check_probabilities, check_spectrum
from vbpi_mix.felsenstein.cpu import wide_backend
from vbpi_mix.phylo import SitePatterns, TopologyBatch


def spectral_hessian(
    branch_lengths: Tensor,
    eigenvalues: Tensor,
    products: Tensor,
    root_frequencies: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-likelihoods with gradients and Hessians in the branch lengths, for rate matrices with a known spectrum.

    Exact, about E log E products with a matrix and E^2 / 2 dot products per tree and category. The diagonal alone, or
    the product with a vector, costs the same here; with four states `tree_second_derivatives` and
    `tree_hessian_vector` have cheaper ones.

    Arguments:
        branch_lengths: (T, E) float64, finite and >= 0.
        eigenvalues: (C, n) float64, as all the following see `spectral_log_likelihood`; constants.
        products: (n, n, n) float64.
        root_frequencies: (n,).
        category_weights: (C,).
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.

    Returns:
        (T,) values, (T, E) and (T, E, E) derivatives, 0 where the log-likelihood is -inf. No support for autograd.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.
    """
    n = patterns.n_states
    check_inputs(topologies, patterns)
    check_lengths(branch_lengths, topologies)
    check_spectrum(eigenvalues, products, len(category_weights), n)
    check_probabilities(root_frequencies, category_weights, n=n)
    found = wide_backend.hessian_by_spectrum(
        as_array(branch_lengths), as_array(eigenvalues), as_array(products), as_array(root_frequencies),
        as_array(category_weights), topologies, patterns,
    )  # fmt: skip
    check_values(found[0])
    return torch.from_numpy(found[0]), torch.from_numpy(found[1]), torch.from_numpy(found[2])
