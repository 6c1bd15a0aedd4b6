"""Rate matrices of reversible models, and their exponentials, differentiable in every parameter."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.felsenstein.exponentials import divided_differences


@cache
def _upper(n: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the upper triangle: A-C, A-G, A-T, C-G, C-T, G-T."""
    rows, columns = torch.triu_indices(n, n, 1)
    return rows, columns


@cache
def _identity(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64).reshape(n * n)


def rate_matrix(exchangeabilities: Tensor, frequencies: Tensor) -> Tensor:
    """(n, n) reversible rate matrix with one expected substitution per unit of time.

    Q[i, j] = r[i, j] pi[j] / mu for i != j, with rows that sum to 0 and mu such that -sum_i pi[i] Q[i, i] = 1.

    Arguments:
        exchangeabilities: (n (n - 1) / 2,) float64 r of A-C, A-G, A-T, C-G, C-T, G-T, for other states the rows of
            the upper triangle likewise; only their ratios matter.
        frequencies: (n,) float64 stationary frequencies pi of the states, positive, with sum 1.
    """
    n = len(frequencies)
    off_diagonal = exchangeabilities.new_zeros(n, n).index_put(_upper(n), exchangeabilities)
    off_diagonal = (off_diagonal + off_diagonal.T) * frequencies
    out_of = off_diagonal.sum(dim=1)
    return (off_diagonal - torch.diag(out_of)) / (frequencies @ out_of)


def rate_matrices(exchangeabilities: Tensor, frequencies: Tensor) -> Tensor:
    """(T, n, n) as `rate_matrix`, of exchangeabilities (T, n (n - 1) / 2) and frequencies (T, n).

    A view of a single one where all trees share both.
    """
    n = frequencies.shape[1]
    if n != 4 and exchangeabilities.stride(0) == 0 == frequencies.stride(0):
        return rate_matrix(exchangeabilities[0], frequencies[0]).expand(len(frequencies), n, n)
    rows, columns = _upper(n)
    off_diagonal = exchangeabilities.new_zeros(len(exchangeabilities), n, n)
    off_diagonal = off_diagonal.index_put((torch.arange(len(off_diagonal))[:, None], rows, columns), exchangeabilities)
    off_diagonal = (off_diagonal + off_diagonal.transpose(1, 2)) * frequencies[:, None, :]
    out_of = off_diagonal.sum(dim=2)
    speed = (frequencies * out_of).sum(dim=1)
    return (off_diagonal - torch.diag_embed(out_of)) / speed[:, None, None]


@dataclass(frozen=True, kw_only=True)
class Spectrum:
    """Q = left diag(values) right, with right the inverse of left; constants for autograd.

    Arguments:
        values: (n,) eigenvalues, ascending; the last is exactly 0.
        left: (n, n) right eigenvectors of Q in columns.
        right: (n, n) left eigenvectors of Q in rows.
    """

    values: Tensor
    left: Tensor
    right: Tensor

    def products(self) -> Tensor:
        """(n, n n) left[:, k] right[k, :] of every eigenvalue k, so that f(Q) = f(values) @ products."""
        n = len(self.values)
        return torch.einsum("ik,kj->kij", self.left, self.right).reshape(n, n * n)


def spectrum(rates: Tensor, frequencies: Tensor) -> Spectrum:
    """Eigenvalues and eigenvectors of a reversible Q, from the symmetric matrix D^(1/2) Q D^(-1/2), D = diag(pi).

    Arguments:
        rates: (n, n) Q.
        frequencies: (n,) pi.
    """
    root = frequencies.detach().sqrt()
    symmetric = rates.detach() * root[:, None] / root
    values, vectors = torch.linalg.eigh(0.5 * (symmetric + symmetric.T))
    # the stationary distribution's eigenvalue; a rounding error there would spoil long branches
    values[-1] = 0.0
    return Spectrum(values=values, left=vectors / root[:, None], right=vectors.T * root)


def transition_matrices(rates: Tensor, spectrum: Spectrum, times: Tensor) -> Tensor:
    """(..., n, n) exp(Q t), differentiable in Q and in the times.

    The derivative in Q is that of Daleckii and Krein (1965): with G = left^T (dL/dP) right^T,

        dL/dQ = right^T (sum_t phi_t * G) left^T,  phi_t[k, l] = (exp(v_k t) - exp(v_l t)) / (v_k - v_l),

    the divided difference being t exp(v_k t) where v_k = v_l: nothing is lost where eigenvalues are equal or close,
    as they are in every model with fewer parameters than GTR.

    Arguments:
        rates: (n, n) Q.
        spectrum: spectrum of Q.
        times: (...) float64 >= 0.
    """
    return _Exponential.apply(rates, times, spectrum)  # type: ignore[return-value]


def transition_derivatives(spectrum: Spectrum, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(..., n, n) each of exp(Q t), Q exp(Q t) and Q Q exp(Q t): a transition matrix and its derivatives in t.

    Constants for autograd; errors as small as those of `transition_matrices`.

    Arguments:
        spectrum: spectrum of Q.
        times: (...) float64 >= 0.
    """
    slopes = spectrum.values * torch.exp(times.detach()[..., None] * spectrum.values)
    first, second = (x @ spectrum.products() for x in (slopes, slopes * spectrum.values))
    n = len(spectrum.values)
    shape = (*times.shape, n, n)
    return _exponential(spectrum, times.detach()), first.reshape(shape), second.reshape(shape)


def _exponential(spectrum: Spectrum, times: Tensor) -> Tensor:
    # P - I from exp(x) - 1, so that short branches keep all their digits
    matrices = torch.expm1(times[..., None] * spectrum.values) @ spectrum.products()
    n = len(spectrum.values)
    matrices += _identity(n)
    # probabilities that are zero may come out as -1e-17
    return matrices.clamp_(min=0.0).reshape(*times.shape, n, n)


class _Exponential(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rates: Tensor, times: Tensor, spectrum: Spectrum) -> Tensor:  # type: ignore[override]  # noqa: ARG004
        ctx.save_for_backward(times.detach().reshape(-1))
        ctx.spectrum = spectrum
        ctx.shape = times.shape
        return _exponential(spectrum, times.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (times,) = ctx.saved_tensors
        values, left, right = ctx.spectrum.values, ctx.spectrum.left, ctx.spectrum.right
        n = len(values)
        flat = grad.reshape(-1, n * n)
        of_rates = of_times = None
        # entry [ij, kl] carries dL/dP[i, j] to G[k, l]
        turn = torch.einsum("ik,lj->ijkl", left, right)
        if ctx.needs_input_grad[1]:
            diagonal = turn.diagonal(dim1=2, dim2=3).reshape(n * n, n)
            exponentials = torch.exp(times[:, None] * values)
            of_times = ((flat @ (diagonal * values)) * exponentials).sum(dim=1).reshape(ctx.shape)
        if ctx.needs_input_grad[0]:
            inner = flat @ turn.reshape(n * n, n * n)
            differences = torch.from_numpy(divided_differences(values.numpy(), times.numpy()))
            weighted = (inner * differences.reshape(-1, n * n)).sum(dim=0).reshape(n, n)
            of_rates = right.T @ weighted @ left.T
        return of_rates, of_times, None
