"""Backends of the likelihood by name, and the autograd functions around the compiled one."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from vbpi_mix.errors import BackendError, InputError, NumericalError
from vbpi_mix.felsenstein import reference
from vbpi_mix.felsenstein.cpu import backend as numba_backend
from vbpi_mix.felsenstein.cpu import wide_backend
from vbpi_mix.felsenstein.gpu import backend as triton_backend
from vbpi_mix.phylo import SitePatterns, TopologyBatch

BackendName = Literal["numba", "reference", "triton"]


class _General(torch.autograd.Function):
    """Values and gradients by one fused pass in `forward`; `backward` only multiplies."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, matrices: Tensor, frequencies: Tensor, category_weights: Tensor,
        topologies: TopologyBatch, patterns: SitePatterns, with_gradient: bool, dtype: torch.dtype,
    ) -> Tensor:  # fmt: skip
        ctx.shared = frequencies.ndim == 1, category_weights.ndim == 1
        model = as_array(matrices), as_array(frequencies), as_array(category_weights)
        if patterns.n_states == 4:
            values, *gradients = numba_backend.general(
                *model, topologies, patterns, with_gradient=with_gradient, dtype=NUMPY_TYPES[dtype]
            )
        else:
            values, *gradients = wide_backend.general(*model, topologies, patterns, with_gradient=with_gradient)
        check_values(values)
        if with_gradient:
            ctx.save_for_backward(*(torch.from_numpy(g) for g in gradients))
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        of_matrices, of_frequencies, of_weights = ctx.saved_tensors
        needs = ctx.needs_input_grad
        return (
            of_matrices * grad[:, None, None, None, None] if needs[0] else None,
            model_gradient(of_frequencies, grad, ctx.shared[0]) if needs[1] else None,
            model_gradient(of_weights, grad, ctx.shared[1]) if needs[2] else None,
            None, None, None, None,
        )  # fmt: skip


def model_gradient(gradients: Tensor, grad: Tensor, shared: bool) -> Tensor:
    """Derivatives (T, n) times (T,), summed over trees that share what they are derivatives in."""
    return grad @ gradients if shared else grad[:, None] * gradients


class ByLengths(torch.autograd.Function):
    """As `_General`, for branch lengths; `compute` gives values and gradient, if it is told that it is wanted."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, _lengths: Tensor, compute: Callable[[bool], tuple[np.ndarray, np.ndarray]], with_gradient: bool
    ) -> Tensor:
        values, gradient = compute(with_gradient)
        check_values(values)
        if with_gradient:
            ctx.save_for_backward(torch.from_numpy(gradient))
        return torch.from_numpy(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return gradient * grad[:, None], None, None


def _numba_general(
    matrices: Tensor, frequencies: Tensor, category_weights: Tensor, topologies: TopologyBatch, patterns: SitePatterns,
    dtype: torch.dtype = torch.float64,
) -> Tensor:  # fmt: skip
    wanted = wants_gradient(matrices, frequencies, category_weights)
    return _General.apply(matrices, frequencies, category_weights, topologies, patterns, wanted, dtype)  # type: ignore[return-value]


def _numba_jc69(
    lengths: Tensor, topologies: TopologyBatch, patterns: SitePatterns, dtype: torch.dtype = torch.float64
) -> Tensor:
    def compute(with_gradient: bool) -> tuple[np.ndarray, np.ndarray]:
        return numba_backend.jc69(
            as_array(lengths), topologies, patterns, with_gradient=with_gradient, dtype=NUMPY_TYPES[dtype]
        )

    return ByLengths.apply(lengths, compute, wants_gradient(lengths))  # type: ignore[return-value]


NUMPY_TYPES: dict[torch.dtype, type[np.floating]] = {torch.float64: np.float64, torch.float32: np.float32}


# word -> (any model, JC69)
BACKENDS = {
    "numba": (_numba_general, _numba_jc69),
    "reference": (reference.tree_log_likelihood, reference.jc69_log_likelihood),
    "triton": (triton_backend.tree_log_likelihood, triton_backend.jc69_log_likelihood),  # tensors on a GPU
}


def find_backend(word: str, tensor: Tensor) -> Any:
    if word not in BACKENDS:
        raise BackendError(f"unknown likelihood backend {word!r}: choose one of {', '.join(sorted(BACKENDS))}")
    if tensor.device.type != "cpu" and word != "triton":
        raise BackendError(f"the likelihood backend {word!r} needs tensors on the cpu, not on {tensor.device}")
    return BACKENDS[word]


def dtype_option(backend: str, dtype: torch.dtype, n_states: int = 4) -> dict[str, torch.dtype]:
    """Keywords for a backend: the type, where it is not the one that all of them use."""
    if dtype not in NUMPY_TYPES:
        raise InputError(f"partial likelihoods of {dtype}: choose torch.float64 or torch.float32")
    if dtype == torch.float64:
        return {}
    if n_states != 4:
        raise BackendError(f"with {n_states} states the likelihood is computed in torch.float64 only, not {dtype}")
    if backend in BACKENDS and backend != "numba":
        raise BackendError(f"the likelihood backend {backend!r} computes in float64 only: use 'numba' for {dtype}")
    return {"dtype": dtype}


def wants_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def as_array(tensor: Tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy())


def check_values(values: np.ndarray) -> None:
    bad = np.flatnonzero(np.isnan(values) | (values == np.inf))
    if len(bad):
        raise NumericalError(
            f"the log-likelihood of tree {bad[0]} is {values[bad[0]]}: its transition matrices are no probabilities"
        )
