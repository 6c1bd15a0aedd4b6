"""Log-likelihoods of trees that each have a substitution model of their own, as in a posterior over its parameters."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.felsenstein.backends import (
    NUMPY_TYPES,
    as_array,
    check_values,
    dtype_option,
    find_backend,
    wants_gradient,
)
from vbpi_mix.felsenstein.checks import check_inputs, check_lengths, check_models
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.felsenstein.cpu import wide_backend
from vbpi_mix.felsenstein.gpu.backend import timed_log_likelihood
from vbpi_mix.felsenstein.likelihood import spectral_matrices
from vbpi_mix.phylo import SitePatterns, TopologyBatch


def parametric_log_likelihood(
    branch_lengths: Tensor,
    rate_matrices: Tensor,
    root_frequencies: Tensor,
    category_rates: Tensor,
    category_weights: Tensor,
    topologies: TopologyBatch,
    patterns: SitePatterns,
    *,
    backend: str = "numba",
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Log-likelihoods of trees that each have a reversible model of their own, differentiable in all of it.

    Tree t has the transition matrices exp(Q_t r_tc b_te). With "numba" they are made, and differentiated, by compiled
    kernels from the spectra of the rate matrices, which must be reversible; the definition is the matrix exponential.

    Arguments:
        branch_lengths: (T, E) float64, finite and >= 0.
        rate_matrices: (T, n, n) Q, with pi_i Q_ij = pi_j Q_ji.
        root_frequencies: (T, n) pi, positive.
        category_rates: (T, C) rates r of the categories, >= 0.
        category_weights: (T, C) their probabilities.
        topologies: T topologies of N taxa.
        patterns: site patterns of the same taxa.
        backend: a word of `BACKENDS`.
        dtype: data type of the partial likelihoods, see `jc69_log_likelihood`.

    Returns:
        (T,) natural logarithms; -inf as in `tree_log_likelihood`.

    Raises:
        BackendError, InputError, NumericalError: as `tree_log_likelihood`.

    References:
        Daleckii and Krein, AMS Translations 47, 1965, on derivatives of functions of matrices.
    """
    n = patterns.n_states
    check_inputs(topologies, patterns)
    check_lengths(branch_lengths, topologies)
    check_models(rate_matrices, root_frequencies, category_rates, category_weights, topologies.n_trees, n)
    options = dtype_option(backend, dtype, n)
    of_any_model = find_backend(backend, branch_lengths)[0]
    if backend != "numba":
        times = branch_lengths[:, :, None] * category_rates[:, None, :]
        constant = backend == "triton" and not rate_matrices.requires_grad
        if constant and n != 4:
            return _by_times(times, rate_matrices, root_frequencies, category_weights, topologies, patterns)
        if constant:
            matrices = _following(times, rate_matrices, root_frequencies)
        else:
            matrices = torch.linalg.matrix_exp(rate_matrices[:, None, None] * times[..., None, None])
        return of_any_model(matrices, root_frequencies, category_weights, topologies, patterns, **options)
    model = (branch_lengths, rate_matrices, root_frequencies, category_rates, category_weights)
    return _ByRates.apply(*model, topologies, patterns, wants_gradient(*model), dtype)  # type: ignore[return-value]


@torch.no_grad()
def _matrices(times: Tensor, rate_matrices: Tensor, frequencies: Tensor) -> Tensor:
    """(T, E, C, n, n) matrices of times (T, E, C), by spectra: one where all trees share one rate matrix."""
    n, own = rate_matrices.shape[-1], slice(None) if rate_matrices.stride(0) or frequencies.stride(0) else slice(0, 1)
    spectra = reversible_spectra(as_array(rate_matrices[own].cpu()), as_array(frequencies[own].cpu()))
    values, left, right = (torch.from_numpy(x).to(times.device) for x in spectra)
    exponents = times.flatten(1)[..., None] * values[:, None]
    products = left.mT[..., None] * right[:, :, None]
    return spectral_matrices(exponents, products).view(*times.shape, n, n)


def _following(times: Tensor, rate_matrices: Tensor, frequencies: Tensor) -> Tensor:
    """`_matrices` of rate matrices that are constants, differentiable once in the times: dP/dt = Q P."""
    matrices = _matrices(times.detach(), rate_matrices, frequencies)
    if not wants_gradient(times):
        return matrices
    slopes = rate_matrices.detach()[:, None, None] @ matrices
    return matrices + slopes * (times - times.detach())[..., None, None]


def _by_times(
    times: Tensor, rate_matrices: Tensor, frequencies: Tensor, category_weights: Tensor,
    topologies: TopologyBatch, patterns: SitePatterns,
) -> Tensor:  # fmt: skip
    """The likelihood on a GPU with rate matrices that are constants."""
    generators = rate_matrices[:, None].expand(-1, times.shape[2], -1, -1)
    return timed_log_likelihood(
        times, _matrices(times, rate_matrices, frequencies), generators, frequencies, category_weights,
        topologies, patterns,
    )  # fmt: skip


def reversible_spectra(
    rate_matrices: np.ndarray, root_frequencies: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (T, n), left and right (T, n, n) with Q = left diag(values) right, of reversible Q (T, n, n), pi (T, n).

    From the symmetric D^(1/2) Q D^(-1/2), D = diag(pi), all trees at once. The largest value, of the stationary
    distribution, is exactly 0, and none is positive.
    """
    root = np.sqrt(root_frequencies)
    symmetric = rate_matrices * root[:, :, None] / root[:, None, :]
    values, vectors = np.linalg.eigh(0.5 * (symmetric + symmetric.transpose(0, 2, 1)))
    values[:, -1] = 0.0
    left, right = vectors / root[:, :, None], vectors.transpose(0, 2, 1) * root[:, None, :]
    return np.minimum(values, 0.0), np.ascontiguousarray(left), np.ascontiguousarray(right)


class _ByRates(torch.autograd.Function):
    """As `_General`, for trees that each have a reversible model of their own."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, lengths: Tensor, rate_matrices: Tensor, frequencies: Tensor, rates: Tensor, category_weights: Tensor,
        topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool, dtype: torch.dtype,
    ) -> Tensor:  # fmt: skip
        of_root = as_array(frequencies)
        rest = as_array(rates), of_root, as_array(category_weights), topologies, patterns
        if patterns.n_states == 4:
            spectra = reversible_spectra(as_array(rate_matrices), of_root)
            found = numba_backend.by_rates(
                as_array(lengths), spectra, *rest, with_gradient=with_gradient, dtype=NUMPY_TYPES[dtype]
            )
        else:
            # one rate matrix for all trees, as where only site rates are inferred, has one spectrum
            own = slice(None) if rate_matrices.stride(0) or frequencies.stride(0) else slice(0, 1)
            matrices = as_array(rate_matrices[own])
            spectra = reversible_spectra(matrices, of_root[own])
            found = wide_backend.by_rates(
                as_array(lengths), matrices, spectra, *rest,
                with_gradient=with_gradient, with_matrices=ctx.needs_input_grad[1],
            )  # fmt: skip
        values, of_lengths, of_matrices, of_rates, of_frequencies, of_weights = found
        check_values(values)
        if with_gradient:
            gradients = (of_lengths, of_matrices, of_frequencies, of_rates, of_weights)
            ctx.save_for_backward(*(torch.from_numpy(g) for g in gradients))
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        found = [
            g * grad.reshape(-1, *(1,) * (g.ndim - 1)) if needed else None
            for g, needed in zip(ctx.saved_tensors, ctx.needs_input_grad[:5], strict=True)
        ]
        return (*found, None, None, None, None)
